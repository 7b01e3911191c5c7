package proxy

import (
	"slices"
	"sync/atomic"
)

// service is what outlives the tables of one service.
type service struct {
	name    string
	changes broadcast    // a table or the health of a backend: held requests try again
	held    atomic.Int64 // requests waiting now
	waits   latencies    // how long users' requests have waited for an instance
	budget  budget
	clients clients
	cohort  atomic.Uint64 // number of the division of the traffic that stands

	unassigned [assignments]*meter // of requests that never reached a revision
	counted    atomic.Pointer[[]*meter]

	// Guarded by Router.mu.
	preview  string
	backends map[identity]*Backend
	arms     []*armMeters // oldest first
	division division     // of cohort
}

// identity is what makes two entries of two tables the same backend.
type identity struct{ id, address, revision string }

// armMeters are the meters of one revision.
type armMeters struct {
	revision string
	meters   [assignments]*meter
	current  bool // the newest table names the revision
}

// keptRevisions is how many revisions that no table names any more keep their
// meters. A controller has long read them by then; without a bound a proxy that
// serves a deployment an hour would grow for ever.
const keptRevisions = 10

func newService(name string) *service {
	s := &service{name: name, backends: map[identity]*Backend{}}
	for a := range s.unassigned {
		s.unassigned[a] = newMeter("", assignment(a), s)
	}
	s.publishMeters()
	return s
}

// metersOf are the meters of a revision, made when it is first named. Called
// with Router.mu held.
func (s *service) metersOf(revision string) [assignments]*meter {
	i := slices.IndexFunc(s.arms, func(a *armMeters) bool { return a.revision == revision })
	if i < 0 {
		a := &armMeters{revision: revision}
		for k := range a.meters {
			a.meters[k] = newMeter(revision, assignment(k), s)
		}
		s.arms = append(s.arms, a)
		i = len(s.arms) - 1
	}
	s.arms[i].current = true
	return s.arms[i].meters
}

// retireMeters forgets the oldest meters beyond keptRevisions. Called with
// Router.mu held.
func (s *service) retireMeters() {
	past := 0
	for _, a := range s.arms {
		if !a.current {
			past++
		}
	}
	s.arms = slices.DeleteFunc(s.arms, func(a *armMeters) bool {
		drop := !a.current && past > keptRevisions
		if drop {
			past--
		}
		return drop
	})
	s.publishMeters()
}

// publishMeters lets requests, which take no lock, see the meters that count.
func (s *service) publishMeters() {
	ms := slices.Clone(s.unassigned[:])
	for _, a := range s.arms {
		ms = append(ms, a.meters[:]...)
	}
	s.counted.Store(&ms)
}

// requests is how many requests of users were counted, for the retry budget.
func (s *service) requests() uint64 {
	var n uint64
	for _, m := range *s.counted.Load() {
		if m.assigned != forPreview {
			n += m.requests()
		}
	}
	return n
}
