package deploy

import (
	"fmt"
	"slices"
	"time"
)

// Advance says which picture the rollout wants now. It takes one step at a time and waits for nothing: whoever calls
// it does so again with the next observation.
func Advance(r Rollout, o Observation) Rollout {
	if !r.Open() {
		return r
	}
	if r.Entered.IsZero() {
		r.Entered = o.Now
	}
	v := look(r.Picture(), o)
	switch {
	case r.Passed:
		return r.drain(v)
	case r.Returning:
		return r.comeBack(v)
	default:
		return r.goOn(v)
	}
}

// goOn walks the way forth. Failures are looked for before anything else, a pause included: people may stop the clocks,
// but a version that fails goes back all the same.
func (r Rollout) goOn(v *view) Rollout {
	o := v.o
	r = r.collect(o)
	if r.about(o.Verdict) {
		r.Figures = o.Verdict.Figures
	}
	if reason := r.failure(v); reason != "" {
		return r.judged(o.Verdict).turnBack(o.Now, reason)
	}
	settled := v.settled()
	r = r.clock(v, settled)
	switch {
	case !r.PausedAt.IsZero():
		r.Phase = Paused
		return r
	case !settled:
		r.Phase, r.Waiting = Starting, v.waiting()
		return r
	case !r.tasksDone():
		return r.task()
	default:
		return r.gate(o)
	}
}

// clock notes since when the picture has been true, or has not. Bake time counts from Reached and the deadline from
// Entered, so that an instance which dies in the middle of a bake has a whole deadline to come back, and the bake
// begins anew. Tasks and people do not make a picture untrue.
func (r Rollout) clock(v *view, settled bool) Rollout {
	now, paused := v.o.Now, !r.PausedAt.IsZero()
	switch {
	case !settled && v.blind():
		paused = false // a proxy that cannot be reached is no evidence that the picture is not true any more
	case !settled && !r.Reached.IsZero():
		r.Reached, r.Entered = time.Time{}, now
	case settled && r.Reached.IsZero() && r.tasksDone():
		r.Reached = now
	default:
		paused = false
	}
	if paused { // the clock that has just begun stands still as well
		r.PausedAt = now
	}
	if settled && r.Weight() != 0 {
		r.Served = true
	}
	r.Sick = r.sickness(v)
	return r
}

// blind reports whether a proxy has nothing to say: it cannot be reached, or has not been told anything yet.
func (v *view) blind() bool {
	for _, p := range v.o.Proxies {
		if p.Version == 0 && v.o.Routing.Version > 0 {
			return true
		}
	}
	return false
}

// sickness is since when the canary, having served in this step, has had no healthy instance in any proxy's eyes.
// A proxy that does not follow yet, or has not probed yet, says nothing.
func (r Rollout) sickness(v *view) time.Time {
	if !r.Served || r.Weight() == 0 {
		return time.Time{}
	}
	known := v.applied()
	for _, s := range v.seats {
		switch {
		case s.group.Revision != r.To || s.one == nil:
		case s.one.healthy():
			return time.Time{}
		case s.one.health == Unknown:
			known = false
		}
	}
	if r.Sick.IsZero() && known {
		return v.o.Now
	}
	return r.Sick
}

// comeBack walks the way back. Nothing is judged here: stable may be broken itself, and there is nowhere else to go. So
// it waits for stable no longer than the deadline, and ends in any case.
func (r Rollout) comeBack(v *view) Rollout {
	r.Phase = RollingBack
	o, settled, deadline := v.o, v.settled(), r.Step().Gate.Deadline
	late := deadline > 0 && o.Now.Sub(r.Entered) > deadline
	if !settled && !late {
		r.Waiting = v.waiting()
		return r
	}
	if late && !settled {
		r.Reason += fmt.Sprintf("; the way back was not complete after %s", seconds(deadline))
	}
	if r.At < len(r.Back)-1 {
		r.At, r.Entered = r.At+1, o.Now
		return r
	}
	r.Passed, r.Phase, r.Entered = true, Draining, o.Now
	r.Waiting = "the new instances to finish"
	return r
}

// drain ends the rollout when nothing is left of what it leaves behind. Where the revision that remains is broken and
// what should go is all that answers, that stays, and the rollout ends all the same once the deadline has passed.
func (r Rollout) drain(v *view) Rollout {
	r.Phase = Draining
	p, o, deadline := v.p, v.o, r.Step().Gate.Deadline
	if !v.empty(r.Entered) {
		if deadline == 0 || o.Now.Sub(r.Entered) <= deadline+p.Drain {
			return r
		}
		r.Notes = append(slices.Clone(r.Notes), fmt.Sprintf("%s is not whole, so instances of the other revision go on answering", p.Stable))
	}
	return r.end(o.Now)
}

// end closes a rollout that has nothing left to do but to drain.
func (r Rollout) end(now time.Time) Rollout {
	r.Phase, r.Closed, r.Waiting = Ended, now, ""
	switch {
	case !r.Returning:
		r.Result = Promoted
	case r.Giving:
		r.Result = Aborted
	default:
		r.Result = RolledBack
	}
	return r
}

// seconds writes a duration for people, without false precision.
func seconds(d time.Duration) string {
	if d >= 10*time.Second {
		return Duration(d.Round(time.Second)).String()
	}
	if d < 100*time.Millisecond {
		return Duration(d.Round(time.Millisecond)).String()
	}
	return Duration(d.Round(100 * time.Millisecond)).String()
}
