package analysis

import (
	"math/rand/v2"
	"testing"
	"time"
)

// same is a tick in which all users look like one: of all failures only the first counts, and then one in 10 s.
func same(r *rand.Rand, last *time.Duration, now time.Duration, canary, stable, bad, good int) Tick {
	counts := func(n, failing int) Counts {
		c := prompt(uint64(n), uint64(failing))
		c.Failed = 0
		if failing > 0 && (*last == 0 || now-*last >= 10*time.Second) {
			c.Failed, *last = 1, now
		}
		c.Cohort.Failed = c.Failed
		return c
	}
	t := Tick{Span: time.Second}
	if r.IntN(max(1, bad+good)) < bad { // whose failure comes first is chance
		t.Canary, t.Stable = counts(canary, bad), counts(stable, good)
	} else {
		t.Stable, t.Canary = counts(stable, good), counts(canary, bad)
	}
	return t
}

// A canary that fails is found where all users come from one address, beside stable and alone, and its failures keep it
// from being promoted from the first.
func TestOneAddressDoesNotBlindTheJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		step   Step
		stable int
		bad    int
		within time.Duration
	}{
		{"beside stable, all fail", Step{Compared: true, Share: .1, Next: .5}, 18, 2, 10 * time.Second},
		{"beside stable, half fail", Step{Compared: true, Share: .5, Next: 1}, 10, 5, 10 * time.Second},
		{"alone", Step{Share: 1, Next: 1}, 0, 20, 10 * time.Second},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		a, last := New(all, Baseline{}), time.Duration(0)
		a.Enter(c.step)
		guilty := false
		for now := time.Second; now <= c.within && !guilty; now += time.Second {
			canary := 20 - c.stable
			a.Add(same(r, &last, now, canary, c.stable, c.bad, 0))
			if f := a.Findings().Errors; c.step.Compared && f.Clearance > 1 {
				t.Errorf("%s: %s speaks for it: %+v", c.name, now, f)
			}
			_, _, guilty = a.Guilty()
		}
		if !guilty {
			t.Errorf("%s: not found within %s: errors %+v", c.name, c.within, a.Findings().Errors)
		}
	}
}

// A client that tries a broken request again and again, on whichever revision each try falls, blames nobody; and when it does
// so for a moment while the canary is alone, neither.
func TestRetriesOfOneClientBlameNobody(t *testing.T) {
	blamed := 0
	const runs = 300
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 4))
		a, last := New(all, Baseline{Requests: 30000, Failed: 30, Faults: 30}), time.Duration(0)
		a.Enter(Step{Compared: true, Share: .1, Next: .5})
		for now := time.Second; now <= 10*time.Minute; now += time.Second {
			bad, good := 0, 0
			if now%(20*time.Second) < 3*time.Second { // three seconds of five tries each
				for range 5 {
					if r.Float64() < .1 {
						bad++
					} else {
						good++
					}
				}
			}
			a.Add(same(r, &last, now, 10, 90, bad, good))
		}
		if _, _, guilty := a.Guilty(); guilty {
			blamed++
		}
	}
	if blamed > runs/50 { // alpha is 1 %: three are to be expected at the very most
		t.Errorf("%d of %d blamed", blamed, runs)
	}
	r := rand.New(rand.NewPCG(7, 7))
	a, last := New(all, Baseline{}), time.Duration(0)
	a.Enter(Step{Share: 1, Next: 1})
	for now := time.Second; now <= 5*time.Minute; now += time.Second {
		tries := 0
		if now%(30*time.Second) < 2*time.Second {
			tries = 4
		}
		a.Add(same(r, &last, now, 10+tries, 0, tries, 0))
	}
	if f, stream, guilty := a.Guilty(); guilty {
		t.Errorf("%s: %+v", stream, f)
	}
}
