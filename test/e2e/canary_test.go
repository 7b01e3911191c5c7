package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// social is the social network example under a canary strategy.
func social(canary string) string {
	return fmt.Sprintf(`  social:
    instances: 3
    process: {command: [./social, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"]}
    health: {http: /healthz, interval: 200ms, timeout: 1s, start_timeout: 10s}
    drain_timeout: 2s
    stop_timeout: 3s
    deadline: 60s
    affinity: {by: cookie}
    strategy: {canary: %s}
    analysis: {objectives: {errors: 5%%}}
`, canary)
}

// A ladder that only people climb: each step bakes longer than the test lasts.
const byHand = `{steps: [{weight: 20%, match: [{header: X-Beta, value: "1"}], bake: 10m}, {weight: 50%, bake: 10m}, {weight: 100%, bake: 10m}], bake: 200ms}`

// Users who have seen the new version stay there, more join them from step to step, and after an abort nobody is left
// on it. Another rollout chooses other users first.
func TestCanaryUsers(t *testing.T) {
	t.Parallel()
	s := start(t, social(byHand))
	s.deploy(0, "social", "2.0")
	load, people := s.users(50, "", "/timeline"), s.visitors(300, "/timeline")
	s.must(0, "deploy", "social", "2.1", "--detach")
	s.weighs("social", 1, 20)
	beta := traffic.Load{URL: "http://" + s.http, Rate: 40, Sources: 20, Cookies: true, Request: betaUser}.Start(t.Context())
	first := people.visit()
	near(t, first, 20)
	stay(t, "at the same step", first, people.visit())

	s.must(0, "promote", "social")
	s.weighs("social", 2, 50)
	second := people.visit()
	near(t, second, 50)
	stay(t, "from 20 % to 50 %", first, second)

	s.must(0, "promote", "social")
	s.weighs("social", 3, 100)
	if n := count(people.visit(), "2.1"); n != len(people.clients) {
		t.Errorf("at 100 %% %d of %d users are on 2.1", n, len(people.clients))
	}
	clean(t, beta.Stop())

	s.must(0, "abort", "social")
	s.rest("social", "2.0", 3)
	if n := count(people.visit(), "2.0"); n != len(people.clients) {
		t.Errorf("after the abort %d of %d users are on 2.0", n, len(people.clients))
	}
	if _, version := s.get("", "/timeline", "X-Beta", "1"); version != "2.0" {
		t.Errorf("after the abort X-Beta: 1 is answered by %q", version)
	}
	whole(t, s.last("social"), deploy.Aborted)

	s.must(0, "retry", "social", "--detach")
	s.weighs("social", 1, 20)
	again := people.visit()
	near(t, again, 20)
	if slices.Equal(first, again) {
		t.Error("the next rollout has chosen exactly the same users")
	}
	s.must(0, "promote", "social", "--full")
	s.rest("social", "2.1", 3)
	clean(t, load.Stop())
	whole(t, s.last("social"), deploy.Promoted)
}

// weighs waits until a step bakes and checks what the status says of it, name by name.
func (s *stand) weighs(service string, step int, weight float64) {
	s.t.Helper()
	v := s.at(service, step, deploy.Baking)
	if v.Rollout.Weight != weight || v.Rollout.Steps != 3 || v.Rollout.From != "r1" || v.Rollout.To != "r2" || v.Canary == nil || v.Canary.Version != "2.1" {
		s.t.Errorf("step %d: canary %+v, rollout %+v, want a weight of %v", step, v.Canary, v.Rollout, weight)
	}
	var raw struct {
		Rollout map[string]any `json:"rollout"`
	}
	if err := json.Unmarshal([]byte(s.must(0, "status", service, "--json")), &raw); err != nil {
		s.t.Fatal(err)
	}
	for _, name := range []string{"id", "from", "to", "step", "steps", "phase", "weight", "reason"} {
		if _, there := raw.Rollout[name]; !there {
			s.t.Errorf("the status of a rollout has no %q: %v", name, raw.Rollout)
		}
	}
}

func betaUser(int) traffic.Request {
	return traffic.Request{Path: "/timeline", Header: http.Header{"X-Beta": {"1"}}, Check: func(a traffic.Answer) error {
		if v := a.Header.Get("X-Version"); v != "2.1" {
			return errors.New("X-Beta: 1 was answered by " + v)
		}
		return nil
	}}
}

// near checks that the share of users on 2.1 is the weight, within five standard deviations of chance.
func near(t *testing.T, versions []string, percent float64) {
	t.Helper()
	n, p := float64(len(versions)), percent/100
	got, width := float64(count(versions, "2.1")), 5*math.Sqrt(n*p*(1-p))
	t.Logf("%.0f of %.0f users are on 2.1 at a weight of %.0f %%", got, n, percent)
	if math.Abs(got-n*p) > width {
		t.Errorf("%.0f of %.0f users are on 2.1, want %.0f ± %.0f", got, n, n*p, width)
	}
}

// stay checks that no user went back from 2.1.
func stay(t *testing.T, when string, before, after []string) {
	t.Helper()
	for i := range before {
		if before[i] == "2.1" && after[i] != "2.1" {
			t.Errorf("%s user %d went from %s back to %s", when, i, before[i], after[i])
		}
	}
}

// A version that fails more often than it may is taken back by itself, and the reason says how often.
func TestCanaryThatFailsIsTakenBack(t *testing.T) {
	t.Parallel()
	s := start(t, social(`{steps: [{weight: 30%, bake: 20s}, 100%], bake: 200ms}`))
	s.deploy(0, "social", "2.0")
	load := s.users(150, "", "/timeline")
	r := s.deploy(2, "social", "2.2")
	s.served(load, "2.0", 50)
	report := load.Stop()
	t.Logf("load: %s", report)
	blamed(t, r, "errors")
	if !regexp.MustCompile(`^errors: \d+\.\d\d% of [\d,]+ requests to r2 and 0% of [\d,]+ to r1 failed; by chance alone less than 1 in 200 would look so: evidence (over a million|[\d,]+) of 200$`).MatchString(r.Reason) {
		t.Errorf("the reason is %q", r.Reason)
	}
	if r.Requests.ByNaru != 0 || r.Requests.ByApp == 0 || r.Requests.ByApp != uint64(report.Failed) || r.Requests.Failed != r.Requests.ByApp {
		t.Errorf("requests %+v, users saw %d failures", r.Requests, report.Failed)
	}
	for _, f := range report.Failures {
		if f.Version != "2.2" {
			t.Errorf("a failure of somebody else: %v", f)
		}
	}
	s.rest("social", "2.0", 3)
}

// While a rollout is paused nothing moves, and yet what is bad is taken back.
func TestPausedCanaryIsStillJudged(t *testing.T) {
	t.Parallel()
	s := start(t, social(`{steps: [50%, 100%], bake: 1s}`))
	s.deploy(0, "social", "2.0")
	s.refused([]string{"no open rollout"}, "pause", "social")
	s.must(0, "deploy", "social", "2.2", "--detach")
	s.until(20*time.Second, "canary traffic", func() error {
		if r := s.status("social").Rollout; r == nil || r.Weight != 50 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	s.must(0, "pause", "social")
	s.refused([]string{"is paused already"}, "pause", "social")
	before := s.at("social", 1, deploy.Paused)
	load := s.users(50, "", "/version") // nothing wrong is asked for
	s.served(load, "2.2", 100)
	if v := s.at("social", 1, deploy.Paused); v.Rollout.Weight != before.Rollout.Weight {
		t.Errorf("the weight went from %v to %v in a pause", before.Rollout.Weight, v.Rollout.Weight)
	}
	bad := s.users(100, "", "/timeline")
	s.rest("social", "2.0", 3)
	clean(t, load.Stop())
	if r, report := s.last("social"), bad.Stop(); r.Outcome != deploy.RolledBack || r.Requests.ByNaru != 0 || int(r.Requests.ByApp) != report.Failed {
		t.Errorf("receipt %+v, users saw %d failures", r, report.Failed)
	}
}

// A canary that nobody asks is not promoted on that: it pauses and a person decides.
func TestCanaryWithoutRequestsPauses(t *testing.T) {
	t.Parallel()
	s := start(t, social(`{steps: [50%, 100%], bake: 200ms}`))
	s.deploy(0, "social", "2.0")
	out, errs, status := s.said("deploy", "social", "2.1", "--json")
	if status != 3 {
		t.Fatalf("deploy: exit %d, want 3\n%s%s", status, out, errs)
	}
	contains(t, "deploy says", errs, "no request has reached r2")
	if v := lastStatus(t, out); v.Rollout == nil || v.Rollout.Phase != deploy.Paused || v.Rollout.Weight != 50 || v.Rollout.Step != 1 {
		t.Errorf("the last line: %s", out)
	}
	s.must(0, "resume", "social")
	s.until(20*time.Second, "it waits again", func() error {
		if r := s.status("social").Rollout; r == nil || r.Phase == deploy.Paused {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	s.at("social", 1, deploy.Paused)
	s.must(0, "promote", "social")
	s.at("social", 2, deploy.Paused)
	s.refused([]string{"is paused already"}, "pause", "social")
	load := s.users(100, "", "/timeline", "/version")
	s.served(load, "2.1", 50)
	s.must(0, "resume", "social")
	s.rest("social", "2.1", 3)
	clean(t, load.Stop())
	whole(t, s.last("social"), deploy.Promoted)
}
