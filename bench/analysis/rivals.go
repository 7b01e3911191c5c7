package main

import (
	"math"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/simulate"
)

// What the two other methods look at.
const (
	point  = 10 * time.Second // over which a share is taken
	window = 6                // points of a window: one minute
	checks = 5                // failing windows that a threshold takes before it rolls back
	// confident is the quantile of the normal distribution of a two-sided 98 %, which is what Kayenta's judge uses.
	confident = 2.3263478740408408
)

// some is what one revision did in the time of a point.
type some struct{ requests, failed, median, tail, slow float64 }

// rivals judge the same traffic in the ways of others: the Mann-Whitney test on windows of one minute, as Kayenta's judge
// does, and fixed thresholds on windows of one minute, as Flagger and Argo Rollouts do.
type rivals struct {
	half, p99, worse       int // buckets of stable's median, of its p99, and of 1.1 times that
	now                    [2]some
	canary, stable         []some
	ticks                  int
	failing                int
	mannWhitney, threshold time.Duration // when they fired, since the first users came to the canary; 0: not yet
}

func newRivals(s simulate.Scenario) *rivals {
	return &rivals{half: analysis.Bucket(s.P50.D()), p99: analysis.Bucket(s.P99.D()), worse: analysis.Bucket(s.P99.D() * 11 / 10)}
}

// see takes a tick and reports whether anybody has still not fired.
func (r *rivals) see(m simulate.Moment) bool {
	if m.Since < 0 || m.Share == 0 {
		return true
	}
	r.take(&r.now[0], m.Canary)
	r.take(&r.now[1], m.Stable)
	if r.ticks++; r.ticks%int(point/(100*time.Millisecond)) > 0 {
		return true
	}
	r.canary, r.stable, r.now = append(r.canary, r.now[0]), append(r.stable, r.now[1]), [2]some{}
	if len(r.canary) < window {
		return true
	}
	at := m.At - m.Since
	if r.mannWhitney == 0 && r.differs() {
		r.mannWhitney = at
	}
	if r.breaks() {
		r.failing++
	}
	if r.threshold == 0 && r.failing >= checks {
		r.threshold = at
	}
	r.canary, r.stable = r.canary[:0], r.stable[:0]
	return r.mannWhitney == 0 || r.threshold == 0
}

func (r *rivals) take(s *some, c analysis.Counts) {
	s.requests += float64(c.Requests)
	s.failed += float64(c.Failed)
	for i := r.half + 1; i < len(c.Done); i++ {
		n := float64(c.Done[i])
		s.median += n
		if i > r.p99 {
			s.tail += n
		}
		if i > r.worse {
			s.slow += n
		}
	}
}

// differs tests the points of a minute: the share of failed requests, of those slower than the median, and than p99.
// Shares are the same for few requests and for many; quantiles of five hundred requests and of
// ten thousand would not be.
func (r *rivals) differs() bool {
	for _, of := range []func(some) float64{func(s some) float64 { return s.failed }, func(s some) float64 { return s.median }, func(s some) float64 { return s.tail }} {
		if rankTest(shares(r.canary, of), shares(r.stable, of)) > confident {
			return true
		}
	}
	return false
}

func shares(points []some, of func(some) float64) (out []float64) {
	for _, s := range points {
		if s.requests > 0 {
			out = append(out, of(s)/s.requests)
		}
	}
	return out
}

// breaks reports whether the canary's minute breaks a threshold: success below 99 %, or p99 above 1.1 times what it
// usually is.
func (r *rivals) breaks() bool {
	var sum some
	for _, s := range r.canary {
		sum.requests += s.requests
		sum.failed += s.failed
		sum.slow += s.slow
	}
	return sum.requests > 0 && (sum.failed > 0.01*sum.requests || sum.slow > 0.01*sum.requests)
}

// rankTest is the Mann-Whitney test whether a tends to be larger than b: in standard deviations of a normal distribution,
// with ties and the correction for continuity.
func rankTest(a, b []float64) float64 {
	type ranked struct {
		v float64
		a bool
	}
	all := make([]ranked, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, ranked{v, true})
	}
	for _, v := range b {
		all = append(all, ranked{v, false})
	}
	slices.SortFunc(all, func(x, y ranked) int {
		switch {
		case x.v < y.v:
			return -1
		case x.v > y.v:
			return 1
		}
		return 0
	})
	sum, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j, mine := i, 0.0
		for ; j < len(all) && all[j].v == all[i].v; j++ {
			if all[j].a {
				mine++
			}
		}
		sum += mine * float64(i+1+j) / 2
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	u, all2 := sum-n*(n+1)/2, n+m
	spread := math.Sqrt(n * m / 12 * (all2 + 1 - ties/(all2*(all2-1))))
	if n == 0 || m == 0 || spread == 0 {
		return 0
	}
	return (u - n*m/2 - 0.5) / spread
}
