package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func skyOf(change func(*Scenario)) *sky {
	s := Default()
	change(&s)
	return newSky(&s, rand.New(rand.NewPCG(1, 1)))
}

func TestIncidentsAndOverload(t *testing.T) {
	k := skyOf(func(s *Scenario) {
		s.Incidents = []Incident{{At: ms(10_000), Lasts: ms(5000), Errors: 0.2}, {At: ms(20_000), Errors: 0.1, Latency: 2, On: "stable"}}
		s.Overload = &Overload{Share: 0.3, Errors: 0.05}
	})
	for _, c := range []struct {
		now            time.Duration
		share          float64
		stable, canary float64
	}{{9 * time.Second, 0.3, 0.001, 0.001}, {10 * time.Second, 0.3, 0.201, 0.201}, {15 * time.Second, 0, 0.001, 0.001},
		{16 * time.Second, 0.31, 0.051, 0.051}, {25 * time.Second, 0, 0.101, 0.001}} {
		a, b := k.look(c.now, 0, c.share)
		if math.Abs(a.fails-c.stable) > 1e-9 || math.Abs(b.fails+b.extra-c.canary) > 1e-9 || b.extra != 0 {
			t.Errorf("%v at %v: stable fails %v and canary %v+%v, want %v and %v", c.now, c.share, a.fails, b.fails, b.extra, c.stable, c.canary)
		}
	}
	if a, b := k.look(25*time.Second, 0, 0); math.Abs(a.shift-b.shift-buckets(2)) > 1e-9 || b.plain != a.shift {
		t.Errorf("stable is shifted by %v, the canary by %v and held against %v", a.shift, b.shift, b.plain)
	}
}

func TestRegressionsGrow(t *testing.T) {
	k := skyOf(func(s *Scenario) {
		s.Regressions = []Regression{{After: ms(60_000), Ramp: ms(100_000), Errors: new(Portion(0.011)), Slow: 0.02}}
	})
	for age, extra := range map[time.Duration]float64{59: 0, 60: 0, 110: 0.005, 160: 0.01, 500: 0.01} {
		_, b := k.look(7*time.Second+age*time.Second, 7*time.Second, 0.05)
		if math.Abs(b.extra-extra) > 1e-9 || math.Abs(b.slow-2*extra) > 1e-9 || extra > 0 && b.slowBy != buckets(10) {
			t.Errorf("after %ds: %+v, want %v more failures", age, b, extra)
		}
	}
	if _, b := k.look(time.Hour, -1, 0); b.extra != 0 {
		t.Error("worse before anybody has come")
	}
}

// TestDrift holds both shapes against their spread, and the two revisions against each other.
func TestDrift(t *testing.T) {
	for _, shape := range []string{"", "wave", "walk"} {
		k := skyOf(func(s *Scenario) { s.Drift = Drift{Shape: shape, Period: ms(300_000), Errors: 0.5, Latency: 0.2} })
		sum, squares, n := 0.0, 0.0, 0.0
		for now := time.Second; now < 100*time.Hour; now += time.Second {
			k.drift(now)
			a, b := k.look(now, 0, 0.5)
			if a.fails != b.fails || a.shift != b.shift || b.extra != 0 {
				t.Fatalf("%s: %+v and %+v", shape, a, b)
			}
			x := math.Log(a.fails / 0.001)
			sum, squares, n = sum+x, squares+x*x, n+1
		}
		want := 0.5
		if shape != "walk" {
			want /= math.Sqrt2
		}
		if mean, spread := sum/n, math.Sqrt(squares/n); math.Abs(mean) > 0.05 || math.Abs(spread-want) > 0.05 {
			t.Errorf("%q: mean %.3f, spread %.3f, want 0 and %.3f", shape, mean, spread, want)
		}
		if k.rate() != 1000 {
			t.Errorf("%q: the rate drifts to %v", shape, k.rate())
		}
	}
}
