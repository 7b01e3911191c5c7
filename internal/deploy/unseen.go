package deploy

import (
	"fmt"
	"slices"
	"time"
)

// Unseen returns the state as a controller finds it that could not look at the world since a moment, and can again. Like the time
// in which there was no controller, that time is held against nobody. The open rollout keeps why as a note; empty: there is
// nothing to say of so short a time.
func (s State) Unseen(since, now time.Time, why string) State {
	if r, open := s.Open(); open {
		s.Rollout = new(r.unseen(since, now, why, s.Routing.Hold))
	}
	s.Begun = nil // nobody has seen when they became healthy
	return s
}

// unseen takes that time out of every clock. The time to start begins anew; not while requests are held: who waits has waited all
// the same, and is answered first.
func (r Rollout) unseen(since, now time.Time, why string, held bool) Rollout {
	if !held {
		r.Watched = now
	}
	until := now
	if !r.PausedAt.IsZero() && r.PausedAt.Before(now) {
		until = r.PausedAt // what comes after it is taken out when the rollout is resumed
	}
	for _, clock := range []*time.Time{&r.Entered, &r.Reached, &r.FrozenAt, &r.Sick} {
		from := since
		if clock.After(from) {
			from = *clock
		}
		if !clock.IsZero() && until.After(from) {
			*clock = clock.Add(until.Sub(from))
		}
	}
	if why != "" {
		r.Notes = append(slices.Clone(r.Notes), fmt.Sprintf("it stood still for %s, which counts for no deadline, no bake and no start: %s", seconds(now.Sub(since)), why))
	}
	return r
}
