package deploy

import (
	"fmt"
	"slices"
	"time"
)

// gate waits for bake time, evidence and approval of a picture that is true, and then goes on. What promote skips is the
// waiting: a failing verdict, a failed task and a freeze have been heard before.
func (r Rollout) gate(o Observation) Rollout {
	g, skip := r.Step().Gate, r.Skip || r.SkipAll
	if left := g.Bake - o.Now.Sub(r.Reached); left > 0 && !skip {
		r.Phase, r.Waiting = Baking, "bake time, "+seconds(left)+" left"
		return r
	}
	r, passed := r.evidence(g, o, skip)
	if !passed {
		return r
	}
	if g.Approve && !skip {
		r.Phase, r.Waiting = Approval, "approval: naru promote "+r.Service
		return r
	}
	if r.At == len(r.Forth)-1 {
		r.Passed, r.Phase, r.Entered, r.Reached = true, Draining, o.Now, time.Time{}
		r.Waiting = "the old instances to finish"
		return r
	}
	return r.enter(r.At+1, o.Now)
}

// evidence asks the analysis. A verdict counts for the step that it was given in: the figures of five percent say little
// about fifty.
func (r Rollout) evidence(g Gate, o Observation, skip bool) (Rollout, bool) {
	v := o.Verdict
	known := v.Rollout == r.ID && v.Step == r.At
	if g.Analysis == nil || skip && !(known && v.Outcome == Freeze) {
		return r, true
	}
	if !known { // a late word about another step does not take back what has been said of this one
		agreed := r.Phase == Approval
		r.Phase, r.Waiting = Analysing, "the analysis"
		return r, agreed
	}
	r.Phase = Analysing
	r.Figures, r.Waiting = v.Figures, v.Reason
	switch {
	case v.Outcome == Pass:
		return r, true
	case v.Outcome == BackOne:
		back := r.enter(max(0, r.At-1), o.Now)
		back.Notes = append(slices.Clone(r.Notes), "stepped back once: "+v.Reason)
		return back, false
	case v.Outcome != Inconclusive || o.Now.Sub(r.Reached) < g.Patience():
		return r, false
	}
	return r.insufficient(g, o)
}

// insufficient does what on_insufficient says when the evidence has been waited for long enough. A canary that has
// answered no request at all is not promoted on that: then nobody has tried it, and a person must say so.
func (r Rollout) insufficient(g Gate, o Observation) (Rollout, bool) {
	v := o.Verdict
	switch {
	case v.Requests == 0:
		return r.rest(o.Now, fmt.Sprintf("no request has reached %s, so nothing can be said of it; naru promote %s goes on, naru resume %s waits again", r.To, r.Service, r.Service)), false
	case g.Analysis.OnInsufficient == "pause":
		return r.rest(o.Now, "too little evidence: "+v.Reason), false
	case g.Analysis.OnInsufficient == "rollback":
		return r.turnBack(o.Now, "too little evidence: "+v.Reason), false
	}
	r.Notes = append(slices.Clone(r.Notes), fmt.Sprintf("step %s passed without enough evidence: %s", r.Step().Name, v.Reason))
	return r, true
}

// rest pauses the rollout on its own account.
func (r Rollout) rest(now time.Time, why string) Rollout {
	r.PausedAt, r.Phase, r.Waiting = now, Paused, why
	return r
}
