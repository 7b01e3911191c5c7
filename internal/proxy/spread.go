package proxy

import (
	"slices"
	"strconv"
	"sync/atomic"
)

// spread is how the traffic of a route divides at the moment. It is made anew
// when a table or the health of a backend changes, never per request.
type spread struct {
	// walk has the canary first, then stable, then the others. The canary
	// begins at 0, so that a growing share only ever adds users to it.
	walk []*share
}

// share is one revision's part of a spread.
type share struct {
	revision string
	upto     int           // end of its stretch of [0, fullShare); it begins where the one before ends
	ready    []*Backend    // healthy and enabled
	turn     atomic.Uint64 // of round_robin
	meters   [assignments]*meter
	cohort   uint64
}

// division is which stretch of the traffic each revision has in a rollout.
type division struct {
	rollout, canary string
	ends            string
}

// at is the share that a point in [0, fullShare) falls into, nil when it falls
// behind the last: the request must be held.
func (s *spread) at(point int) *share {
	for _, g := range s.walk {
		if point < g.upto {
			return g
		}
	}
	return nil
}

// serving is the share of a revision, nil when it has no backend to give.
func (s *spread) serving(revision string) *share {
	for _, g := range s.walk {
		if g.revision == revision && len(g.ready) > 0 {
			return g
		}
	}
	return nil
}

// newSpread divides the traffic of a route by the health of its backends now.
// It is called with Router.mu held.
func newSpread(rt *route) *spread {
	s := &spread{}
	demands := make([]demand, len(rt.arms))
	for i, a := range rt.arms {
		g := &share{revision: a.revision, meters: a.meters}
		for _, b := range a.enabled {
			if b.health.state == Healthy {
				g.ready = append(g.ready, b)
			}
		}
		demands[i] = demand{
			share: a.group.Share, healthy: len(g.ready),
			stable: a.revision == rt.spec.Stable, grouped: a.group.Revision != "",
		}
		s.walk = append(s.walk, g)
	}
	if rt.spec.Proportional {
		proportion(demands)
	}
	for i, got := range divide(demands, rt.spec.Full, rt.spec.MaxOverload) {
		s.walk[i].upto = got // its size, until the walk is in order
	}
	s.order(rt.spec.Canary, rt.spec.Stable)
	s.enroll(rt)
	return s
}

// canaryShare is the part of the first in the walk among the first two, which are the canary and stable where a canary is
// open.
func (s *spread) canaryShare() float64 {
	if len(s.walk) < 2 || s.walk[1].upto == 0 {
		return 0
	}
	return float64(s.walk[0].upto) / float64(s.walk[1].upto)
}

// enroll gives the shares their cohort: a new one if the traffic is divided in
// another way than before. It is called with Router.mu held.
func (s *spread) enroll(rt *route) {
	d := division{rollout: rt.spec.Rollout, canary: rt.spec.Canary}
	for _, g := range s.walk {
		d.ends += g.revision + " " + strconv.Itoa(g.upto) + " "
	}
	if d != rt.svc.division {
		rt.svc.division = d
		rt.svc.cohort.Add(1)
	}
	for _, g := range s.walk {
		g.cohort = rt.svc.cohort.Load()
	}
}

// order sorts the walk and turns sizes into ends.
func (s *spread) order(canary, stable string) {
	rank := func(g *share) int {
		switch g.revision {
		case canary:
			return 0
		case stable:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(s.walk, func(a, b *share) int { return rank(a) - rank(b) })
	end := 0
	for _, g := range s.walk {
		end += g.upto
		g.upto = end
	}
}

// demand is what the table wants for a revision, and what it has to offer.
type demand struct {
	share   int // 1/10000
	healthy int // healthy enabled backends
	stable  bool
	grouped bool // false: only there for previews
}

// takes tells whether the revision may be given random traffic at all.
func (d demand) takes() bool { return d.grouped && (d.stable || d.share > 0) }

// divide gives every revision its share, as far as it can take it: none without
// a healthy backend, and no backend more than overload/full of the traffic (no
// cap if either is 0). What is left goes to stable first, then to the others in
// order. The result is in 1/10000; what it lacks to 10000 must be held.
func divide(ds []demand, full int, overload float64) []int {
	got := make([]int, len(ds))
	rest := fullShare
	give := func(i, want int) {
		n := max(0, min(want, limit(ds[i].healthy, full, overload)-got[i], rest))
		got[i] += n
		rest -= n
	}
	for i, d := range ds {
		if d.takes() {
			give(i, d.share)
		}
	}
	for i, d := range ds {
		if d.grouped && d.stable {
			give(i, rest)
		}
	}
	for i, d := range ds {
		if d.takes() {
			give(i, rest)
		}
	}
	return got
}

// limit is the most that healthy backends may be given together, in 1/10000.
func limit(healthy, full int, overload float64) int {
	if healthy == 0 {
		return 0
	}
	if full == 0 || overload == 0 {
		return fullShare
	}
	return int(min(fullShare, float64(healthy)*overload/float64(full)*fullShare))
}

// proportion sets every share to the part of the healthy backends that the
// revision has; the shares sum to 10000 unless there is no healthy one.
func proportion(ds []demand) {
	total := 0
	for _, d := range ds {
		if d.grouped {
			total += d.healthy
		}
	}
	given, seen := 0, 0
	for i := range ds {
		ds[i].share = 0
		if !ds[i].grouped || ds[i].healthy == 0 {
			continue
		}
		// Cumulative, so that roundings cancel out instead of adding up.
		seen += ds[i].healthy
		ds[i].share = seen*fullShare/total - given
		given += ds[i].share
	}
}
