package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

func TestDeployFollowsToTheReceipt(t *testing.T) {
	s := openSite(t, `    strategy: {rolling: {bake: 300ms}}`)
	first := s.must(s.deploy("web", "1.0", "-m", "the first"), done)
	for _, want := range []string{"r1 (1.0)", "2/2 healthy", "receipt of web-1", "promoted"} {
		if !strings.Contains(first.out, want) {
			t.Errorf("no %q in\n%s", want, first.out)
		}
	}
	if again := s.must(s.deploy("web", "1.0"), done); !strings.Contains(again.out, "nothing to do") {
		t.Errorf("the same again:\n%s", again.out)
	}

	second := s.must(s.deploy("web", "2.0", "--json"), done)
	var receipt deploy.Receipt
	if err := json.Unmarshal([]byte(second.last()), &receipt); err != nil || receipt.Outcome != deploy.Promoted || !receipt.Complete || receipt.Requests.Failed != 0 || receipt.Requests.Total == 0 {
		t.Errorf("the last line is %s (%v)", second.last(), err)
	}
	for _, line := range strings.Split(strings.TrimSpace(second.out), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}

	sick := s.must(s.deploy("web", "sick"), undone)
	if !strings.Contains(sick.out, "rolled back after") || !strings.HasPrefix(sick.err, "naru: web to r3 (sick) was rolled back: ") {
		t.Errorf("a sick version:\n%s%s", sick.out, sick.err)
	}
	crash := s.must(s.deploy("web", "crash", "--json"), undone)
	if !strings.Contains(crash.err, "no such table: carts") || !strings.Contains(crash.last(), `"outcome":"rolled_back"`) {
		t.Errorf("a crashing version: %s\n%s", crash.last(), crash.err)
	}

	looks(t, s)
	s.must(s.run("rollback", "web"), done)
	if now := s.must(s.run("status", "web"), done); !strings.Contains(now.out, "web: r1 (1.0) serves") {
		t.Errorf("after the rollback:\n%s", now.out)
	}
	s.must(s.run("scale", "web", "3"), done)
	until(t, func() bool { return strings.Contains(s.run("status", "web").out, "3 of 3 instances healthy") })
	s.must(s.run("remove", "web"), done)
	if gone := s.must(s.run("status", "web"), refused); !strings.Contains(gone.err, `no service "web"`) {
		t.Errorf("after the removal: %s", gone.err)
	}
}

// looks tries every command that only looks, with a history of four rollouts.
func looks(t *testing.T, s *site) {
	t.Helper()
	for _, look := range []struct {
		args []string
		says []string
	}{
		{[]string{"status"}, []string{"web: r2 (2.0) serves, 2 of 2", "web-r2-1"}},
		{[]string{"status", "--json"}, []string{`{"services":[{"service":"web"`}},
		{[]string{"history", "web"}, []string{"web-1", "the first", "promoted", "rolled back", "kept revisions: r1 (1.0), r2 (2.0)"}},
		{[]string{"history", "web", "--json"}, []string{`"rollouts":[{"id":"web-1"`}},
		{[]string{"receipt", "web", "web-2"}, []string{"receipt of web-2: r1 to r2, promoted", "0 failed", "r1", "r2"}},
		{[]string{"receipt", "web"}, []string{"receipt of web-4", "no such table"}},
		{[]string{"logs", "web"}, []string{"web-r2-1 version 2.0 listens"}},
		{[]string{"logs", "web", "--revision", "r1", "--tail", "1", "--json"}, []string{`"instance":"web-r1-`, `"text":"version 1.0 listens"`}},
		{[]string{"plan", "web", "3.0", "-f", s.file}, []string{"web: r2 (2.0) to r5 (3.0), 2 steps"}},
	} {
		got := s.must(s.run(look.args...), done)
		for _, want := range look.says {
			if !strings.Contains(got.out, want) {
				t.Errorf("naru %s does not say %q:\n%s", strings.Join(look.args, " "), want, got.out)
			}
		}
	}
	for args, want := range map[string]string{
		"promote web":        "no open rollout",
		"pause web":          "no open rollout",
		"rollback web r9":    "r1 (1.0), r2 (2.0)",
		"receipt web web-99": "naru history web",
		"logs web --since x": "since",
		"status wob":         "known are: web",
	} {
		if got := s.must(s.run(strings.Fields(args)...), refused); !strings.Contains(got.err, want) || strings.Count(got.err, "\n") != 1 || got.out != "" {
			t.Errorf("naru %s: %q %q", args, got.err, got.out)
		}
	}
}

// TestWatchingEndsByCtrlC ends what goes on until Ctrl-C; that is its proper end.
func TestWatchingEndsByCtrlC(t *testing.T) {
	s := openSite(t, `    strategy: {rolling: {bake: 0s}}
    analysis: {enabled: false}`)
	s.must(s.deploy("web", "1.0"), done)
	for _, test := range []struct{ args, says string }{
		{"status web --watch", "web: r1 (1.0) serves"},
		{"status --watch --json", `{"services":[`},
		{"logs web --follow", "version 1.0 listens"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		var seen, said screen
		ended := make(chan int, 1)
		go func() {
			ended <- Main(ctx, append(strings.Fields(test.args), "--admin", s.admin), strings.NewReader(""), &seen, &said)
		}()
		until(t, func() bool { return strings.Contains(seen.String(), test.says) })
		interrupt()
		if status := <-ended; status != done || said.String() != "" {
			t.Errorf("naru %s ended with %d: %s", test.args, status, said.String())
		}
	}
}

func TestFollowingBearsWithASilentServer(t *testing.T) {
	var said bytes.Buffer
	f := follower{s: &shell{err: &said}, answered: time.Now()}
	gone := &api.Error{Code: api.Unavailable, Message: "no naru serve answers"}
	for range 2 {
		if err := f.silence(t.Context(), gone); err != nil {
			t.Errorf("at once: %v", err)
		}
	}
	if strings.Count(said.String(), "\n") != 1 {
		t.Errorf("said %q", said.String())
	}
	f.answered = f.answered.Add(-followMissing)
	var e *exit
	if err := f.silence(t.Context(), gone); !errors.As(err, &e) || e.status != open {
		t.Errorf("after two minutes: %v", err)
	}
	if err := f.silence(t.Context(), &api.Error{Code: engine.NotFound}); code(err) != engine.NotFound {
		t.Errorf("a server that refuses: %v", err)
	}
}

func code(err error) engine.Code {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// follows deploys a version of web beside the test, and returns when that watches rollout web-2.
func (s *site) follows(ctx context.Context, t *testing.T, version string, more ...string) (ended chan int, said *screen) {
	t.Helper()
	ended, said = make(chan int, 1), &screen{}
	var seen screen
	go func() {
		ended <- Main(ctx, append([]string{"deploy", "-f", s.file, "web", version}, more...), strings.NewReader(""), &seen, said)
	}()
	until(t, func() bool { return strings.Contains(seen.String(), "rollout web-2") })
	return ended, said
}

func TestDeployEndsItsWaiting(t *testing.T) {
	s := openSite(t, `    strategy: {blue_green: {bake: 1h, approve: true}}`)
	s.must(s.deploy("web", "1.0", "--detach"), done)
	s.must(s.run("promote", "web"), done)
	until(t, func() bool { return strings.Contains(s.run("history", "web").out, "promoted") })

	asked := s.must(s.deploy("web", "2.0"), open)
	if !strings.Contains(asked.err, "approval") || !strings.Contains(asked.err, "naru promote") {
		t.Errorf("with an approval and no terminal: %s", asked.err)
	}
	same := s.must(s.deploy("web", "2.0", "--wait", "300ms", "--json"), open) // joins the open rollout
	var status engine.Status
	if err := json.Unmarshal([]byte(same.last()), &status); err != nil || status.Rollout == nil || status.Rollout.Phase != deploy.Approval {
		t.Errorf("the last line is %s (%v)", same.last(), err)
	}
	s.must(s.run("promote", "web"), done)
	s.must(s.run("pause", "web"), done)
	s.must(s.run("resume", "web"), done)

	interrupted, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended, said := s.follows(interrupted, t, "2.0")
	interrupt()
	if got := <-ended; got != open || !strings.Contains(said.String(), "stopped watching") {
		t.Errorf("interrupted: %d, %s", got, said.String())
	}

	superseded, said := s.follows(t.Context(), t, "2.0", "--wait", "1m")
	s.must(s.deploy("web", "3.0", "--detach"), done)
	if got := <-superseded; got != undone || !strings.Contains(said.String(), "superseded by r3") {
		t.Errorf("superseded: %d, %s", got, said.String())
	}
	if back := s.must(s.run("rollback", "web"), done); !strings.Contains(back.out, "aborted") {
		t.Errorf("rollback of an open rollout:\n%s", back.out)
	}
	again := s.must(s.run("retry", "web", "--detach", "--json"), done)
	var r api.Rollout
	if err := json.Unmarshal([]byte(again.last()), &r); err != nil || r.To != "r3" || r.By != "retry" {
		t.Errorf("retry: %s (%v)", again.last(), err)
	}
	s.must(s.run("abort", "web", "-m", "enough"), done)
	until(t, func() bool { return strings.Contains(s.run("history", "web").out, "(enough)") })
	if final := s.must(s.run("retry", "web", "nonsense"), refused); !strings.Contains(final.err, "too many arguments") {
		t.Errorf("retry with too much: %s", final.err)
	}
}
