package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Where too few ask for the evidence to suffice, the file says what follows; nothing of it is silent.
func TestTooLittleEvidence(t *testing.T) {
	t.Parallel()
	const steps = `{canary: {steps: [{weight: 20%, bake: 1s}, 100%], bake: 500ms}}`
	missing := []string{" requests to r2 and ", " to r1 ", "to exclude ", " points takes ", " more requests to r2, ", " at the present rate"}
	begin := func(t *testing.T, policy string) (*stand, func()) {
		s := serving(t, "3.0", steps, `{streams: [errors, guardrail], on_insufficient: `+policy+`}`)
		load := s.crowd(40)
		s.served(load, "3.0", 40)
		return s, func() { clean(t, load.Stop()) }
	}
	t.Run("promote", func(t *testing.T) {
		t.Parallel()
		s, end := begin(t, "promote")
		r := s.deploy(0, "chat", "3.1")
		end()
		whole(t, r, deploy.Promoted)
		if len(r.Notes) != 1 {
			t.Fatalf("notes: %q", r.Notes)
		}
		contains(t, "the note is", r.Notes[0], append(missing, "step 20% passed without enough evidence: ")...)
		if len(r.Analysis) != 2 || r.Analysis[0].Outcome != deploy.Inconclusive || !strings.HasSuffix(r.Notes[0], r.Analysis[0].Reason) || r.Analysis[1].Outcome != deploy.Pass {
			t.Errorf("judgements: %+v", r.Analysis)
		}
		contains(t, "the receipt shows", words(s.must(0, "receipt", "chat")), "note step 20% passed without enough evidence", "STEP VERDICT ON WHAT 20% unknown ", " 100% pass r2 has all the traffic")
	})
	t.Run("pause", func(t *testing.T) {
		t.Parallel()
		s, end := begin(t, "pause")
		out, errs, status := s.said("deploy", "chat", "3.1", "--json")
		if v := lastStatus(t, out); status != 3 || v.Rollout == nil || v.Rollout.Phase != deploy.Paused || v.Rollout.Weight != 20 {
			t.Errorf("exit %d, want 3 and a pause: %s", status, out)
		}
		contains(t, "deploy says", errs, append(missing, "too little evidence: ")...)
		s.must(0, "promote", "chat") // a person has looked at it
		s.rest("chat", "3.1", 2)
		end()
		whole(t, s.last("chat"), deploy.Promoted)
	})
	t.Run("rollback", func(t *testing.T) {
		t.Parallel()
		s, end := begin(t, "rollback")
		r := s.deploy(2, "chat", "3.1")
		end()
		whole(t, r, deploy.RolledBack)
		contains(t, "the reason is", r.Reason, append(missing, "too little evidence: ")...)
		if len(r.Analysis) != 1 || r.Analysis[0].Outcome != deploy.Inconclusive || len(r.Analysis[0].Figures) == 0 {
			t.Errorf("judgements: %+v", r.Analysis)
		}
		s.rest("chat", "3.0", 2)
	})
}

// What the analysis knows can be read at any moment, by people and by programs, and in the end stands in the receipt.
func TestAnalysisIsTold(t *testing.T) {
	t.Parallel()
	s := serving(t, "3.0", `{canary: {steps: [{weight: 50%, bake: 10m}, 100%], bake: 500ms}}`, `{margins: {errors: 1%}}`)
	load := s.crowd(200)
	s.served(load, "3.0", 600) // what is usual for latencies is known
	clean(t, load.Stop())
	few := s.crowd(10) // some hundreds are enough: half a minute away, so that a slow machine can look before
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.at("chat", 1, deploy.Baking)
	s.served(few, "3.1", 20)
	s.told("errors", false)
	clean(t, few.Stop())
	load = s.crowd(200)
	s.served(load, "3.1", 600)
	s.until(30*time.Second, "enough evidence", func() error {
		for _, f := range s.status("chat").Rollout.Analysis {
			if f.Stream == "errors" && f.Clearance >= f.Enough {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.status("chat").Rollout.Analysis)
	})
	s.told("errors", true)
	s.must(0, "promote", "chat")
	s.rest("chat", "3.1", 2)
	clean(t, load.Stop())
	r := decode(t, s.must(0, "receipt", "chat", "--json"))
	steps := r["analysis"].([]any)
	if len(steps) != 2 {
		t.Fatalf("judgements: %v", steps)
	}
	for i, name := range []string{"50%", "100%"} {
		names(t, "a judgement", steps[i], "step", "outcome", "reason", "figures")
		if j := steps[i].(map[string]any); j["step"] != name || len(j["figures"].([]any)) == 0 || j["reason"] == "" {
			t.Errorf("judgement %d: %v", i, j)
		}
	}
}

// told checks what status says of a stream: with the figures of both revisions, what is missing or that nothing is.
func (s *stand) told(stream string, enough bool) {
	s.t.Helper()
	rollout := decode(s.t, s.must(0, "status", "chat", "--json"))["rollout"].(map[string]any)
	for _, f := range rollout["analysis"].([]any) {
		names(s.t, "a figure", f, "stream", "event", "tail", "unit", "canary", "stable", "bound", "evidence", "limit", "clearance", "enough", "margin", "excluded", "more_requests", "more_minutes", "words")
		names(s.t, "a reading", f.(map[string]any)["canary"], "revision", "value", "requests", "events")
	}
	for _, f := range s.status("chat").Rollout.Analysis {
		if f.Stream != stream {
			continue
		}
		missing := f.MoreRequests != nil && *f.MoreRequests > 0 && f.MoreMinutes != nil && *f.MoreMinutes > 0
		if f.Canary.Revision != "r2" || f.Canary.Requests == 0 || f.Stable == nil || f.Stable.Revision != "r1" || f.Stable.Requests == 0 || f.Limit < 100 || f.Margin != 1 || missing == enough {
			s.t.Errorf("figure of %s: %+v, canary %+v, stable %+v", stream, f, f.Canary, f.Stable)
		}
		want := []string{" requests to r2 and ", " to r1 failed; ", "evidence ", "more than 1 point worse is excluded"}
		if !enough {
			want[3] = " more requests to r2, "
		}
		contains(s.t, "its words are", f.Words, want...)
	}
	contains(s.t, "status shows", words(s.must(0, "status", "chat")), "ANALYSIS", "NEW", "OLD", " AGAINST ", " failed 0% of ", " (p99) ")
}

// A judge whose controller is killed goes on from what it knew: nothing is lost, nothing is held against anybody twice,
// and the verdict comes.
func TestKilledControllerKeepsTheEvidence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		to, strategy string
		exit         int
	}{
		{"3.1", `{canary: {steps: [{weight: 30%, bake: 4s}, 100%], bake: 500ms}}`, 0},
		{"3.1-flaky-1%", `{canary: {steps: [{weight: 30%, bake: 5m}, 100%], bake: 500ms}}`, 2},
	} {
		t.Run(c.to, func(t *testing.T) {
			t.Parallel()
			s := serving(t, "3.0", c.strategy, unhurried)
			load := s.crowd(200)
			s.served(load, "3.0", 600)
			s.must(0, "deploy", "chat", c.to, "--detach")
			s.at("chat", 1, deploy.Baking)
			for range 4 {
				before := s.learns(20)
				s.kill()
				s.begin()
				s.learns(before - s.seen())
			}
			s.until(90*time.Second, "the verdict", func() error {
				if v := s.status("chat"); v.Rollout != nil {
					return fmt.Errorf("%+v", v.Rollout)
				}
				return nil
			})
			s.rest("chat", map[int]string{0: c.to, 2: "3.0"}[c.exit], 2)
			report, r := load.Stop(), s.last("chat")
			t.Logf("%s after %s: %s", r.Outcome, r.Ended.Sub(r.Started).Round(100*time.Millisecond), r.Reason)
			if c.exit == 0 {
				clean(t, report)
				whole(t, r, deploy.Promoted)
				return
			}
			blamed(t, r, "errors", " and 0% of ")
			last := r.Analysis[len(r.Analysis)-1].Figures[0]
			if answered := uint64(report.Versions[c.to]); last.Canary.Requests > answered || last.Canary.Requests < answered*9/10 || r.Requests.ByNaru > 0 || int(r.Requests.ByApp) != report.Failed {
				t.Errorf("the canary has answered %d, the judge knows of %d; requests %+v, users saw %d failures", answered, last.Canary.Requests, r.Requests, report.Failed)
			}
		})
	}
}

// learns waits until the judge knows of so many more requests to the canary in this step, or has come to its verdict, and
// returns of how many it knows.
func (s *stand) learns(more int) (n int) {
	s.t.Helper()
	before := s.seen()
	s.until(30*time.Second, "the judge hears of requests", func() error {
		if n = s.seen(); s.status("chat").Rollout != nil && n < before+more {
			return fmt.Errorf("of %d at first, and now of %d", before, n)
		}
		return nil
	})
	return n
}

// seen is how many requests to the canary the judge knows of in this step.
func (s *stand) seen() int {
	s.t.Helper()
	v := s.status("chat")
	if v.Rollout == nil || len(v.Rollout.Analysis) == 0 {
		return 0
	}
	if v.Rollout.Analysis[0].Canary == nil {
		return 0
	}
	return int(v.Rollout.Analysis[0].Canary.Requests)
}

// Users who try again at once, three times, when something fails make no version guilty: failures that come in clumps
// are taken for what they are. Both versions fail the same questions, whoever asks again.
func TestImpatientUsersBlameNobody(t *testing.T) {
	t.Parallel()
	for _, affinity := range []string{"none", "cookie"} {
		t.Run(affinity, func(t *testing.T) {
			t.Parallel()
			const strategy, analysis = `{canary: {steps: [{weight: 30%, bake: 4s}, 100%], bake: 500ms}}`, `{streams: [errors, guardrail], objectives: {errors: 5%}}`
			s := serving(t, "3.0-poison-0.5%", strategy, analysis)
			s.write(judged(strategy, analysis) + "    affinity: {by: " + affinity + "}\n")
			users := s.impatient(250, affinity == "cookie")
			users.until(600)
			r := s.deploy(0, "chat", "3.1-poison-0.5%")
			users.end()
			t.Logf("%d questions, %d of them failed; with the tries %d answers failed", users.asked.Load(), users.hurt.Load(), users.failed.Load())
			if r.Outcome != deploy.Promoted || r.Requests.ByNaru > 0 || users.hurt.Load() == 0 || users.failed.Load() != 4*users.hurt.Load() || users.lost.Load() > 0 {
				text, _ := json.MarshalIndent(r, "", "  ")
				t.Errorf("%d of the users have lost an answer; receipt %s", users.lost.Load(), text)
			}
		})
	}
}
