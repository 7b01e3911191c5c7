package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// builtNotes builds the example that cannot run twice; it is a module of its own.
var builtNotes = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-C", "../../examples/notes", "-o", filepath.Join(bin, "notes"), ".").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build examples/notes: %w\n%s", err, out)
	}
	return nil
})

// noted is the notes example, with further lines of the service.
func noted(more string) string {
	return `  notes:
    exclusive: true
    process: {command: [BIN/notes, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}", --data, notes.db]}
    health: {http: /healthz, start_timeout: 20s}
    hold_timeout: 15s
    drain_timeout: 3s
    stop_timeout: 2s
` + more
}

// notes serves 4.0 of the example.
func notes(t *testing.T, more string) *stand {
	t.Helper()
	if err := builtNotes(); err != nil {
		t.Fatal(err)
	}
	s := start(t, noted(more))
	s.deploy(0, "notes", "4.0")
	return s
}

// notaries read and write notes; no note that was kept may be lost.
func (s *stand) notaries(rate int) *traffic.Running {
	requests := func(i int) traffic.Request {
		switch i % 10 {
		case 3:
			return traffic.Request{Method: http.MethodPost, Path: "/notes", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
				Body: fmt.Appendf(nil, "text=note+%d", i), Check: func(a traffic.Answer) error {
					if a.Status != http.StatusCreated {
						return fmt.Errorf("answered %d", a.Status)
					}
					return nil
				}}
		case 7:
			return traffic.Request{Path: "/notes"}
		}
		return traffic.Request{Path: "/version"}
	}
	return traffic.Load{URL: "http://" + s.http, Rate: rate, Sources: 200, Fresh: .25, Request: requests}.Start(s.t.Context())
}

// kept checks that every note that was answered is there, once.
func (s *stand) kept(before int, r traffic.Report) int {
	s.t.Helper()
	now := s.counted()
	if written := r.Statuses[http.StatusCreated]; now-before != written {
		s.t.Errorf("%d notes were kept, and there are %d more", written, now-before)
	}
	return now
}

func (s *stand) counted() int {
	s.t.Helper()
	res, err := http.Get("http://" + s.http + "/count")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Count int }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Count
}

// A program that cannot run twice is deployed again and again under load: requests wait, none fails, no note is lost.
// NARU_EXCLUSIVE is the number of deploys.
func TestExclusive(t *testing.T) {
	t.Parallel()
	deploys, rate := number(t, "NARU_EXCLUSIVE", 3), number(t, "NARU_EXCLUSIVE_RATE", 100)
	s := notes(t, "")
	load := s.notaries(rate)
	var longest, service float64
	held := uint64(0)
	for i := range deploys {
		r := s.deploy(0, "notes", fmt.Sprintf("4.%d", i+1))
		whole(t, r, deploy.Promoted)
		if r.Requests.Held == 0 || r.Hold.Longest <= 0 || r.Hold.Service <= 0 || r.MinHealthy != 0 {
			t.Errorf("%d requests were held, hold %+v, at least %d healthy", r.Requests.Held, r.Hold, r.MinHealthy)
		}
		longest, service, held = max(longest, r.Hold.Longest), max(service, r.Hold.Service), held+r.Requests.Held
	}
	report := load.Stop()
	clean(t, report)
	s.kept(0, report)
	if slowest := report.Latency.Max(); longest > 1.03*float64(slowest.Microseconds())/1000 {
		t.Errorf("the receipts say that a request was held for %.0f ms, and the slowest was answered after %s", longest, slowest)
	}
	text := words(s.must(0, "receipt", "notes"))
	contains(t, "the receipt says", text, " held", "the longest hold of a request ", ", the service held for ")
	t.Logf("%d deploys at %d/s: %d requests in all, 0 failed, %d held; the longest hold of a request was %.0f ms, of the service %.0f ms",
		deploys, rate, report.Sent, held, longest, service)
}

// A bad version comes and goes while requests wait: the old one answers them.
func TestExclusiveBadVersions(t *testing.T) {
	t.Parallel()
	s := notes(t, "")
	total := s.counted()
	for _, c := range []struct{ version, reason string }{
		{"4.2-crash", "ended 3 times in a row"},
		{"4.2-hang", "after requests began to wait; the rest of hold_timeout (15s) is for ending it and for r1 to come back: notes-r"},
		{"4.2-slow-60s", "after requests began to wait; the rest of hold_timeout (15s) is for ending it and for r1 to come back: notes-r"},
	} {
		t.Run(c.version, func(t *testing.T) {
			s := s.in(t)
			load := s.notaries(80)
			s.served(load, "4.0", 100)
			r := s.deploy(2, "notes", c.version)
			report := load.Stop()
			clean(t, report)
			whole(t, r, deploy.RolledBack)
			contains(t, "the reason is", r.Reason, c.reason)
			if r.Hold.Longest == 0 || r.Hold.Longest > 15000*1.025 || r.Requests.Held == 0 {
				t.Errorf("%d requests were held, hold %+v", r.Requests.Held, r.Hold)
			}
			t.Logf("the longest hold of a request was %.0f ms, of the service %.0f ms: %s", r.Hold.Longest, r.Hold.Service, r.Reason)
			total = s.kept(total, report)
			s.rest("notes", "4.0", 1)
		})
	}
}

// What can be found out about a version before it is started leaves the old one as it is: nobody waits.
func TestExclusiveVersionThatCannotStart(t *testing.T) {
	t.Parallel()
	s := notes(t, "")
	before := s.status("notes")
	s.write(strings.ReplaceAll(noted(""), "BIN/notes,", `"BIN/notes-${VERSION}",`))
	load := s.notaries(100)
	r := s.deploy(2, "notes", "9.9")
	clean(t, load.Stop())
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "notes-9.9")
	if r.Hold != (deploy.Hold{}) || r.Requests.Held > 0 {
		t.Errorf("%d requests were held, hold %+v", r.Requests.Held, r.Hold)
	}
	s.sameProcesses(before)
}

// What could not come back is said before it is ended, and no deploy is refused for it.
func TestExclusiveWithoutAWayBack(t *testing.T) {
	t.Parallel()
	s := stage(t, strings.ReplaceAll(lonely(reserved(t), ""), "./chat", "./mine"))
	own := func(from string) { // a copy that is overwritten as people do
		text, err := os.ReadFile(filepath.Join(bin, from))
		if err == nil {
			err = os.WriteFile(filepath.Join(s.dir, "new"), text, 0o755)
		}
		if err == nil {
			err = os.Rename(filepath.Join(s.dir, "new"), filepath.Join(s.dir, "mine"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	own("chat")
	s.begin()
	s.deploy(0, "chat", "3.0")
	// Nobody asks: what is alone has all the users there are, so it waits for none, and says so.
	if r := s.deploy(0, "chat", "3.1"); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "no request has reached r2") {
		t.Errorf("notes: %q", r.Notes)
	}
	own("social")
	const note = "when r3 does not become healthy, nothing will serve, because r2 could not be started again: "
	contains(t, "the plan says", words(s.must(0, "plan", "chat", "3.2")), note)
	load := s.users(60, "", "/version")
	r := s.deploy(0, "chat", "3.2")
	clean(t, load.Stop())
	whole(t, r, deploy.Promoted)
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], note) || !strings.Contains(r.Notes[0], "the file has changed since") {
		t.Errorf("notes: %q", r.Notes)
	}
}

// A version that is healthy and answers errors is taken back by the objective; only its own answers have failed.
func TestExclusiveVersionThatFailsRequests(t *testing.T) {
	t.Parallel()
	s := notes(t, "")
	load := s.notaries(80)
	s.served(load, "4.0", 100)
	r := s.deploy(2, "notes", "4.2-500")
	report := load.Stop()
	if r.Outcome != deploy.RolledBack || r.Requests.ByNaru > 0 || r.Requests.ByApp == 0 || int(r.Requests.ByApp) != report.Failed {
		t.Errorf("%s: %+v; users saw %d failures", r.Outcome, r.Requests, report.Failed)
	}
	s.rest("notes", "4.0", 1)
	s.kept(0, report)
	t.Logf("%s; hold %+v, requests %+v", r.Reason, r.Hold, r.Requests)
}

// The plan says beforehand who has to wait, and the measured start time is in it.
func TestExclusivePlan(t *testing.T) {
	t.Parallel()
	s := notes(t, "")
	text := words(s.must(0, "plan", "notes", "4.1"))
	contains(t, "the plan says", text, "r1 (4.0) to r2 (4.1), 2 steps", "1 prepare 1, 100%", "2 swap - 1, 100% 0%", "notes cannot run twice: requests are held while r1 ends and r2 starts, about ",
		"the last start of r1 took so long", "r1 comes back, so that it answers them before hold_timeout (15s) is over")
	var p deploy.Plan
	if err := json.Unmarshal([]byte(s.must(0, "plan", "notes", "4.1", "--json")), &p); err != nil || p.Hold == nil || p.Hold.Return <= 0 || p.Hold.Return > deploy.Duration(5*time.Second) || p.Hold.Limit >= p.Hold.Timeout {
		t.Errorf("%v: %+v", err, p.Hold)
	}
	s.refused([]string{"cannot run twice", "so there is 1 instance and not 2"}, "scale", "notes", "2")
}
