package deploy

import (
	"fmt"
	"slices"
	"time"
)

// gate waits for bake time, evidence and approval of a picture that is true, and then goes on. What promote skips is the
// waiting: a failing verdict and a failed task have been heard before.
func (r Rollout) gate(o Observation) Rollout {
	g, skip := r.Step().Gate, r.Skip || r.SkipAll
	if v := o.Verdict; r.about(v) && v.Outcome == BackOne && r.At > 0 && !skip {
		return r.backOne(v, o.Now)
	}
	r = r.frost(o, skip)
	if !r.FrozenAt.IsZero() {
		r.Phase, r.Waiting = Analysing, o.Verdict.Reason
		return r
	}
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

// frost stops the clocks of bake and patience while the analysis freezes the rollout: an incident is no time in which
// evidence could have been gathered.
func (r Rollout) frost(o Observation, skip bool) Rollout {
	// A step back that cannot be taken, because there is none, is a freeze as well.
	frozen := r.about(o.Verdict) && (o.Verdict.Outcome == Freeze || o.Verdict.Outcome == BackOne) && !skip
	switch {
	case frozen && r.FrozenAt.IsZero():
		r.FrozenAt = o.Now
	case !frozen && !r.FrozenAt.IsZero():
		r = r.thaw(o.Now.Sub(r.FrozenAt))
		r.FrozenAt = time.Time{}
	}
	return r
}

// about reports whether a verdict is about the step that the rollout is in: the figures of five percent say little about
// fifty.
func (r Rollout) about(v Verdict) bool { return v.Rollout == r.ID && v.Step == r.At }

// evidence asks the analysis. What people skip by promote is the waiting and a freeze, which blames nobody.
func (r Rollout) evidence(g Gate, o Observation, skip bool) (Rollout, bool) {
	v := o.Verdict
	agreed := skip || r.Phase == Approval
	if g.Analysis == nil {
		return r, true
	}
	r.Phase = Analysing
	if !r.about(v) { // a late word about another step does not take back what has been said of this one
		r.Waiting = "the analysis"
		return r, agreed
	}
	r.Waiting = v.Reason
	switch {
	case skip, v.Outcome == Pass, agreed && v.Outcome == Inconclusive:
		return r.judged(v), true
	case v.Outcome != Inconclusive || o.Now.Sub(r.Reached) < g.patience(v):
		return r, false
	}
	return r.insufficient(g, o)
}

// judged keeps what the analysis has said of a step, once for each stay in it and each outcome.
func (r Rollout) judged(v Verdict) Rollout {
	if v.Rollout != r.ID || v.Step >= len(r.Forth) {
		return r
	}
	j := Judgement{Step: r.Forth[v.Step].Name, Outcome: v.Outcome, Reason: v.Reason, Figures: v.Figures}
	if n := len(r.Judged); n > 0 && r.Asked && r.Judged[n-1].Outcome == v.Outcome {
		return r
	}
	r.Judged, r.Asked = append(slices.Clone(r.Judged), j), true
	return r
}

// patience is how long evidence is waited for. A canary that nobody has asked yet is given a few seconds also where it
// bakes for less.
func (g Gate) patience(v Verdict) time.Duration {
	if v.Requests == 0 {
		return max(g.Patience(), firstRequest)
	}
	return g.Patience()
}

// firstRequest is how long the first request of a step is waited for at least.
const firstRequest = 5 * time.Second

// backOne takes one step of traffic back, without blame, when stable itself suffers since the last shift. When the same
// happens again, the rollout rests there and a person must look.
func (r Rollout) backOne(v Verdict, now time.Time) Rollout {
	r = r.judged(v)
	back := r.enter(r.At-1, now)
	back.Notes = append(slices.Clone(r.Notes), fmt.Sprintf("stepped back from %s: %s", r.Step().Name, v.Reason))
	if r.SteppedBack {
		return back.rest(now, fmt.Sprintf("%s; naru resume %s tries again, naru abort %s goes back", v.Reason, r.Service, r.Service))
	}
	back.SteppedBack = true
	return back
}

// insufficient does what on_insufficient says when the evidence has been waited for long enough. A canary that has
// answered no request at all is not promoted on that: then nobody has tried it, and a person must say so.
func (r Rollout) insufficient(g Gate, o Observation) (Rollout, bool) {
	v := o.Verdict
	switch {
	case v.Requests == 0 && !r.Picture().Hold: // one that is alone has all the users there are, and a pause would spare nobody
		return r.rest(o.Now, fmt.Sprintf("no request has reached %s, so nothing can be said of it; naru promote %s goes on, naru resume %s waits again", r.To, r.Service, r.Service)), false
	case g.Analysis.OnInsufficient == "pause":
		return r.rest(o.Now, "too little evidence: "+v.Reason), false
	case g.Analysis.OnInsufficient == "rollback":
		return r.judged(v).turnBack(o.Now, "too little evidence: "+v.Reason), false
	}
	if !r.Asked { // said once, also where a person must still agree
		r.Notes = append(slices.Clone(r.Notes), fmt.Sprintf("step %s passed without enough evidence: %s", r.Step().Name, v.Reason))
	}
	return r.judged(v), true
}

// rest pauses the rollout on its own account.
func (r Rollout) rest(now time.Time, why string) Rollout {
	r.PausedAt, r.Phase, r.Waiting = now, Paused, why
	return r
}
