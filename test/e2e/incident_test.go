package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// holds waits until a step is held up by an incident, and checks what is said of it.
func (s *stand) holds(step int) engine.Status {
	s.t.Helper()
	var v engine.Status
	s.until(30*time.Second, fmt.Sprintf("step %d is held up", step), func() error {
		v = s.status("chat")
		if r := v.Rollout; r == nil || r.Step != step || r.Phase != deploy.Analysing || !strings.Contains(r.Waiting, "nobody is blamed") {
			return fmt.Errorf("the rollout is %+v", r)
		}
		return nil
	})
	contains(s.t, "while stable fails the rollout waits for", v.Rollout.Waiting, "r1 itself breaks the objective: ", " requests since then failed, allowed are 1.00% (evidence ", " of 1,000)", "nothing is promoted until it keeps it again")
	if v.Rollout.Reason != v.Rollout.Waiting {
		s.t.Errorf("the reason is %q", v.Rollout.Reason)
	}
	return v
}

// What goes wrong with both versions is no version's fault: nothing is taken back, nothing promoted. When it is over the
// rollout goes on by itself; and before, when a person says so.
func TestIncidentBlamesNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, steps string
		promoted    float64 // weight to which a person promotes meanwhile; 0: nobody does
	}{
		{"it ends", `[{weight: 50%, bake: 2s}, 100%]`, 0},
		{"promoted", `[{weight: 30%, bake: 2s}, {weight: 50%, bake: 2s}, 100%]`, 50},
		{"promoted to everybody", `[{weight: 50%, bake: 2s}, 100%]`, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serving(t, "3.0", `{canary: {steps: `+c.steps+`, bake: 1s}}`, unhurried)
			load := s.crowd(200)
			s.served(load, "3.0", 600)
			s.must(0, "deploy", "chat", "3.1", "--detach")
			s.at("chat", 1, deploy.Baking)
			s.spoil("flaky-30%", "3.0", "3.1")
			v := s.holds(1)
			contains(t, "it says", v.Rollout.Waiting, "it began right after r2 was given more traffic")
			s.served(load, "3.1", 1000*int(v.Rollout.Weight)/100) // longer than evidence is waited for else
			if again := s.holds(1); again.Rollout.Weight != v.Rollout.Weight || again.Stable.Version != "3.0" {
				t.Errorf("in the incident: %+v", again.Rollout)
			}
			if c.promoted > 0 {
				s.must(0, "promote", "chat")
				s.weighing(c.promoted)
				s.served(load, "3.1", 200)
				s.weighing(c.promoted) // nobody takes back what a person has decided
			}
			s.mend("3.0", "3.1")
			s.rest("chat", "3.1", 2)
			report, r := load.Stop(), s.last("chat")
			if r.Outcome != deploy.Promoted || r.Requests.ByNaru > 0 || int(r.Requests.ByApp) > report.Failed || r.Requests.ByApp == 0 || len(r.Notes) > 0 && strings.Contains(r.Notes[0], "stepped back") {
				t.Errorf("%s: %s, requests %+v, notes %q; users saw %d failures", r.Outcome, r.Reason, r.Requests, r.Notes, report.Failed)
			}
		})
	}
}

// weighing waits until the canary has a part of the traffic and the judge has heard of requests to it in that step.
func (s *stand) weighing(percent float64) {
	s.t.Helper()
	s.until(20*time.Second, fmt.Sprintf("a weight of %v", percent), func() error {
		r := s.status("chat").Rollout
		if r == nil || r.Weight != percent || len(r.Analysis) == 0 || r.Analysis[0].Canary == nil || r.Analysis[0].Canary.Requests < 10 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}

// Where both begin to fail right after the canary was given more, something that they share may not bear it: the rollout
// steps back once without blame, and goes on from there when all is well again.
func TestSharedDependencyStepsBack(t *testing.T) {
	t.Parallel()
	s := serving(t, "3.0", `{canary: {steps: [{weight: 20%, bake: 1s}, {weight: 40%, bake: 1s}, {weight: 60%, bake: 3s}, 100%], bake: 1s}}`, unhurried) // three times as long at 60%: somebody must see it there
	load := s.crowd(200)
	s.served(load, "3.0", 600)
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.weighing(60)
	s.spoil("flaky-30%", "3.0", "3.1")
	s.weighing(40)
	s.served(load, "3.1", 200)
	s.holds(2) // it waits there, and goes no further back for the same reason
	s.mend("3.0", "3.1")
	s.rest("chat", "3.1", 2)
	load.Stop()
	r := s.last("chat")
	back := 0
	for _, note := range r.Notes {
		if strings.HasPrefix(note, "stepped back from 60%: r1 itself breaks the objective: ") && strings.HasSuffix(note, "it began right after r2 was given more traffic") {
			back++
		}
	}
	if r.Outcome != deploy.Promoted || back != 1 {
		t.Errorf("%s, stepped back %d times: %s, notes %q", r.Outcome, back, r.Reason, r.Notes)
	}
}
