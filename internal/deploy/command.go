package deploy

import (
	"fmt"
	"slices"
	"time"
)

// Verb is what people say to a rollout.
type Verb string

const (
	Promote Verb = "promote"
	Pause   Verb = "pause"
	Resume  Verb = "resume"
	Abort   Verb = "abort"
)

// Command is a word to an open rollout. Full belongs to promote: all remaining gates.
type Command struct {
	Verb   Verb
	Full   bool
	Reason string
}

// Refusal says why a command makes no sense now.
type Refusal struct{ Message string }

func (e *Refusal) Error() string { return e.Message }

func refuse(format string, a ...any) error { return &Refusal{fmt.Sprintf(format, a...)} }

// Apply carries out a command on a rollout, or says why it makes no sense now; then nothing has changed.
func Apply(r Rollout, c Command, now time.Time) (Rollout, error) {
	switch {
	case !r.Open():
		return r, refuse("rollout %s has ended (%s); there is nothing to %s", r.ID, r.Result, c.Verb)
	case r.Returning:
		return r, refuse("rollout %s is on its way back to %s and cannot be stopped: a way back is never itself rolled back", r.ID, orNothing(r.From))
	case r.Passed:
		return r, refuse("rollout %s has passed its last gate and only drains what is left; to go back, say naru rollback %s", r.ID, r.Service)
	}
	switch c.Verb {
	case Promote:
		return r.promote(c.Full, now), nil
	case Pause:
		if !r.PausedAt.IsZero() {
			return r, refuse("rollout %s is paused already", r.ID)
		}
		return r.rest(now, "paused by hand: naru resume "+r.Service), nil
	case Resume:
		if r.PausedAt.IsZero() {
			return r, refuse("rollout %s is not paused", r.ID)
		}
		return r.resume(now), nil
	case Abort:
		r.Giving = true
		return r.turnBack(now, orElse(c.Reason, "aborted by hand")), nil
	}
	return r, refuse("%q is not a command for a rollout", c.Verb)
}

// promote counts this gate's bake, approval and missing evidence as passed. A failing verdict or task still fails.
func (r Rollout) promote(full bool, now time.Time) Rollout {
	if !r.PausedAt.IsZero() {
		r = r.resume(now)
	}
	r.Skip, r.SkipAll = true, r.SkipAll || full
	return r
}

// resume lets the clocks go on. A pause that the analysis asked for waits anew.
func (r Rollout) resume(now time.Time) Rollout {
	analysed := r.Step().Gate.Analysis != nil && !r.Reached.IsZero() && r.PausedAt.Sub(r.Reached) >= r.Step().Gate.Patience()
	r = r.thaw(now.Sub(r.PausedAt))
	if analysed {
		r.Reached = now
		if !r.FrozenAt.IsZero() { // what was frozen before is in the past of a clock that begins now
			r.FrozenAt = now
		}
	}
	r.PausedAt, r.Phase, r.Waiting = time.Time{}, Starting, ""
	return r
}

// Scale changes how many instances of stable run, without a rollout.
func Scale(s State, n int) (State, error) {
	if r, open := s.Open(); open {
		return s, refuse("rollout %s is open: wait for it, or say naru abort %s", r.ID, s.Service)
	}
	if s.Stable == "" {
		return s, refuse("%s has no revision yet: deploy one first", s.Service)
	}
	if s.Rest.Hold && n != 1 {
		return s, refuse("%s cannot run twice (exclusive: true), so there is 1 instance and not %d", s.Service, n)
	}
	groups := slices.Clone(s.Rest.Groups)
	for i, g := range groups {
		switch {
		case g.Revision != s.Stable:
		case g.Idle: // its slots begin where those of the serving ones end
			groups[i].First = n
		default:
			groups[i].Instances = n
		}
	}
	more := n - s.Instances
	s.Instances, s.Rest.Groups = n, groups
	s.Rest.MinServing = max(0, s.Rest.MinServing+more)
	s.Rest.MaxTotal += more
	return s, nil
}

// Remove drains a service for good: an open rollout ends, nothing is wanted any more.
func Remove(s State, now time.Time) State {
	if r, open := s.Open(); open {
		r.Result, r.Phase, r.Closed, r.Reason = Aborted, Ended, now, "the service was removed"
		s.Rollout = &r
	}
	s.Rest = Picture{Service: s.Service, Drain: s.Rest.Drain}
	s.Removed, s.Obligations = true, nil
	return s
}

func orNothing(revision string) string { return orElse(revision, "nothing") }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
