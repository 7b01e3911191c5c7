package analysis

import (
	"math"
	"testing"
	"time"
)

// Equal revisions are judged for half an hour, while the failures and the load of both drift, and once burst. At most one
// rollout in a hundred may be rolled back; the bound of the test allows for chance.
func TestEqualRevisionsAreNotBlamed(t *testing.T) {
	equal(t, 20**runs, func(*traffic) {})
}

// Their latency drifts too, and is the same.
func TestEquallySlowRevisionsAreNotBlamed(t *testing.T) {
	kinds := []*alias{usual, lognormal(40*time.Millisecond, 0.3, 0.02, 8), lognormal(20*time.Millisecond, 1, 0, 0)}
	equal(t, *runs/2, func(tr *traffic) {
		l := kinds[int(tr.now.Minutes()/3)%len(kinds)]
		tr.stable.latency, tr.canary.latency = l, l
	})
}

func equal(t *testing.T, n int, weather func(*traffic)) {
	t.Helper()
	wrong := 0
	for seed := range n {
		tr := newTraffic(uint64(seed), 100, 0.05, 0, 0)
		tr.tick = 5 * time.Second
		fails := func(now time.Duration) float64 {
			m := now.Minutes()
			if m > 11 && m < 12 {
				return 0.2
			}
			return 0.004 * (1 + 0.8*math.Sin(m/3+float64(seed)))
		}
		tr.canary.fails, tr.stable.fails = fails, fails
		weather(tr)
		a := New(plain, tr.warmed())
		for i, share := range []float64{0.05, 0.1, 0.25, 0.5, 0.75, 0.95} {
			tr.share = share
			a.Enter(Step{Compared: true, Share: share, Next: 1})
			for tr.now < time.Duration(i+1)*5*time.Minute {
				tr.rps = 60 + 50*math.Sin(tr.now.Minutes()/7)
				weather(tr)
				a.Add(tr.next())
			}
		}
		if _, stream, guilty := a.Guilty(); guilty {
			wrong++
			t.Logf("seed %d: %s", seed, stream)
		}
	}
	t.Logf("%d of %d", wrong, n)
	// One in a hundred, and three standard deviations of that.
	if limit := 0.01*float64(n) + 3*math.Sqrt(0.01*float64(n)); float64(wrong) > limit {
		t.Errorf("%d of %d equal revisions were rolled back, want %.1f at most", wrong, n, limit)
	}
}
