package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
)

// watched is an arm in a weather, and all that it has reported.
func watched(t *testing.T, w weather, mean float64, ticks int, see func(now time.Duration, c analysis.Counts)) (*arm, Hurt) {
	t.Helper()
	s := Default()
	s.Service = s.Service.Normalise()
	a := newArm(&s, rand.New(rand.NewPCG(3, 4)))
	var hurt Hurt
	for i := range ticks {
		now := time.Duration(i+1) * tick
		a.begin(now)
		a.serve(now, mean, &w, &hurt)
		see(now, a.settle(len(a.fails), len(a.fails), false))
	}
	return a, hurt
}

// near reports whether a count is as expected, within five standard deviations of chance.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 5*math.Sqrt(want)+2 {
		t.Errorf("%s: %.0f, want about %.0f", what, got, want)
	}
}

func TestTrafficIsAsItIsSaidToBe(t *testing.T) {
	var sum analysis.Counts
	const ticks, mean = 3000, 100.0
	a, hurt := watched(t, weather{fails: 0.01, extra: 0.02, slow: 0.02, slowBy: buckets(10)}, mean, ticks, func(_ time.Duration, c analysis.Counts) { sum.Add(c) })
	n := ticks * mean
	near(t, "requests", float64(a.total.Requests), n)
	near(t, "failed", float64(sum.Failed), 0.03*n)
	near(t, "hurt by failure", float64(hurt.Failed), 0.02*n)
	if float64(sum.Requests) < 0.99*n || sum.Requests > a.total.Requests {
		t.Errorf("%d of %d are decided", sum.Requests, a.total.Requests)
	}
	beyond := func(d time.Duration) (k float64) {
		for i := analysis.Bucket(d) + 1; i < analysis.Buckets; i++ {
			k += float64(sum.Done[i])
		}
		return k
	}
	done := beyond(0) + float64(sum.Done[0])
	// Half of the 98 % that are as ever are beyond the median, and nearly all of the 2 %. A bucket is 2.5 % wide.
	if share := beyond(20*time.Millisecond) / done; share < 0.48 || share > 0.52 {
		t.Errorf("%.3f are slower than the median", share)
	}
	if share := beyond(60*time.Millisecond) / done; share < 0.028 || share > 0.032 {
		t.Errorf("%.3f are slower than p99, want 1%% and 2%% that take ten times as long", share)
	}
	// Beyond stable's p99 are 1 % of all anyway; of the rest of the slow ones some fail, and those count as failed.
	near(t, "hurt by slowness", float64(hurt.Slow), 0.02*0.99*0.97*n)
}

// TestNothingIsTakenBack holds what is reported of requests in flight against its promise: beyond any latency, the
// number of requests never falls, nor does that of the decided ones, and at the end every request is there once.
func TestNothingIsTakenBack(t *testing.T) {
	var late, decided [analysis.Buckets]int64
	see := func(now time.Duration, c analysis.Counts) {
		var done, aged int64
		all := int64(0)
		for _, n := range c.Done {
			all += int64(n)
		}
		for i := analysis.Buckets - 1; i >= 0; i-- {
			if late[i]+done+aged < late[i] || decided[i]+all+aged < decided[i] {
				t.Fatalf("%v: beyond bucket %d a request is taken back", now, i)
			}
			late[i] += done + aged
			decided[i] += all + aged
			done += int64(c.Done[i])
			if c.Aged != nil {
				aged += int64(c.Aged[i])
			}
		}
	}
	a, _ := watched(t, weather{hang: 0.05, slow: 0.1, slowBy: buckets(30), shift: buckets(2)}, 20, 1500, see)
	near(t, "requests beyond the shortest latency", float64(late[0]), float64(a.total.Requests))
}

func TestHangsAreFailuresFromTheDeadlineOn(t *testing.T) {
	var failed, requests uint64
	first := time.Duration(0)
	a, hurt := watched(t, weather{hang: 1}, 10, 100, func(now time.Duration, c analysis.Counts) {
		failed += c.Failed
		requests += c.Requests
		if failed > 0 && first == 0 {
			first = now
		}
	})
	if a.hang != 5*time.Second || first < a.hang || first > a.hang+2*tick {
		t.Errorf("the first failure is after %v, the deadline is %v", first, a.hang)
	}
	if failed != requests || hurt.Hung != a.total.Requests {
		t.Errorf("%d of %d decided ones failed; %d hang of %d", failed, requests, hurt.Hung, a.total.Requests)
	}
	near(t, "failures in the second half", float64(failed), 500)
	if len(a.flights) != int(a.total.Requests) {
		t.Errorf("%d are in flight of %d", len(a.flights), a.total.Requests)
	}
}

func TestPartsOfTheLatencies(t *testing.T) {
	s := Default()
	a := newArm(&s, rand.New(rand.NewPCG(1, 1)))
	by := buckets(1.5)
	for _, c := range []struct {
		z    float64
		w    weather
		want float64 // shift
	}{
		{0, weather{shift: by}, by}, {2, weather{shift: by}, by}, {0, weather{tail: by}, 0}, {1.6, weather{tail: by}, 0}, {1.7, weather{tail: by}, by},
		{0, weather{body: by}, by}, {1.3, weather{body: by}, 0}, {z90, weather{body: by}, 0}, {0, weather{slow: 1, slowBy: 90}, 90},
	} {
		if got := a.position(c.z, &c.w) - (a.mid + c.z*a.wide); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("z %v in %+v is shifted by %v, want %v", c.z, c.w, got, c.want)
		}
	}
}
