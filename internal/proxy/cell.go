package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// cell is a part of a meter. A request in flight counts in one cell alone, so
// that what is true of each cell is true of their sum.
//
// While a canary is open, what a judge needs costs 70 to 110 ns per request: in and
// out of the list, whose turn it is, and one counter more. At rest it is that
// counter alone. Measured on two shared cores as the difference between canary and rest,
// minimum to median of 96 runs, of
//
//	go test -run '^$' -bench Meter -benchtime 20000x -count 96 ./internal/proxy
type cell struct {
	// mu guards the list and what is counted of it. Whoever moves a request from the list to
	// another counter holds it for the whole move, and so does a snapshot: it
	// finds the request in one place, never in none and never in two.
	mu             sync.Mutex
	oldest, newest *Exchange // in flight, in the order in which they were claimed

	decided atomic.Uint64
	in, out atomic.Uint64
	classes [6]atomic.Uint64
	latencies

	charged, faults atomic.Uint64

	// Of requests that were in the list, guarded by mu.
	claimed                       uint64
	givenUp, knownDone, knownGone Histogram
	cohort                        Cohort
	number                        uint64 // of cohort
}

// add puts a request behind those in flight.
func (c *cell) add(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claimed++
	x.cell, x.older = c, c.newest
	if c.newest == nil {
		c.oldest = x
	} else {
		c.newest.newer = x
	}
	c.newest = x
}

// remove takes a request from those in flight. Called with mu held.
func (c *cell) remove(x *Exchange) {
	if x.older == nil {
		c.oldest = x.newer
	} else {
		x.older.newer = x.newer
	}
	if x.newer == nil {
		c.newest = x.older
	} else {
		x.newer.older = x.older
	}
	x.cell, x.older, x.newer = nil, nil, nil
}

// of returns the counters of a cohort, nil if it is over. Called with mu held.
func (c *cell) of(number uint64) *Cohort {
	switch {
	case number < c.number:
		return nil
	case number > c.number:
		c.number, c.cohort = number, Cohort{}
	}
	return &c.cohort
}

// request counts one request that has ended, or whose long life begins.
func (c *cell) request(status int) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	c.classes[class].Add(1)
}

func (c *cell) bytes(in, out int64) {
	if in > 0 {
		c.in.Add(uint64(in))
	}
	if out > 0 {
		c.out.Add(uint64(out))
	}
}

// addTo adds all that was counted to a snapshot of its meter, begun at now.
func (c *cell) addTo(s *Meter, now time.Time, cohort uint64, abandon time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.classes { // the requests first: how they ended was counted before them
		s.Classes[k] += c.classes[k].Load()
	}
	s.In += c.in.Load()
	s.Out += c.out.Load()
	s.Charged += c.charged.Load()
	s.Faults += c.faults.Load()
	if c.number == cohort {
		s.Cohort.add(c.cohort)
	}
	s.Claimed += c.claimed
	s.Decided += c.decided.Load() // after Charged: it counts first
	c.mergeInto(&s.Latency)
	s.GivenUp.Merge(c.givenUp)
	s.KnownLatency.Merge(c.knownDone)
	s.KnownAges.Merge(c.knownGone)
	for x := c.oldest; x != nil; x = x.newer {
		age := max(0, now.Sub(x.began))
		s.Ages.Add(age)
		if x.again {
			s.KnownAges.Add(age)
		}
		if t := x.turn.Load(); abandon > 0 && t > 0 && !x.decided && age-time.Duration(t-1) >= abandon {
			s.Waiting++
		}
	}
}
