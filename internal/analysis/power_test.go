package analysis

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

var runs = flag.Int("runs", 10, "simulated rollouts of each case")

var (
	plain = Options{Alpha: 0.01, Errors: true, Latency: true, Guardrail: true, Objective: 0.01, Harm: 0.0005, Shift: 1}
	usual = lognormal(30*time.Millisecond, 0.5, 0, 0)
)

// found is how long it takes until a canary is guilty, and how many of its requests have failed by then; or the end.
func (t *traffic) found(o Options, until time.Duration) (took time.Duration, failed uint64, stream string) {
	base := t.warmed()
	a := New(o, base)
	a.Enter(Step{Compared: true, Share: t.share, Next: 2 * t.share})
	for t.now < until {
		tick := t.next()
		failed += tick.Canary.Failed
		a.Add(tick)
		if _, stream, guilty := a.Guilty(); guilty {
			return t.now, failed, stream
		}
	}
	return until, failed, ""
}

func quantileOf[T any](all []T, q float64, cmp func(a, b T) int) T {
	all = slices.Clone(all)
	slices.SortFunc(all, cmp)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

func median(all []time.Duration) time.Duration { return quantileOf(all, 0.5, compare[time.Duration]) }

func compare[T ~int64 | ~uint64 | ~float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Each regression is found in the time that is promised, in the median; the promises are docs/analysis.md's goals, where
// there is one.
func TestRegressionsAreFound(t *testing.T) {
	const five = 5 * time.Minute
	late := func(tr *traffic) {
		tr.canary.fails = func(now time.Duration) float64 {
			if now < five {
				return 0.001
			}
			return 0.01
		}
	}
	slow := func(l *alias) func(*traffic) {
		return func(tr *traffic) { tr.stable.latency, tr.canary.latency = usual, l }
	}
	cases := []struct {
		name    string
		rps     float64
		stable  float64
		canary  float64
		change  func(*traffic)
		from    time.Duration // when the regression begins
		within  time.Duration
		atMost  uint64 // failed canary requests
		slowest time.Duration
	}{
		{"0.1 to 1 %", 1000, 0.001, 0.01, nil, 0, 15 * time.Second, 10, time.Minute},
		{"0.5 to 2 %", 1000, 0.005, 0.02, nil, 0, 25 * time.Second, 25, 2 * time.Minute},
		{"0 to 100 %", 1000, 0, 1, nil, 0, 300 * time.Millisecond, 10, time.Second},
		{"0.1 to 1 % after 5 min", 1000, 0.001, 0.01, late, five, 35 * time.Second, 40, 8 * time.Minute},
		{"0.1 to 1 % at 50 rps", 50, 0.001, 0.01, nil, 0, 7 * time.Minute, 15, time.Hour},
		{"median +10 %", 1000, 0, 0, slow(lognormal(33*time.Millisecond, 0.5, 0, 0)), 0, time.Minute, 0, 5 * time.Minute},
		{"p99 +20 %", 1000, 0, 0, slow(tailed(usual, 0.9, 1.2)), 0, time.Minute, 0, 5 * time.Minute},
		{"2 % ten times slower", 1000, 0, 0, slow(lognormal(30*time.Millisecond, 0.5, 0.02, 10)), 0, 15 * time.Second, 0, time.Minute},
		{"hangs", 1000, 0, 0, func(tr *traffic) { slow(usual)(tr); tr.canary.hangs = true }, 0, 2 * time.Second, 0, time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var took []time.Duration
			var failed []uint64
			streams := map[string]int{}
			n := *runs
			if c.change == nil {
				n *= 5 // it costs little
			}
			for seed := range n {
				tr := newTraffic(uint64(seed), c.rps, 0.05, c.canary, c.stable)
				if c.rps < 100 {
					tr.tick = time.Second
				}
				if c.change != nil {
					c.change(tr)
				}
				d, f, s := tr.found(plain, c.slowest)
				took, failed = append(took, d-c.from), append(failed, f)
				streams[s]++
			}
			m, f := median(took), quantileOf(failed, 0.5, compare[uint64])
			t.Logf("median %v, p90 %v, failed %d, by %v", m, quantileOf(took, 0.9, compare[time.Duration]), f, streams)
			if m > c.within || c.atMost > 0 && f > c.atMost {
				t.Errorf("found after %v and %d failures in the median, want %v and %d", m, f, c.within, c.atMost)
			}
		})
	}
}

// tailed makes a latency's part beyond the quantile q slower by a factor.
func tailed(l *alias, q, factor float64) *alias {
	var p, moved [Buckets]float64
	for i := range p {
		p[i] += l.keep[i] / Buckets
		p[l.other[i]] += (1 - l.keep[i]) / Buckets
	}
	by := int(math.Round(math.Log(factor) / logGamma))
	below := 0.0
	for i, x := range p {
		if below >= q {
			moved[min(i+by, Buckets-1)] += x
		} else {
			moved[i] += x
		}
		below += x
	}
	return newAlias(moved)
}

// A healthy release at a thousand requests a second is promoted in six minutes.
func TestHealthyReleaseReachesEverybody(t *testing.T) {
	shares := []float64{0.05, 0.10, 0.25, 0.50, 0.75, 1}
	var total []time.Duration
	steps := make([][]time.Duration, len(shares))
	holds := map[string]int{}
	for seed := range (*runs + 1) / 2 {
		tr := newTraffic(uint64(seed), 1000, 0.05, 0.001, 0.001)
		tr.stable.latency, tr.canary.latency = usual, usual
		a := New(plain, tr.warmed())
		for i, share := range shares {
			took, hold := tr.step(a, share, shares[min(i+1, len(shares)-1)])
			steps[i] = append(steps[i], took)
			holds[fmt.Sprintf("%g %s", share, hold)]++
		}
		total = append(total, tr.now)
		if _, stream, guilty := a.Guilty(); guilty {
			t.Errorf("seed %d: a healthy release was found guilty of %s", seed, stream)
		}
	}
	for i, share := range shares {
		t.Logf("%3.0f %%: median %v, p90 %v", 100*share, median(steps[i]), quantileOf(steps[i], 0.9, compare[time.Duration]))
	}
	t.Log(holds)
	t.Logf("all: median %v, p90 %v", median(total), quantileOf(total, 0.9, compare[time.Duration]))
	if m := median(total); m > 6*time.Minute {
		t.Errorf("a healthy release takes %v in the median, want 6 min", m)
	}
}

// step waits at one share as the gate does: the bake, then evidence that the canary does no harm, for three times the bake
// at most. It says what was waited for last.
func (t *traffic) step(a *Analysis, share, next float64) (took time.Duration, last string) {
	const bake = 30 * time.Second
	t.share = share
	a.Enter(Step{Compared: share < 1, Share: share, Next: next})
	for began := t.now; ; {
		tick := t.next()
		tick.Warming = t.now-began <= 30*time.Second
		a.Add(tick)
		if took = t.now - began; took < bake {
			continue
		}
		hold := a.Findings().holds()
		if share == 1 || hold == "" || took >= 3*bake {
			return took, last
		}
		last = hold
	}
}

func (f Findings) holds() string {
	for _, s := range append([]Finding{f.Errors}, f.Latency...) {
		if s.Limit == 0 {
			continue // it is off
		}
		if s.Evidence >= Calm {
			return fmt.Sprint("evidence ", s.Quantile)
		}
		if s.Clearance < Enough {
			return fmt.Sprint("clearance ", s.Quantile)
		}
	}
	return ""
}

// A canary that is cold for ten seconds is not blamed for that, and soon has shown that it is none the worse.
func TestColdCanaryIsPromoted(t *testing.T) {
	o := plain
	o.Errors = false
	var took []time.Duration
	for seed := range (*runs + 1) / 2 {
		tr := newTraffic(uint64(seed), 1000, 0.05, 0, 0)
		tr.stable.latency = usual
		a := New(o, tr.warmed())
		a.Enter(Step{Compared: true, Share: 0.05, Next: 0.1})
		for tr.now < 3*time.Minute && a.Findings().holds() != "" {
			tr.canary.latency = usual
			if tr.now < 10*time.Second {
				tr.canary.latency = lognormal(90*time.Millisecond, 0.5, 0, 0)
			}
			tick := tr.next()
			tick.Warming = tr.now <= 30*time.Second
			a.Add(tick)
		}
		if _, stream, guilty := a.Guilty(); guilty {
			t.Errorf("seed %d: blamed for being cold, by %s", seed, stream)
		}
		took = append(took, tr.now)
	}
	t.Logf("median %v", median(took))
	if m := median(took); m > 75*time.Second {
		t.Errorf("cleared after %v in the median, want 75 s", m)
	}
}
