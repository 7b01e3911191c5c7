package deploy

import (
	"fmt"
	"strings"
	"time"
)

// crashes is how many ends in a row, each soon after its start, are a crash loop.
const crashes = 3

// failure says why the rollout cannot go on, or nothing.
func (r Rollout) failure(v *view) string {
	o := v.o
	if p := o.Prepared[r.To]; p.Err != "" {
		return p.Err
	}
	if why := r.crash(o); why != "" {
		return why
	}
	if why := r.heldTooLong(v); why != "" {
		return why
	}
	gate := r.Step().Gate
	for i, task := range gate.Tasks {
		if result := r.Tasks[r.TaskKey(r.At, i)]; result.State == TaskFailed || result.State == TaskInterrupted {
			return strings.TrimSpace(fmt.Sprintf("%s failed: %s", task.Name, result.Reason))
		}
	}
	if o.Verdict.Outcome == Fail && o.Verdict.Rollout == r.ID {
		return o.Verdict.Reason
	}
	if !r.Sick.IsZero() && o.Now.Sub(r.Sick) >= 3*r.ProbeInterval {
		return fmt.Sprintf("no instance of %s has been healthy for %s: %s", r.To, seconds(o.Now.Sub(r.Sick)), r.complaint(o))
	}
	waiting := r.Reached.IsZero() && r.PausedAt.IsZero() && (!v.settled() || !r.tasksDone())
	if gate.Deadline > 0 && waiting && o.Now.Sub(r.Entered) > gate.Deadline {
		return fmt.Sprintf("step %s was not reached within %s: %s", r.Step().Name, seconds(gate.Deadline), v.waiting()+v.hindrance())
	}
	return ""
}

// crash recognises new instances that certainly do not work: a crash loop, or no health within start_timeout.
func (r Rollout) crash(o Observation) string {
	for _, i := range o.Instances {
		if i.Revision != r.To {
			continue
		}
		if i.Exits >= crashes && i.State == Exited && i.Ended.After(r.Created) {
			return fmt.Sprintf("%s ended %d times in a row: %s", i.ID, i.Exits, i.Reason)
		}
		if r.StartTimeout > 0 && i.State == Running && r.neverHealthy(i, o) {
			return fmt.Sprintf("%s was not healthy within %s: %s", i.ID, seconds(r.StartTimeout), complaint(i, o))
		}
	}
	return ""
}

// neverHealthy reports whether every proxy has known and probed an instance for start_timeout without a success. The
// time begins when the proxies were told of it, and not before this controller watches, so that one that was away
// blames nobody for that.
func (r Rollout) neverHealthy(i Instance, o Observation) bool {
	m, known := o.Routing.Member(i.ID)
	since := i.Started
	for _, later := range []time.Time{m.Since, r.Watched} {
		if later.After(since) {
			since = later
		}
	}
	if !known || m.Enabled || healthySomewhere(i, o) || o.Now.Sub(since) <= r.StartTimeout {
		return false
	}
	for _, p := range o.Proxies {
		if b := p.Backends[i.ID]; p.Version != o.Routing.Version || b.Health != Unhealthy || b.Address != i.Address {
			return false
		}
	}
	return len(o.Proxies) > 0
}

func healthySomewhere(i Instance, o Observation) bool {
	for _, p := range o.Proxies {
		if b := p.Backends[i.ID]; b.Health == Healthy && b.Address == i.Address {
			return true
		}
	}
	return false
}

// complaint is the last thing that is known to be wrong with an instance.
func complaint(i Instance, o Observation) string {
	for _, p := range o.Proxies {
		if b := p.Backends[i.ID]; b.Reason != "" && b.Health != Healthy {
			return joined(b.Reason, i.Reason)
		}
	}
	if i.Reason != "" {
		return i.Reason
	}
	return "no probe has succeeded"
}

func joined(probe, log string) string {
	if log == "" {
		return probe
	}
	return probe + "; " + log
}

func (r Rollout) complaint(o Observation) string {
	for _, i := range o.Instances {
		if i.Revision == r.To && !healthySomewhere(i, o) {
			return i.ID + ": " + complaint(i, o)
		}
	}
	return "none is left"
}

// hindrance is why the first of those that should start again has ended, or could not even be tried.
func (v *view) hindrance() string {
	for _, s := range v.seats {
		if s.group.Await && s.one != nil && s.one.State == Exited && s.one.Reason != "" {
			return ": " + s.one.Reason
		}
	}
	return ""
}

// waiting says in words what the picture is still missing.
func (v *view) waiting() string {
	var missing []string
	for _, s := range v.seats {
		switch {
		case !s.group.Await, s.one != nil && s.one.healthy():
		case s.one == nil:
			missing = append(missing, s.id+" to start")
		case s.one.State == Exited:
			missing = append(missing, s.id+" to start again")
		default:
			missing = append(missing, s.id+" to be healthy")
		}
	}
	switch {
	case v.p.Ahead != "" && !v.o.Prepared[v.p.Ahead].Ready:
		return v.p.Ahead + " to be ready to start"
	case v.p.Ahead != "" && v.unasked() != "":
		return v.unasked() + " to be ready to start again"
	case v.p.Hold && len(missing) > 0 && v.leaving() > 0:
		return v.leavers() + " to finish and to end"
	case len(missing) > 3:
		return fmt.Sprintf("%s and %d more", strings.Join(missing[:2], ", "), len(missing)-2)
	case len(missing) > 0:
		return strings.Join(missing, ", ")
	case !v.applied():
		return "every proxy to follow"
	default:
		return "the traffic to move"
	}
}
