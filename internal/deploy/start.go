package deploy

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// keptStarts is how many revisions keep their measured start time.
const keptStarts = 16

// usualStart is how long a start is taken to last that nobody has measured.
const usualStart = 2 * time.Second

// took is how long a revision takes from the decision to start an instance until it is healthy.
func (s State) took(revision string) time.Duration {
	return cmp.Or(s.Starts[revision], usualStart)
}

// measured notes when starts were decided, and how long those took that have proved healthy now. The decision and not the
// process counts: who waits for an instance waits for all of it, for a container's creation too.
func (s State) measured(o Observation, acts []Action) State {
	begun := map[string]time.Time{}
	for _, i := range o.Instances {
		at, known := s.Begun[i.ID]
		m, _ := s.Routing.Member(i.ID)
		switch {
		case !known:
		case m.Enabled && m.Address == i.Address:
			s.Starts = s.timed(i.Revision, o.Now.Sub(at))
		default:
			begun[i.ID] = at
		}
	}
	for _, a := range acts {
		if start, ok := a.(Start); ok {
			begun[start.ID] = o.Now
		}
	}
	if s.Begun = begun; len(begun) == 0 {
		s.Begun = nil
	}
	return s
}

// timed returns the start times with one more, without those of the oldest revisions. A start that took very long, because
// the machine came up or a database was away, counts as twice the one before at most: the next is as usual again.
func (s State) timed(revision string, took time.Duration) map[string]time.Duration {
	starts := maps.Clone(s.Starts)
	if starts == nil {
		starts = map[string]time.Duration{}
	}
	if last, known := starts[revision]; known {
		took = min(took, 2*last)
	}
	starts[revision] = took
	for len(starts) > keptStarts {
		known := slices.SortedFunc(maps.Keys(starts), func(a, b string) int { return cmp.Compare(Number(a), Number(b)) })
		known = slices.DeleteFunc(known, func(r string) bool { return r == s.Stable || r == revision })
		delete(starts, known[0])
	}
	return starts
}
