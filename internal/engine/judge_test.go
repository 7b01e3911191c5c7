package engine

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

func judgement(errors deploy.Share, p99 time.Duration) deploy.Judgement {
	return deploy.Judgement{Objectives: deploy.Objectives{Errors: &errors, P99: deploy.Duration(p99)}, MinRequests: 20, OnInsufficient: "promote"}
}

func slow(n int, d time.Duration, more int, longer time.Duration) tally {
	t := tally{requests: uint64(n + more)}
	for range n {
		t.latency.Add(d)
	}
	for range more {
		t.latency.Add(longer)
	}
	return t
}

func TestAssess(t *testing.T) {
	r := deploy.Rollout{ID: "s-1", From: "r1", To: "r2"}
	cases := []struct {
		name           string
		g              deploy.Judgement
		canary, stable tally
		want           deploy.Outcome
		reason         string
	}{
		{"no data is unknown", judgement(100, 0), tally{}, tally{requests: 1000}, deploy.Inconclusive, "has answered 0 requests in this step, 20 are needed"},
		{"too little data is unknown, however bad", judgement(100, 0), tally{requests: 19, failed: 19}, tally{requests: 1000}, deploy.Inconclusive, "19 requests"},
		{"all fail", judgement(100, 0), tally{requests: 20, failed: 20}, tally{requests: 1000}, deploy.Fail, "errors: 100.00% failed of 20 requests to r2, 0.00% failed of 1000 to r1; the objective allows 1.00% failed"},
		{"one of fifty may be chance", judgement(100, 0), tally{requests: 50, failed: 1}, tally{requests: 1000}, deploy.Inconclusive, "cannot be told yet"},
		{"twenty of five hundred are not", judgement(100, 0), tally{requests: 500, failed: 20}, tally{requests: 1000}, deploy.Fail, "4.00% failed"},
		{"within the objective", judgement(100, 0), tally{requests: 500, failed: 5}, tally{requests: 1000}, deploy.Pass, ""},
		{"stable fails as much: not the candidate's fault", judgement(100, 0), tally{requests: 500, failed: 25}, tally{requests: 500, failed: 25}, deploy.Inconclusive, "cannot be told yet"},
		{"stable fails, the candidate far more", judgement(100, 0), tally{requests: 500, failed: 250}, tally{requests: 500, failed: 25}, deploy.Fail, "50.00%"},
		{"a fix while stable is broken", judgement(100, 0), tally{requests: 100}, tally{requests: 500, failed: 500}, deploy.Pass, ""},
		{"fast enough", judgement(100, 100*time.Millisecond), slow(1000, 10*time.Millisecond, 5, time.Second), slow(1000, 10*time.Millisecond, 0, 0), deploy.Pass, ""},
		{"too slow", judgement(100, 100*time.Millisecond), slow(100, 10*time.Millisecond, 20, time.Second), slow(1000, 10*time.Millisecond, 0, 0), deploy.Fail, "p99: 16.67% slower than 100ms"},
		{"no objective, nothing to break", deploy.Judgement{MinRequests: 20}, tally{requests: 5, failed: 5}, tally{}, deploy.Pass, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := assess(c.g, c.canary, c.stable, r)
			if v.Outcome != c.want || !strings.Contains(v.Reason, c.reason) {
				t.Errorf("%s %q, want %s %q", v.Outcome, v.Reason, c.want, c.reason)
			}
			if v.Outcome == deploy.Fail && len(v.Figures) == 0 {
				t.Error("a verdict without the figures that it rests on")
			}
		})
	}
}

// A revision that keeps its objective exactly at the bound is looked at hundreds of times and seldom blamed.
func TestChanceIsSeldomBlamed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	blamed, runs := 0, 1000
	for range runs {
		var canary tally
		for range 300 {
			canary.requests += 10
			for range 10 {
				if rnd.IntN(200) == 0 { // 0.5 %, half of what is allowed
					canary.failed++
				}
			}
			if assess(judgement(100, 0), canary, tally{requests: canary.requests * 10}, deploy.Rollout{}).Outcome == deploy.Fail {
				blamed++
				break
			}
		}
	}
	if blamed > runs/50 {
		t.Errorf("%d of %d good revisions were blamed", blamed, runs)
	}
}

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      uint64
		low, high float64
	}{{0, 0, 0, 1}, {0, 100, 0, 9. / 109}, {100, 100, 100. / 109, 1}} {
		low, high := wilson(c.k, c.n)
		if math.Abs(low-c.low) > 1e-9 || math.Abs(high-c.high) > 1e-9 {
			t.Errorf("%d of %d: %v to %v, want %v to %v", c.k, c.n, low, high, c.low, c.high)
		}
	}
}
