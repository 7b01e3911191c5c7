package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// TestPlansOfTheExamples shows what people see before they deploy the three examples. No server answers.
func TestPlansOfTheExamples(t *testing.T) {
	nobody := freeAddress(t)
	for service, version := range map[string]string{"chat": "3.1", "shop": "1.1", "social": "2.1"} {
		t.Run(service, func(t *testing.T) {
			file := filepath.Join("..", "..", "examples", service, "naru.yaml")
			got := run(t.Context(), "plan", service, version, "-f", file, "--admin", nobody)
			if got.status != done || got.err != "" {
				t.Fatalf("%+v", got)
			}
			golden(t, "plan-"+service+".txt", got.out)
			for _, line := range strings.Split(got.out, "\n") {
				if len([]rune(line)) > width {
					t.Errorf("wider than %d: %s", width, line)
				}
			}
			var p deploy.Plan
			asJSON := run(t.Context(), "plan", service, version, "-f", file, "--admin", nobody, "--json")
			if err := json.Unmarshal([]byte(asJSON.out), &p); err != nil || p.Version != version || len(p.Steps) < 2 {
				t.Errorf("%v in %s", err, asJSON.out)
			}
		})
	}
}

func TestReceipts(t *testing.T) {
	began := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	r := deploy.Receipt{Rollout: "social-3", Service: "social", From: "r2", To: "r3", Outcome: deploy.RolledBack, Started: began, Ended: began.Add(73400 * time.Millisecond),
		Reason: "errors of r3: 4.2% of 1204 requests, and 1% is the most", Notes: []string{"step 5% passed without enough evidence: 12 requests"}, Complete: true,
		Requests:    deploy.Requests{Total: 1234567, Failed: 51, ByNaru: 1, ByApp: 50, Retried: 7, Held: 12},
		Revisions:   map[string]deploy.RevisionCounts{"r2": {Requests: 1233363, Failed: 2, P50: 1.24, P99: 12.5}, "r1": {}, "r3": {Requests: 1204, Failed: 50, P50: 1.31, P99: 1532.1}},
		Connections: deploy.Connections{WebSocketClosed: 1}, MinHealthy: 4}
	var out bytes.Buffer
	writeReceipt(&out, r)
	r.Outcome, r.Reason, r.Notes, r.Complete, r.From, r.Revisions = deploy.Promoted, "", nil, false, "", nil
	writeReceipt(&out, r)
	golden(t, "receipt.txt", out.String())
}

func TestStatuses(t *testing.T) {
	due := time.Date(2026, 1, 31, 12, 10, 0, 0, time.UTC)
	var out bytes.Buffer
	writeStatus(&out, engine.Status{Service: "new"})
	writeStatus(&out, engine.Status{Service: "chat", Wanted: 2,
		Stable: &engine.RevisionRef{Revision: "r2", Version: "3.0"}, Canary: &engine.RevisionRef{Revision: "r3", Version: "3.1"},
		Rollout: &engine.RolloutStatus{ID: "chat-3", From: "r2", To: "r3", Step: 1, Steps: 2, Name: "1 of 2", Phase: deploy.Starting, Reason: "chat-r3-1 to be healthy", Waiting: "chat-r3-1 to be healthy", Previews: "http://127.0.0.1:40001"},
		Traffic: []engine.TrafficStatus{{Revision: "r2", Share: 66.67, Requests: 12345, Failed: 1, P50: .42, P99: 3.1}},
		Rollback: &engine.RollbackStatus{RevisionRef: engine.RevisionRef{Revision: "r2", Version: "3.0"}, Readiness: &engine.Readiness{Checks: []engine.Check{
			{Name: "program", Detail: "the copy of the artifact of chat r2 is gone; deploy version 3.0 again"}, {Name: "allowed", OK: true}}}},
		Drill:       &engine.RevisionRef{Revision: "r1", Version: "2.9"},
		Obligations: []deploy.Obligation{{Kind: deploy.ScaleDown, Revision: "r1", Instances: 2, Due: due}},
		Instances: []engine.InstanceStatus{
			{ID: "chat-r2-1", Revision: "r2", Version: "3.0", Address: "127.0.0.1:20000", State: deploy.Running, Healthy: true, Enabled: true, InFlight: 17},
			{ID: "chat-r2-2", Revision: "r2", Version: "3.0", Address: "127.0.0.1:20001", State: deploy.Running, Healthy: true, Enabled: true},
			{ID: "chat-r3-1", Revision: "r3", Version: "3.1", Address: "127.0.0.1:20002", State: deploy.Running, Reason: "GET /healthz answered 500"}}})
	writeStatus(&out, engine.Status{Service: "shop", Wanted: 1, Problem: "the disk is full", Rollback: &engine.RollbackStatus{RevisionRef: engine.RevisionRef{Revision: "r0", Version: "0.9"}, Readiness: &engine.Readiness{Ready: true}}, Stable: &engine.RevisionRef{Revision: "r1", Version: "1.0"}})
	golden(t, "status.txt", out.String())
}

func TestHistories(t *testing.T) {
	began := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	writeHistory(&out, "new", nil, nil)
	writeHistory(&out, "chat", []api.Rollout{
		{ID: "chat-0", To: "r0", Version: "2.9", By: "deploy", Started: began.Add(-time.Hour), Ended: began.Add(-time.Hour + time.Second), Outcome: deploy.Promoted},
		{ID: "chat-1", To: "r1", Version: "3.0", By: "deploy", Who: "alice", Receipt: true, Kept: true, Pinned: true, Started: began, Ended: began.Add(7 * time.Second), Outcome: deploy.Promoted, Message: "the first"},
		{ID: "chat-2", From: "r1", To: "r2", Version: "3.1", By: "deploy", Who: "bob", Receipt: true, Kept: true, Started: began.Add(time.Hour), Ended: began.Add(time.Hour + 95*time.Second), Outcome: deploy.RolledBack, Reason: "chat-r2-1 ends at once\nno such table: rooms"},
		{ID: "chat-3", From: "r1", To: "r2", Version: "3.1", By: "retry", Who: "bob", Kept: true, Started: began.Add(2 * time.Hour), Phase: deploy.Baking},
	}, []engine.KeptRevision{
		{Revision: deploy.Revision{ID: "r1", Version: "3.0", Who: "alice", Created: began, Message: "the first"}, Pinned: true, Kept: deploy.WhyServes,
			Readiness: &engine.Readiness{Ready: true, Checks: []engine.Check{{Name: "program", OK: true}}}},
		{Revision: deploy.Revision{ID: "r2", Version: "3.1", Who: "bob", Created: began.Add(time.Hour)}, Kept: deploy.WhyNeeded,
			Readiness: &engine.Readiness{Checks: []engine.Check{{Name: "program", Detail: "chat r2 was deployed with ./chat, which cannot be read now; deploy again"}, {Name: "ports", OK: true}}}},
		{Revision: deploy.Revision{ID: "r3", Version: "3.2", Created: began.Add(2 * time.Hour)}}})
	golden(t, "history.txt", out.String())
}

func TestProgressLine(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	s := engine.Status{Rollout: &engine.RolloutStatus{From: "r1", To: "r2", Step: 1, Steps: 6, Name: "5%", Phase: deploy.Baking, Weight: 5, Waiting: "bake time, 9s left"},
		Instances: []engine.InstanceStatus{{Revision: "r1", Healthy: true}, {Revision: "r2"}},
		Traffic:   []engine.TrafficStatus{{Revision: "r1", Share: 95, Requests: 1000, Failed: 3}}}
	var p progress
	p.see(s, at)
	if got, want := p.line(s), "step 1/6 (5%)  |  r1 1/1 healthy 95% 0/s failed 0 p50 - p99 -  |  r2 0/1 healthy 5%  |  baking: bake time, 9s left"; got != want {
		t.Errorf("at first\n%s, want\n%s", got, want)
	}
	s.Traffic = []engine.TrafficStatus{{Revision: "r1", Share: 95, Requests: 1190, Failed: 4, P50: 1.234, P99: 2345}, {Revision: "r2", Share: 5, Requests: 10}}
	p.see(s, at.Add(2*time.Second))
	if got, want := p.line(s), "step 1/6 (5%)  |  r1 1/1 healthy 95% 95/s failed 1 p50 1.23ms p99 2.35s  |  r2 0/1 healthy 5% 5/s failed 0 p50 - p99 -  |  baking: bake time, 9s left"; got != want {
		t.Errorf("after two seconds\n%s, want\n%s", got, want)
	}
	s.Traffic[0].Requests, s.Traffic[1].Requests = 5, 0 // the proxy was started anew
	p.see(s, at.Add(4*time.Second))
	if got := p.line(s); !strings.Contains(got, "r1 1/1 healthy 95% 0/s") {
		t.Errorf("with counters that began anew\n%s", got)
	}
}

func TestValidate(t *testing.T) {
	folder := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(folder, "naru.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bad := write("services:\n  web:\n    instances: none\n    proces: {}\n")
	if got := run(t.Context(), "validate", "-f", bad); got.status != refused || !strings.Contains(got.err, "naru.yaml:3:16") || !strings.Contains(got.err, "naru.yaml:4:5") {
		t.Errorf("two faults: %+v", got)
	}
	got := run(t.Context(), "validate", "-f", bad, "--json")
	var answer struct {
		Valid            bool
		Errors, Warnings []fault
	}
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || got.status != refused || answer.Valid || len(answer.Errors) != 3 || answer.Errors[1].Line != 3 || answer.Errors[1].Column != 16 {
		t.Errorf("two faults as JSON: %+v (%v)", got, err)
	}
	odd := write("services: {web: {process: {command: [./web]}}}\n")
	if got := run(t.Context(), "validate", "-f", odd); got.status != done || !strings.Contains(got.out, "warning: ") || !strings.Contains(got.out, "can be used: 1 service\n") {
		t.Errorf("a warning: %+v", got)
	}
	if got := run(t.Context(), "validate", "-f", filepath.Join(folder, "none.yaml")); got.status != refused || !strings.Contains(got.err, "-f") {
		t.Errorf("no file: %+v", got)
	}
}

func TestSchemaIsJSON(t *testing.T) {
	if got := run(t.Context(), "schema"); got.status != done || !json.Valid([]byte(got.out)) {
		t.Errorf("%+v", got)
	}
}

func TestWrongUsageIsOneLine(t *testing.T) {
	nobody := freeAddress(t)
	file := filepath.Join("..", "..", "examples", "chat", "naru.yaml")
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"deplyo", "chat", "3.1"}, "did you mean naru deploy?"},
		{[]string{"deploy", "chat"}, "write naru deploy SERVICE VERSION"},
		{[]string{"deploy", "chat", "3.1", "--wat"}, "unknown flag: --wat"},
		{[]string{"deploy", "chta", "3.1", "-f", file}, "did you mean chat?"},
		{[]string{"deploy", "chat", "3.1", "-f", "no.yaml"}, "no.yaml"},
		{[]string{"deploy", "chat", "3.1", "-f", file, "--admin", nobody}, "no naru serve answers at " + nobody},
		{[]string{"status", "--admin", nobody}, "start one with naru serve -f naru.yaml"},
		{[]string{"status", "--token-file", "no.token"}, "no.token"},
		{[]string{"scale", "chat", "many"}, "many"},
		{[]string{"init"}, "not yet"},
		{[]string{"upgrade"}, "not yet"},
	} {
		got := run(t.Context(), test.args...)
		if got.status != refused || got.out != "" || !strings.HasPrefix(got.err, "naru: ") || strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, test.says) {
			t.Errorf("naru %s: %+v", strings.Join(test.args, " "), got)
		}
	}
	got := run(t.Context(), "deploy", "chat", "3.1", "-f", file, "--admin", nobody, "--json")
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(got.last()), &e); err != nil || e.Error.Code != string(api.Unavailable) || got.status != refused {
		t.Errorf("a refused deploy as JSON: %+v", got)
	}
}

func TestEnvironmentNamesServerAndToken(t *testing.T) {
	nobody, other := freeAddress(t), freeAddress(t)
	t.Setenv("NARU_ADMIN", nobody)
	if got := run(t.Context(), "status"); !strings.Contains(got.err, "answers at "+nobody) {
		t.Errorf("NARU_ADMIN is not followed: %+v", got)
	}
	if got := run(t.Context(), "status", "--admin", other); !strings.Contains(got.err, "answers at "+other) {
		t.Errorf("the flag does not come first: %+v", got)
	}
	t.Setenv("NARU_TOKEN_FILE", "no.token")
	if got := run(t.Context(), "status"); !strings.Contains(got.err, "no.token") {
		t.Errorf("NARU_TOKEN_FILE is not followed: %+v", got)
	}
}

func TestVersion(t *testing.T) {
	if got := run(t.Context(), "version"); got.out != "naru "+Version()+"\n" {
		t.Errorf("%+v", got)
	}
	if got := run(t.Context(), "--version"); got.out != "naru "+Version()+"\n" {
		t.Errorf("%+v", got)
	}
}

func TestColoursAreNeverWritten(t *testing.T) {
	if got := run(t.Context(), "--help"); strings.Contains(got.out, "\x1b") {
		t.Errorf("an escape sequence in %q", got.out)
	}
}

// commands are all that people see, by their path.
func commands() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	for _, c := range rootCommand(&shell{}).Commands() {
		if !c.Hidden && c.Name() != "help" {
			all[c.Name()] = c
		}
	}
	return all
}

func TestHelp(t *testing.T) {
	golden(t, "help/naru.txt", run(t.Context(), "--help").out)
	for name, c := range commands() {
		t.Run(name, func(t *testing.T) {
			if c.Long == "" || c.Example == "" {
				t.Error("without a description or an example")
			}
			golden(t, "help/"+name+".txt", run(t.Context(), name, "--help").out)
		})
	}
}

// TestReferenceNamesEverything holds the reference against the commands: every one has its heading and its flags.
func TestReferenceNamesEverything(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "commands.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split("\n"+string(text), "\n## ")[1:] {
		head, body, _ := strings.Cut(section, "\n")
		if words := strings.Fields(strings.Trim(head, "`")); words[0] == "naru" {
			head = words[0] + " " + words[1]
		}
		sections[head] = body
	}
	known := commands()
	for name, c := range known {
		body, found := sections["naru "+name]
		if !found {
			t.Errorf("no section ## `naru %s …`", name)
			continue
		}
		delete(sections, "naru "+name)
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(body, "--"+f.Name) {
				t.Errorf("the section of %s does not name --%s", name, f.Name)
			}
		})
	}
	rootCommand(&shell{}).PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(sections["Flags of all commands"], "--"+f.Name) {
			t.Errorf("--%s is missing among the flags of all commands", f.Name)
		}
	})
	for head := range sections {
		if strings.HasPrefix(head, "naru ") {
			t.Errorf("there is no %s", head)
		}
	}
}
