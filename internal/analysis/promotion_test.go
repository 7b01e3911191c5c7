package analysis

import (
	"math"
	"testing"
	"time"
)

// cleared is how long it takes until every stream, or the one named by its quantile, has shown that the canary does no
// harm; or the end.
func (t *traffic) cleared(o Options, next float64, until time.Duration) time.Duration {
	a := New(o, t.warmed())
	t.tick = time.Second
	a.Enter(Step{Compared: true, Share: t.share, Next: next})
	for t.now < until {
		a.Add(t.next())
		if a.Findings().holds() == "" {
			return t.now
		}
	}
	return until
}

// Evidence that a release does no harm comes in the time that is promised of a thousand requests a second.
func TestPromotionHasEvidence(t *testing.T) {
	errors, latency := plain, plain
	errors.Latency, latency.Errors = false, false
	for _, c := range []struct {
		share, next    float64
		errors, slower time.Duration
	}{
		{0.05, 0.10, 30 * time.Second, 40 * time.Second},
		{0.10, 0.25, 45 * time.Second, 30 * time.Second},
		{0.25, 0.50, 80 * time.Second, 20 * time.Second},
		{0.50, 0.75, 100 * time.Second, 20 * time.Second},
		{0.75, 1.00, 4 * time.Minute, 20 * time.Second},
	} {
		var e, l []time.Duration
		for seed := range *runs {
			tr := newTraffic(uint64(seed), 1000, c.share, 0.001, 0.001)
			e = append(e, tr.cleared(errors, c.next, 20*time.Minute))
			tr = newTraffic(uint64(seed), 1000, c.share, 0.001, 0.001)
			tr.stable.latency, tr.canary.latency = usual, usual
			l = append(l, tr.cleared(latency, c.next, 20*time.Minute))
		}
		t.Logf("%2.0f %%: errors %v, p90 %v; latency %v, p90 %v", 100*c.share, median(e), quantileOf(e, 0.9, compare[time.Duration]), median(l), quantileOf(l, 0.9, compare[time.Duration]))
		if median(e) > c.errors || median(l) > c.slower {
			t.Errorf("at %g %%: evidence after %v and %v in the median, want %v and %v", 100*c.share, median(e), median(l), c.errors, c.slower)
		}
	}
}

// A canary that does exactly the harm that is asked about is cleared in one step of twenty at most, however long it is
// looked at. The bound of the test allows for chance.
func TestHarmAtTheMarginIsNotCleared(t *testing.T) {
	for _, share := range []float64{0.05, 0.5} {
		cleared := 0
		o := plain
		o.Latency = false
		for seed := range 10 * *runs {
			tr := newTraffic(uint64(seed), 1000, share, 0.001+o.Harm/(2*share), 0.001)
			a := New(o, tr.warmed())
			tr.tick = time.Second
			a.Enter(Step{Compared: true, Share: share, Next: 2 * share})
			for tr.now < 5*time.Minute {
				a.Add(tr.next())
			}
			if a.Findings().Errors.Clearance >= Enough {
				cleared++
			}
		}
		rate := float64(cleared) / float64(10**runs)
		t.Logf("at share %g: %.3f", share, rate)
		if rate > 0.05+3*math.Sqrt(0.05*0.95/float64(10**runs)) {
			t.Errorf("at share %g a harm at the margin was cleared %d times in %d", share, cleared, 10**runs)
		}
	}
}

// What is said to be missing at the beginning is what is then needed, in the median within a factor of two.
func TestMissingForetells(t *testing.T) {
	o := plain
	o.Latency = false
	for _, share := range []float64{0.05, 0.25, 0.5} {
		var ratios []float64
		for seed := range 3 * *runs {
			tr := newTraffic(uint64(seed), 1000, share, 0.001, 0.001)
			tr.tick = time.Second
			a := New(o, tr.warmed())
			a.Enter(Step{Compared: true, Share: share, Next: 2 * share})
			said := a.Findings().Errors.Missing
			for a.Findings().Errors.Missing > 0 {
				a.Add(tr.next())
			}
			ratios = append(ratios, float64(a.Findings().Errors.Canary.Requests)/said)
		}
		if m := quantileOf(ratios, 0.5, compare[float64]); m < 0.5 || m > 2 {
			t.Errorf("at share %g %.2f times the requests were needed that were said to be", share, m)
		}
	}
}

// What is excluded only ever shrinks within a step, from large harms to the one that is asked about; a new step asks anew.
func TestExcludedOnlyShrinks(t *testing.T) {
	o := plain
	o.Latency = false
	tr := newTraffic(3, 1000, 0.25, 0.001, 0.001)
	tr.tick = time.Second
	a := New(o, tr.warmed())
	a.Enter(Step{Compared: true, Share: 0.25, Next: 0.5})
	last, stages := 1.0, 0
	for a.Findings().Errors.Clearance < Enough && tr.now < time.Hour {
		a.Add(tr.next())
		f := a.Findings().Errors
		if f.Excluded > last || f.Excluded < f.Margin || (f.Excluded == f.Margin) != (f.Clearance >= Enough) {
			t.Fatalf("after %v harm from %g on is excluded, before it was %g: %+v", tr.now, f.Excluded, last, f)
		}
		if f.Excluded < last {
			stages++
		}
		last = f.Excluded
	}
	if f := a.Findings().Errors; stages < 4 || math.Abs(f.Margin-0.001) > 1e-12 || f.Missing != 0 {
		t.Errorf("%d stages to %+v", stages, f)
	}
	tr.canary.fails = always(0.1)
	for range 60 {
		a.Add(tr.next())
	}
	if f := a.Findings().Errors; f.Excluded != last || !f.Guilty {
		t.Errorf("a regression after the clearance says %+v", f)
	}
	a.Enter(Step{Compared: true, Share: 0.25, Next: 0.5})
	if f := a.Findings().Errors; f.Excluded != 1 || f.Clearance != 1 || f.Canary.Requests != 0 || f.Evidence < f.Limit {
		t.Errorf("a new step begins with %+v", f)
	}
}

// Of a canary that is beyond the margin now no number of requests is promised.
func TestNothingIsPromisedOfAWorseCanary(t *testing.T) {
	tr := newTraffic(1, 1000, 0.05, 0.2, 0.001)
	a := New(plain, tr.warmed())
	a.Enter(Step{Compared: true, Share: 0.05, Next: 0.1})
	for range 100 {
		a.Add(tr.next())
	}
	if f := a.Findings().Errors; !math.IsInf(f.Missing, 1) || f.Clearance > 1 {
		t.Errorf("a canary that fails a fifth: %+v", f)
	}
}
