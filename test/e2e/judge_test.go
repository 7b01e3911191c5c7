package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// judged is a chat whose versions are judged: two instances under a strategy, with what is written below analysis. spoil
// breaks a version of it while it runs.
func judged(strategy, analysis string) string {
	return fmt.Sprintf(`  chat:
    instances: 2
    process: {command: [./chat, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"], env: {FAULT_FILE: "fault-${VERSION}"}}
    health: {http: /healthz, interval: 200ms, timeout: 2s, start_timeout: 10s}
    drain_timeout: 2s
    stop_timeout: 2s
    limits: {response_timeout: 3s}
    retries: {attempts: 0}
    strategy: %s
    analysis: %s
`, strategy, analysis)
}

// unhurried leaves latency out: where many share few cores for a moment, instances do differ in it.
const unhurried = `{streams: [errors, guardrail]}`

// serving is a stand on which a version of judged serves already; what comes next is rolled out by the given strategy.
func serving(t *testing.T, version, strategy, analysis string) *stand {
	t.Helper()
	s := start(t, judged(`{rolling: {bake: 100ms}}`, analysis))
	s.deploy(0, "chat", version)
	s.write(judged(strategy, analysis))
	return s
}

// spoil lets versions go wrong from now on; mend ends that.
func (s *stand) spoil(fault string, versions ...string) {
	s.t.Helper()
	for _, v := range versions {
		path := filepath.Join(s.dir, "fault-"+v)
		if err := errors.Join(os.WriteFile(path+".new", []byte(fault), 0o600), os.Rename(path+".new", path)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stand) mend(versions ...string) {
	s.t.Helper()
	for _, v := range versions {
		if err := os.Remove(filepath.Join(s.dir, "fault-"+v)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// crowd begins a load by so many clients that few failures are the second one of a client whose first is remembered.
func (s *stand) crowd(rate int) *traffic.Running {
	return traffic.Load{URL: "http://" + s.http, Rate: rate, Sources: 500, Request: traffic.Get("/api/echo?text=a", "/version")}.Start(s.t.Context())
}

// blamed checks a receipt of a version that the analysis has taken back: the stream and the words of the reason, and that
// the figures which it rests on are kept.
func blamed(t *testing.T, r deploy.Receipt, stream string, words ...string) {
	t.Helper()
	if r.Outcome != deploy.RolledBack || r.Requests.ByNaru > 0 && stream != "errors" || !strings.HasPrefix(r.Reason, stream+": ") {
		t.Errorf("%s, want a way back for %s: %s\n%+v", r.Outcome, stream, r.Reason, r.Requests)
	}
	contains(t, "the reason is", r.Reason, append(words, "by chance alone less than 1 in ", " would look so: evidence ")...)
	if len(r.Analysis) == 0 {
		t.Fatalf("the receipt has nothing of the analysis: %+v", r)
	}
	last := r.Analysis[len(r.Analysis)-1]
	if last.Outcome != deploy.Fail || last.Reason != r.Reason {
		t.Errorf("the last verdict is %s: %q, the reason %q", last.Outcome, last.Reason, r.Reason)
	}
	for _, f := range last.Figures {
		if f.Stream == stream && f.Evidence >= f.Limit && f.Limit > 0 && f.Canary != nil && f.Canary.Revision == r.To && f.Canary.Requests > 0 && f.Canary.Events > 0 {
			return
		}
	}
	t.Errorf("no figure of %s says so much: %+v", stream, last.Figures)
}

// A version that fails altogether is given no more requests before many have failed, and nothing fails afterwards.
// NARU_E2E_RATE is the number of requests per second.
func TestCanaryThatFailsAltogether(t *testing.T) {
	t.Parallel()
	rate := number(t, "NARU_E2E_RATE", 300)
	s := serving(t, "3.0", `{canary: {steps: [{weight: 5%, bake: 1m}, 100%]}}`, `{}`)
	load := s.crowd(rate)
	s.served(load, "3.0", 3*rate)
	harm := watchHarm(load, "3.1-500")
	r := s.deploy(2, "chat", "3.1-500")
	s.rest("chat", "3.0", 2)
	s.served(load, "3.0", rate)
	report := load.Stop()
	first, last := harm.end()
	t.Logf("%d requests per second, 5 %% of them to the canary: %d failed; from the first failure that a user saw to the last answer of the canary %s",
		rate, report.Failed, last.Sub(first).Round(time.Millisecond))
	blamed(t, r, "errors", "100.00% of ")
	if report.Failed != report.Versions["3.1-500"] || uint64(report.Failed) != r.Requests.ByApp || report.Overflow > 0 { // the receipt ends with the way back
		t.Errorf("%d failed, 3.1-500 has answered %d, the receipt counts %d; %d were not sent", report.Failed, report.Versions["3.1-500"], r.Requests.ByApp, report.Overflow)
	}
	if most := 20 + rate/5; report.Failed > most { // four seconds of the canary's part
		t.Errorf("%d requests have failed, want at most %d", report.Failed, most)
	}
}

// harm notices when a version fails its first request, and when it answers its last one.
type harm struct {
	stop, done  chan struct{}
	first, last time.Time
}

func watchHarm(load *traffic.Running, version string) *harm {
	h := &harm{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(h.done)
		look, answered := time.NewTicker(2*time.Millisecond), 0
		defer look.Stop()
		for {
			select {
			case <-h.stop:
				return
			case now := <-look.C:
				report := load.Report()
				if report.Failed > 0 && h.first.IsZero() {
					h.first = now
				}
				if n := report.Versions[version]; n > answered {
					h.last, answered = now, n
				}
			}
		}
	}()
	return h
}

func (h *harm) end() (first, last time.Time) {
	close(h.stop)
	<-h.done
	return h.first, h.last
}

// What a version does worse than the one before it is found out on its users' requests, whatever it is.
func TestRegressionsAreTakenBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from, to, strategy, analysis, stream string
		rate                                       int
		words                                      []string
	}{
		{"more errors", "3.0-flaky-0.1%", "3.1-flaky-4%", `{canary: {steps: [{weight: 25%, bake: 20s}, 100%]}}`, unhurried, "errors", 200, []string{" to r1 failed; "}},
		{"twice as slow", "3.0-late-10ms", "3.1-late-20ms", `{canary: {steps: [{weight: 50%, bake: 5s}, 100%]}}`, `{streams: [latency]}`, "latency", 150, []string{" were slower than ", " of r1); "}},
		{"bad after a while", "3.0", "3.1-rots-5s", `{canary: {steps: [{weight: 25%, bake: 20s}, 100%]}}`, unhurried, "errors", 200, []string{" and 0% of "}},
		{"a leak", "3.0-late-5ms", "3.1-leak-8ms", `{canary: {steps: [{weight: 50%, bake: 5s}, 100%]}}`, `{streams: [latency]}`, "latency", 150, []string{" were slower than "}},
		{"some requests hang", "3.0", "3.1-stall-5%", `{canary: {steps: [{weight: 25%, bake: 20s}, 100%]}}`, `{streams: [errors, guardrail], hang_deadline: 500ms}`, "errors", 200, []string{" and 0% of "}},
		{"rolling", "3.0", "3.1-flaky-10%", `{rolling: {bake: 20s}}`, unhurried, "errors", 200, []string{" and 0% of "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serving(t, c.from, c.strategy, c.analysis)
			load := s.crowd(c.rate)
			s.served(load, c.from, 4*c.rate)
			r := s.deploy(2, "chat", c.to)
			report := load.Stop()
			blamed(t, r, c.stream, c.words...)
			t.Logf("%s after %s, %d requests and %d failures of %s: %s", r.Outcome, r.Ended.Sub(r.Started).Round(100*time.Millisecond), report.Versions[c.to], r.Revisions["r2"].Failed, c.to, r.Reason)
			if c.stream == "latency" && r.Requests.Failed > 0 || int(r.Requests.Failed) > report.Failed {
				t.Errorf("requests %+v, users saw %d failures", r.Requests, report.Failed)
			}
			s.rest("chat", c.from, 2)
		})
	}
}

// After the swap there is nobody to compare green with: the service's own objectives take it back, to a blue that is
// still warm. What the load test found stands beside blue's figures, and blames nobody.
func TestGreenThatTurnsBadIsSwappedBack(t *testing.T) {
	t.Parallel()
	s := serving(t, "3.0", `{blue_green: {load_test: {path: /version, rate: 100, duration: 1s, errors: 0%}, bake: 20s}}`, `{objectives: {errors: 2%}}`)
	load := s.crowd(200)
	s.served(load, "3.0", 600)
	deploying := s.follow("deploy", "chat", "3.1", "--json")
	s.at("chat", 2, deploy.Baking)
	s.served(load, "3.1", 100)
	if n := load.Report().Failed; n > 0 {
		t.Errorf("%d requests failed before green turned bad", n)
	}
	s.spoil("flaky-30%", "3.1")
	out, _, status := deploying.wait()
	if status != 2 {
		t.Fatalf("deploy: exit %d, want 2\n%s", status, out)
	}
	r := s.receipt(out)
	blamed(t, r, "guardrail", " requests to r2 failed (the objective allows 2.00%)", " of 1,000")
	if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "the load test of r2: 0% of 100 requests failed, p99 ") {
		t.Errorf("notes: %q", r.Notes)
	} else {
		contains(t, "the note is", r.Notes[0], "; users have had 0% failed and p99 ", " of r1 lately", "told and not judged")
	}
	s.rest("chat", "3.0", 2)
	s.served(load, "3.0", 200)
	report := load.Stop()
	t.Logf("%d of %d answers of green failed before the swap back", report.Failed, report.Versions["3.1"])
	if r.Requests.ByNaru > 0 || report.Failed != int(r.Requests.ByApp) { // the receipt ends with the swap back
		t.Errorf("users saw %d failures, the receipt counts %+v", report.Failed, r.Requests)
	}
}

// A version that turns bad when it has all the traffic already cannot be told from an incident: the rollout goes a step back,
// where stable is its witness, and then all the way.
func TestCanaryThatTurnsBadAlone(t *testing.T) {
	t.Parallel()
	s := serving(t, "3.0", `{canary: {steps: [{weight: 50%, bake: 1s}, {weight: 100%, bake: 1m}]}}`, unhurried)
	load := s.crowd(200)
	s.served(load, "3.0", 600)
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.weighing(100)
	s.spoil("flaky-20%", "3.1")
	s.rest("chat", "3.0", 2)
	s.served(load, "3.0", 200)
	report, r := load.Stop(), s.last("chat")
	if strings.HasPrefix(r.Reason, "errors: ") { // both see it within moments of each other, once both have traffic
		blamed(t, r, "errors", " requests to r2 and 0% of ", " to r1 failed")
	} else {
		blamed(t, r, "guardrail", " requests to r2 failed (the objective allows 1.00%)", "; given traffic again, r1 did not: 0% of ")
	}
	if last := r.Notes[len(r.Notes)-1]; !strings.HasPrefix(last, "stepped back from 100%: guardrail: ") || !strings.HasSuffix(last, "r1 is given traffic again to see whether it fares better") {
		t.Errorf("notes: %q", r.Notes)
	}
	if r.Requests.ByNaru > 0 || report.Failed != int(r.Requests.ByApp) {
		t.Errorf("users saw %d failures, the receipt counts %+v", report.Failed, r.Requests)
	}
}
