package analysis

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

// all is everything that an analysis can be asked.
var all = Options{Alpha: 0.01, Errors: true, Latency: true, Guardrail: true, Objective: 0.01, P99: 100 * time.Millisecond, Harm: 0.0005, Shift: 1}

// life is an eventful rollout: steps, a warm-up, an outage of both revisions, and then a regression.
func life(seed uint64, each func(i int, a *Analysis, t Tick) *Analysis) *Analysis {
	tr := newTraffic(seed, 400, 0.05, 0.001, 0.001)
	tr.stable.latency, tr.canary.latency = usual, usual
	a := New(all, tr.warmed())
	for i := range 1500 {
		if i%300 == 0 {
			tr.share = []float64{0.05, 0.25, 0.5, 0.25, 1}[i/300]
			a.Enter(Step{Compared: tr.share < 1, Share: tr.share, Next: min(2*tr.share, 1)})
		}
		outage := i > 400 && i < 450
		tr.canary.fails, tr.stable.fails = always(0.001), always(0.001)
		if outage {
			tr.canary.fails, tr.stable.fails = always(0.4), always(0.4)
		} else if i > 1100 {
			tr.canary.fails = always(0.02)
		}
		t := tr.next()
		t.Warming = i%300 < 50
		a = each(i, a, t)
	}
	return a
}

func add(_ int, a *Analysis, t Tick) *Analysis {
	a.Add(t)
	return a
}

func written(t *testing.T, a *Analysis) []byte {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatalf("the analysis cannot be stored: %v", err)
	}
	return text
}

// A controller that is killed at any moment and reads the analysis again comes to the same end, to the last bit.
func TestStoredAnalysisGoesOn(t *testing.T) {
	for seed := range uint64(3) {
		want := life(seed, add)
		r := rand.New(rand.NewPCG(seed, 9))
		got := life(seed, func(i int, a *Analysis, tick Tick) *Analysis {
			if r.IntN(40) == 0 {
				text := written(t, a)
				a = new(Analysis)
				if err := json.Unmarshal(text, a); err != nil {
					t.Fatal(err)
				}
			}
			return add(i, a, tick)
		})
		if _, _, guilty := want.Guilty(); !guilty {
			t.Fatalf("seed %d: the regression was not found", seed)
		}
		if a, b := written(t, want), written(t, got); !bytes.Equal(a, b) {
			t.Errorf("seed %d: after restarts the analysis is another:\n%s\n%s", seed, a, b)
		}
	}
}

// What two proxies have counted is added first, and judged once.
func TestProxiesAreMerged(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	want := life(1, add)
	got := life(1, func(_ int, a *Analysis, t Tick) *Analysis {
		c1, c2 := split(r, t.Canary)
		s1, s2 := split(r, t.Stable)
		c1.Add(c2)
		s1.Add(s2)
		a.Add(Tick{Span: t.Span, Canary: c1, Stable: s1, Warming: t.Warming})
		return a
	})
	if a, b := written(t, want), written(t, got); !bytes.Equal(a, b) {
		t.Errorf("two proxies lead to another analysis than one:\n%s\n%s", a, b)
	}
}

// split deals what was counted to two proxies.
func split(r *rand.Rand, c Counts) (a, b Counts) {
	part := func(n uint64) uint64 { return r.Uint64N(n + 1) }
	n, f := part(c.Requests), part(c.Failed)
	a, b = prompt(n, f), prompt(c.Requests-n, c.Failed-f)
	a.Done, b.Done = make([]int32, Buckets), make([]int32, Buckets)
	for i, n := range c.Done {
		a.Done[i] = int32(part(uint64(n)))
		b.Done[i] = n - a.Done[i]
	}
	return a, b
}

// Every way to write the same emptiness is one to the analysis.
func TestNothingCountedChangesNothing(t *testing.T) {
	a := New(all, Baseline{})
	a.Enter(Step{Compared: true, Share: 0.05, Next: 0.1})
	for range 100 {
		a.Add(Tick{Span: time.Second})
		a.Add(Tick{Span: time.Second, Canary: Counts{Done: make([]int32, Buckets)}, Stable: Counts{Aged: make([]int32, Buckets)}})
	}
	f := a.Findings()
	for _, one := range append(append([]Finding{f.Errors}, f.Latency...), f.Guardrail...) {
		if one.Evidence != 1 || one.Guilty {
			t.Errorf("evidence %g of no request", one.Evidence)
		}
	}
}

// A canary that answers nothing is neither blamed nor cleared.
func TestCanaryWithoutRequests(t *testing.T) {
	tr := newTraffic(1, 1000, 0, 0, 0.001)
	tr.stable.latency = usual
	a := New(all, tr.warmed())
	a.Enter(Step{Compared: true, Share: 0.05, Next: 0.1})
	for range 3000 {
		a.Add(tr.next())
	}
	f := a.Findings()
	for _, one := range append([]Finding{f.Errors}, f.Latency...) {
		if one.Evidence != 1 || one.Clearance != 1 || one.Excluded != 1 || one.Missing <= 0 {
			t.Errorf("no request of the canary says %+v", one)
		}
	}
}

// A bet may only know the past: the same tick gives the same evidence whatever stable's baseline learns from it.
func TestEvidenceOfATickDoesNotKnowIt(t *testing.T) {
	tr := newTraffic(2, 500, 0.2, 0.05, 0.05)
	a := New(plain, tr.warmed())
	a.Enter(Step{Compared: true, Share: 0.2, Next: 0.4})
	for range 100 {
		rate := a.Base.Rate()
		before := append([]float64(nil), a.Errors.Clients.Bets.Bets...)
		cash := a.Errors.Clients.Bets.Cash
		tick := tr.next()
		a.Add(tick)
		var logs [errorBets]float64
		failureBets(&logs, block{Canary: tick.Canary.Cohort.charged(), Stable: tick.Stable.Cohort.charged()}, rate)
		p := portfolio{cash, before}
		p.take(logs[:], tick.Span)
		if p.worth() != a.Errors.Clients.Bets.worth() {
			t.Fatalf("worth %g, by the rate known before the tick %g", a.Errors.Clients.Bets.worth(), p.worth())
		}
	}
}

// Whatever is counted, also what cannot be, the evidence stays a number and can be stored.
func TestWildCountsLeaveNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	wild := func() (c Counts) {
		some := func() uint64 { return r.Uint64N(1 << r.UintN(40)) }
		c.Claimed, c.Requests, c.Failed, c.Faults = some(), some(), some(), some()
		c.Cohort = Cohort{some(), some(), some(), some(), Tally{some(), some()}}
		c.Done, c.Aged = make([]int32, Buckets), make([]int32, Buckets)
		for range r.IntN(20) {
			c.Done[r.IntN(Buckets)] = int32(r.IntN(1 << r.UintN(20)))
			c.Aged[r.IntN(Buckets)] = int32(r.IntN(1<<r.UintN(20))) - 1<<r.UintN(20)
		}
		return c
	}
	for range 20 {
		a := New(all, Baseline{})
		for i := range 300 {
			if i%50 == 0 {
				share := r.Float64()
				a.Enter(Step{Compared: r.IntN(4) > 0, Share: share, Next: r.Float64()})
			}
			a.Add(Tick{time.Duration(r.Int64N(int64(time.Second))), wild(), wild(), wild(), r.Uint64N(9), r.Float64(), r.IntN(2) == 0})
			a.Question()
			f := a.Findings()
			for _, one := range append(append([]Finding{f.Errors, f.Incident.Finding}, f.Latency...), f.Guardrail...) {
				if !(one.Evidence >= 0 && one.Evidence <= richest && one.Clearance >= 0 && one.Clearance <= richest && one.Missing >= 0) {
					t.Fatalf("tick %d: %+v", i, one)
				}
			}
		}
		written(t, a)
	}
}
