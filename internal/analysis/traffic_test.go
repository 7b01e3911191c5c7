package analysis

import (
	"math"
	"math/rand/v2"
	"time"
)

// traffic makes ticks of two revisions: Poisson arrivals, failures at a rate, latencies drawn from a distribution.
type traffic struct {
	rand           *rand.Rand
	rps, share     float64
	canary, stable revision
	tick           time.Duration
	now            time.Duration
}

// revision says how one revision answers at a moment of the simulation.
type revision struct {
	fails   func(time.Duration) float64
	latency *alias // nil: none is reported
	hangs   bool   // nothing is ever answered
	hung    []int  // the ages in ticks, by number of ticks ago
}

func newTraffic(seed uint64, rps, share, canary, stable float64) *traffic {
	return &traffic{
		rand: rand.New(rand.NewPCG(seed, 0x6e617275)), rps: rps, share: share, tick: 100 * time.Millisecond,
		canary: revision{fails: always(canary)}, stable: revision{fails: always(stable)},
	}
}

func always(p float64) func(time.Duration) float64 { return func(time.Duration) float64 { return p } }

// next draws what happens in a tick.
func (t *traffic) next() Tick {
	all := t.rps * t.tick.Seconds()
	tick := Tick{Span: t.tick, Canary: t.draw(&t.canary, all*t.share), Stable: t.draw(&t.stable, all*(1-t.share))}
	t.now += t.tick
	return tick
}

// prompt are requests that are decided in the tick in which they came, each drawn for itself.
func prompt(n, failed uint64) Counts {
	return Counts{Claimed: n, Requests: n, Failed: failed, Faults: failed, Cohort: Cohort{Requests: n, Failed: failed, Faults: failed, Drawn: Tally{n, failed}}}
}

func (t *traffic) draw(r *revision, mean float64) (c Counts) {
	n := poisson(t.rand, mean)
	if r.hangs {
		r.hang(&c, n, t.tick)
		return c
	}
	c = prompt(uint64(n), uint64(binomial(t.rand, n, r.fails(t.now))))
	if r.latency == nil {
		return c
	}
	c.Done = make([]int32, Buckets)
	for range n {
		c.Done[r.latency.draw(t.rand)]++
	}
	return c
}

// hang lets all requests in flight grow older by a tick, and n new ones come.
func (r *revision) hang(c *Counts, n int, tick time.Duration) {
	age := time.Duration(len(r.hung)) * tick
	for _, h := range r.hung {
		c.Age(age-tick, age, h)
		age -= tick
	}
	r.hung = append(r.hung, n)
	c.Age(-1, 0, n)
}

func poisson(r *rand.Rand, mean float64) int {
	if mean > 50 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, p, u := 0, math.Exp(-mean), r.Float64()
	for sum := p; u > sum && n < 1000; sum += p {
		n++
		p *= mean / float64(n)
	}
	return n
}

// binomial counts successes by the gaps between them.
func binomial(r *rand.Rand, n int, p float64) int {
	switch {
	case p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(r, n, 1-p)
	}
	k, at, l := 0, 0.0, math.Log1p(-p)
	for {
		at += math.Floor(math.Log(1-r.Float64())/l) + 1
		if at > float64(n) {
			return k
		}
		k++
	}
}

// alias draws from the distribution of a latency over the buckets in constant time (Walker 1977).
type alias struct {
	keep  [Buckets]float64
	other [Buckets]int
}

// lognormal is a latency with this median and spread, of which the share slow takes the factor as long.
func lognormal(median time.Duration, sigma, slow, factor float64) *alias {
	var p [Buckets]float64
	mass := func(median float64, weight float64) {
		last := 0.0
		for i := range p {
			x := math.Log(float64(Edge(i+1))/median) / sigma
			f := 0.5 * math.Erfc(-x/math.Sqrt2)
			if i == Buckets-1 {
				f = 1
			}
			p[i] += weight * (f - last)
			last = f
		}
	}
	mass(float64(median), 1-slow)
	if slow > 0 {
		mass(float64(median)*factor, slow)
	}
	return newAlias(p)
}

func newAlias(p [Buckets]float64) *alias {
	a := &alias{}
	var small, large []int
	for i := range p {
		p[i] *= Buckets
		if p[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for i := range a.keep {
		a.keep[i] = 1
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.keep[s], a.other[s] = p[s], l
		p[l] -= 1 - p[s]
		if p[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return a
}

func (a *alias) draw(r *rand.Rand) int {
	i := r.IntN(Buckets)
	if r.Float64() < a.keep[i] {
		return i
	}
	return a.other[i]
}

// warmed is the baseline after ten minutes of what stable does now.
func (t *traffic) warmed() Baseline {
	var b Baseline
	for range 600 {
		c := prompt(uint64(math.Round(t.rps)), uint64(binomial(t.rand, int(t.rps), t.stable.fails(0))))
		if t.stable.latency != nil {
			c.Done = make([]int32, Buckets)
			for range min(c.Requests, 200) {
				c.Done[t.stable.latency.draw(t.rand)]++
			}
		}
		b.Add(time.Second, c)
	}
	return b
}
