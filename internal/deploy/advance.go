package deploy

import (
	"fmt"
	"maps"
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
	}
	r = r.collect(o)
	if reason := r.failure(v); reason != "" {
		if o.Verdict.Rollout == r.ID {
			r.Figures = o.Verdict.Figures
		}
		return r.turnBack(o.Now, reason)
	}
	settled := v.settled()
	r = r.clock(v, settled)
	if !r.PausedAt.IsZero() {
		r.Phase = Paused
		return r
	}
	if !settled {
		r.Phase, r.Waiting = Starting, v.waiting()
		return r
	}
	if !r.tasksDone() {
		return r.task(o)
	}
	return r.gate(o)
}

// clock notes since when the picture has been true, or has not. Tasks and people do not make it untrue.
func (r Rollout) clock(v *view, settled bool) Rollout {
	now, paused := v.o.Now, !r.PausedAt.IsZero()
	switch {
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

// collect takes over the results of tasks. Known results are never forgotten or changed by a late observation. A pause
// keeps the picture as it is, so a task that passes meanwhile is noted when the rollout goes on.
func (r Rollout) collect(o Observation) Rollout {
	for i, task := range r.Step().Gate.Tasks {
		key := r.TaskKey(r.At, i)
		result, ok := o.Tasks[key]
		if mine, started := r.Tasks[key]; !ok || !started || mine.State != TaskRunning {
			continue
		}
		if result.State == TaskPassed && !r.PausedAt.IsZero() {
			continue
		}
		if result.State == TaskInterrupted && task.Again {
			result = TaskResult{State: TaskRunning}
		}
		r.Tasks = maps.Clone(r.Tasks)
		r.Tasks[key] = result
	}
	return r
}

// task starts the next task of the gate, or waits for the one that runs.
func (r Rollout) task(o Observation) Rollout {
	r.Phase = Tasking
	for i, task := range r.Step().Gate.Tasks {
		key := r.TaskKey(r.At, i)
		switch r.Tasks[key].State {
		case TaskPassed:
			continue
		case "":
			r.Tasks = maps.Clone(r.Tasks)
			if r.Tasks == nil {
				r.Tasks = map[string]TaskResult{}
			}
			r.Tasks[key] = TaskResult{State: TaskRunning}
		}
		r.Waiting = task.Name
		return r
	}
	return r
}

// running returns the task that has been started and has no result.
func (r Rollout) running() (Run, bool) {
	if !r.Open() || r.Returning || r.Passed {
		return Run{}, false
	}
	for i, task := range r.Step().Gate.Tasks {
		if key := r.TaskKey(r.At, i); r.Tasks[key].State == TaskRunning {
			return Run{key, task}, true
		}
	}
	return Run{}, false
}

// gate waits for bake time, evidence and approval of a picture that is true, and then goes on.
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

// evidence asks the analysis. What it does not know is waited for, and then follows on_insufficient; a canary that has
// answered no request at all is never promoted on that.
func (r Rollout) evidence(g Gate, o Observation, skip bool) (Rollout, bool) {
	v := o.Verdict
	known := v.Rollout == r.ID && v.Step == r.At
	if g.Analysis == nil || skip && !(known && v.Outcome == Freeze) {
		return r, true
	}
	r.Phase, r.Waiting = Analysing, "the analysis"
	if !known {
		return r, false
	}
	r.Figures, r.Waiting = v.Figures, v.Reason
	switch {
	case v.Outcome == Pass:
		return r, true
	case v.Outcome == BackOne:
		back := r.enter(max(0, r.At-1), o.Now)
		back.Notes = append(slices.Clone(r.Notes), "stepped back once: "+v.Reason)
		return back, false
	case v.Outcome != Inconclusive || o.Now.Sub(r.Reached) < g.patience():
		return r, false
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

// comeBack walks the way back. It waits for stable no longer than the deadline: it ends in any case.
func (r Rollout) comeBack(v *view) Rollout {
	r.Phase = RollingBack
	o, settled, deadline := v.o, v.settled(), r.Step().Gate.Deadline
	late := deadline > 0 && o.Now.Sub(r.Entered) > deadline
	if !settled && !late {
		r.Waiting = v.waiting()
		return r
	}
	if late && !settled {
		r.Reason += fmt.Sprintf("; %s was not whole again after %s", r.From, seconds(deadline))
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
	r.Phase, r.Closed, r.Waiting = Ended, o.Now, ""
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
	return Duration(d.Round(100 * time.Millisecond)).String()
}
