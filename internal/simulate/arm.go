package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
)

// Quantiles of the normal distribution.
const (
	z90 = 1.2815515655446004
	z95 = 1.6448536269514722
	z99 = 2.3263478740408408
)

// arm is one revision and the requests that it has been given.
type arm struct {
	rand *rand.Rand
	mid  float64       // median latency, in buckets
	wide float64       // one standard deviation, in buckets
	hang time.Duration // age from which a request counts as failed
	give time.Duration // age at which the proxy gives it up, or its client
	lost time.Duration // age from which one that its client gives up counts as failed
	fail float64       // position of the latency of a failure; below zero: as that of any other request

	counts  analysis.Counts // of this tick; what clients are charged with is set by who knows them
	cohort  int             // number of the division of the traffic
	fails   []failing       // of this tick
	done    [analysis.Buckets]int32
	aged    [analysis.Buckets]int32
	flights []flight
	total   Tally
}

// Tally is what a revision has answered in the whole rollout.
type Tally struct {
	Requests uint64 `json:"requests"` // that were given to it
	Failed   uint64 `json:"failed"`   // of them: failed, or past the hang deadline
}

// flight is a request that takes longer than a tick.
type flight struct {
	born, latency time.Duration
	bucket        int  // in which it is counted
	fails, extra  bool // when it ends
	hangs         bool
	decided       bool
	client        *client
	cohort        int
}

// failing is a request that has failed.
type failing struct {
	client *client // nil: one that has not failed before
	extra  bool    // stable would have answered it
	fair   bool    // it was claimed as the traffic is divided now
}

func newArm(s *Scenario, r *rand.Rand) *arm {
	a := &arm{rand: r, mid: buckets(float64(s.P50) / float64(lowest)), wide: buckets(float64(s.P99)/float64(s.P50)) / z99}
	a.give = s.Service.Limits.ResponseTimeout.D()
	a.hang = s.hangDeadline(a)
	if p := s.Clients.Patience.D(); p > 0 && p < a.give {
		a.give = p
	}
	a.lost = min(2*length(a.mid+3.09*a.wide), a.hang)
	a.fail = -1
	if s.FailIn > 0 {
		a.fail = buckets(float64(s.FailIn) / float64(lowest))
	}
	return a
}

// lowest is the lower edge of the second bucket: position 0 on their axis.
var lowest = analysis.Edge(0)

// hangDeadline is what naru finds by itself: three times what 999 of 1000 requests take, within bounds.
func (s *Scenario) hangDeadline(a *arm) time.Duration {
	if d := s.Service.Analysis.HangDeadline; d > 0 {
		return d.D()
	}
	return min(max(3*length(a.mid+3.09*a.wide), 5*time.Second), a.give)
}

// length is the latency at a position.
func length(position float64) time.Duration {
	return time.Duration(float64(lowest) * math.Exp(position*math.Log(analysis.Gamma)))
}

// begin empties the counts of the tick that ends now, and lets what is in flight grow older.
func (a *arm) begin(now time.Duration) {
	a.counts = analysis.Counts{Done: a.done[:]}
	a.fails = a.fails[:0]
	clear(a.done[:])
	if len(a.flights) == 0 {
		return
	}
	clear(a.aged[:])
	a.counts.Aged = a.aged[:]
	kept := a.flights[:0]
	for _, f := range a.flights {
		if a.grow(&f, now) {
			kept = append(kept, f)
		}
	}
	a.flights = kept
}

// grow reports whether a request is still in flight.
func (a *arm) grow(f *flight, now time.Duration) bool {
	age := now - f.born
	if !f.hangs && age >= f.latency {
		a.aged[f.bucket]--
		a.done[analysis.Bucket(f.latency)]++
		if !f.decided {
			a.decide(f, f.fails)
		}
		return false
	}
	if b := analysis.Bucket(age); b != f.bucket {
		a.aged[f.bucket]--
		a.aged[b]++
		f.bucket = b
	}
	if !f.decided && age >= a.hang {
		f.decided = true
		a.decide(f, true)
	}
	if age < a.give {
		return true
	}
	if !f.decided && age >= a.lost {
		a.decide(f, true)
	}
	return false // what is given up stays where it is
}

// decide counts a request whose fate is known.
func (a *arm) decide(f *flight, failed bool) {
	fair := f.cohort == a.cohort
	a.counts.Requests++
	if fair {
		a.counts.Cohort.Requests++
	}
	if !failed {
		return
	}
	a.total.Failed++
	a.counts.Faults++
	if fair {
		a.counts.Cohort.Faults++
	}
	a.fails = append(a.fails, failing{f.client, f.extra || f.hangs, fair})
}

// serve draws the requests of a tick that ends now: mean of them on average, in this weather. Users who would have fared
// better on stable are added to hurt.
func (a *arm) serve(now time.Duration, mean float64, w *weather, hurt *Hurt) {
	if mean <= 0 {
		return
	}
	hung := poisson(a.rand, mean*w.hang)
	for range hung {
		a.fly(now, flight{latency: math.MaxInt64, hangs: true})
	}
	answered := mean * (1 - w.hang)
	bad := poisson(a.rand, answered*w.fails)
	worse := poisson(a.rand, answered*w.extra)
	n := bad + worse + poisson(a.rand, answered*max(0, 1-w.fails-w.extra))
	a.total.Requests += uint64(hung + n)
	a.counts.Claimed += uint64(hung + n)
	hurt.Hung += uint64(hung)
	hurt.Failed += uint64(worse)
	limit := a.mid + z99*a.wide + w.plain
	for i := range n {
		z := a.rand.NormFloat64()
		x := a.position(z, w)
		// A user who fails is hurt already, however long it took.
		if x > limit && z <= z99 && i >= bad+worse {
			hurt.Slow++
		}
		a.answer(now, x, flight{fails: i < bad+worse, extra: i >= bad && i < bad+worse})
	}
}

// position is the latency of a request that is as slow as z says among its like.
func (a *arm) position(z float64, w *weather) float64 {
	x := a.mid + z*a.wide
	switch {
	case z > z95:
		x += w.tail
	case w.body != 0 && z < z90:
		x = min(x+w.body, a.mid+z90*a.wide)
	}
	if w.slow > 0 && a.rand.Float64() < w.slow {
		x += w.slowBy
	}
	return x + w.shift
}

// short is the position of a latency of one tick. What is shorter counts in the tick in which it began.
var short = float64(analysis.Bucket(tick))

// answer counts a request that is answered sooner or later.
func (a *arm) answer(now time.Duration, x float64, f flight) {
	f.cohort = a.cohort
	if f.fails && a.fail >= 0 {
		x = a.fail
	}
	if x < short {
		a.done[int(max(x, 0))]++
		a.decide(&f, f.fails)
		return
	}
	f.latency = length(min(x, 4*analysis.Buckets)) // so that it fits a duration
	a.fly(now, f)
}

// fly takes note of a request that is not answered in this tick.
func (a *arm) fly(now time.Duration, f flight) {
	age := time.Duration(a.rand.Float64() * float64(tick))
	f.born, f.bucket, f.cohort = now-age, analysis.Bucket(age), a.cohort
	if a.counts.Aged == nil {
		clear(a.aged[:])
		a.counts.Aged = a.aged[:]
	}
	a.aged[f.bucket]++
	a.flights = append(a.flights, f)
}

// repeat sends the request of a client once more.
func (a *arm) repeat(now time.Duration, c *client, fails bool, w *weather) {
	a.total.Requests++
	a.counts.Claimed++
	a.answer(now, a.position(a.rand.NormFloat64(), w), flight{fails: fails, client: c})
}

// waiting is how many requests have been in flight for too long.
func (a *arm) waiting(now time.Duration) (n uint64) {
	for _, f := range a.flights {
		if !f.decided && now-f.born >= a.lost {
			n++
		}
	}
	return n
}

// settle ends the tick: it returns what was counted, with the failures that are charged.
func (a *arm) settle(charged, fair int, sticky bool) analysis.Counts {
	c := &a.counts
	c.Failed, c.Cohort.Failed = uint64(charged), uint64(fair)
	if sticky { // all but those who come again come once, and their latency is as good as anybody's
		c.Cohort.Users = c.Cohort.Failed
	} else { // the revision of each was drawn for it alone
		c.Cohort.Drawn = analysis.Tally{Requests: c.Cohort.Requests, Events: c.Cohort.Faults}
	}
	return *c
}
