package analysis

import (
	"math/rand/v2"
	"testing"
	"time"
)

// slowly is traffic in which failures are answered at once and everything else takes five seconds, so that what is decided
// right after a shift is mostly what fails.
type slowly struct {
	rand   *rand.Rand
	fails  float64
	cohort uint64
	share  float64
	flight []ride // in the order in which they were claimed
	now    time.Duration
}

type ride struct {
	ends   time.Duration
	canary bool
	cohort uint64
}

func (s *slowly) divide(share float64) {
	s.share, s.cohort = share, s.cohort+1
}

func (s *slowly) next() Tick {
	const each = 100 * time.Millisecond
	s.now += each
	t := Tick{Span: each, Cohort: s.cohort}
	of := func(canary bool) *Counts {
		if canary {
			return &t.Canary
		}
		return &t.Stable
	}
	decide := func(r ride, failed uint64) {
		c := of(r.canary)
		c.Requests++
		c.Failed += failed
		c.Faults += failed
		if r.cohort == s.cohort {
			c.Cohort.Requests++
			c.Cohort.Failed += failed
			c.Cohort.Faults += failed
			c.Cohort.Drawn.add(Tally{1, failed})
		}
	}
	for len(s.flight) > 0 && s.flight[0].ends <= s.now {
		decide(s.flight[0], 0)
		s.flight = s.flight[1:]
	}
	for range poisson(s.rand, 50) {
		r := ride{s.now + 5*time.Second, s.rand.Float64() < s.share, s.cohort}
		of(r.canary).Claimed++
		if s.rand.Float64() < s.fails {
			decide(r, 1)
			continue
		}
		s.flight = append(s.flight, r)
	}
	return t
}

// Where failures are quick and good answers slow, a shift of the traffic, either way, blames nobody: not in the comparison,
// and not where the canary is suddenly alone.
func TestAShiftBlamesNobodyForQuickFailures(t *testing.T) {
	o := plain
	o.Latency = false
	for seed := range uint64(20) {
		s := &slowly{rand: rand.New(rand.NewPCG(seed, 8)), fails: .005}
		a := New(o, Baseline{Requests: 30000, Failed: 150, Faults: 150})
		for _, share := range []float64{.05, .5, .25, .9, 1} {
			s.divide(share)
			a.Enter(Step{Compared: share < 1, Share: share, Next: 1})
			for range 300 {
				a.Add(s.next())
			}
		}
		if f, stream, guilty := a.Guilty(); guilty {
			t.Errorf("seed %d: %s %+v", seed, stream, f)
		}
		s.fails = .2
		for range 100 {
			a.Add(s.next())
		}
		if _, _, guilty := a.Guilty(); !guilty {
			t.Errorf("seed %d: 20 %% of failures are not found", seed)
		}
	}
}

// What stable has long done wrong, or is doing at this moment, is not held against a canary that is alone; twice as much is.
func TestTheCanaryMayFailAsStableDid(t *testing.T) {
	for _, c := range []struct {
		name           string
		stable, canary float64
		known          bool // from before the rollout
		guilty         bool
	}{
		{"always, and alike", .02, .02, true, false},
		{"always, and worse", .02, .2, true, true},
		{"always, and all fail", .02, 1, true, true},
		{"since the rollout began, and alike", .02, .02, false, false},
		{"since the rollout began, and all fail", .02, 1, false, true},
		{"nearly everything, and alike", .9, .9, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(10) {
				tr := newTraffic(seed, 200, 0, c.canary, c.stable)
				base := Baseline{}
				if c.known {
					base = tr.warmed()
				}
				a := New(plain, base)
				a.Enter(Step{}) // green gets nothing yet
				for range 300 {
					a.Add(tr.next())
				}
				tr.share = 1
				a.Enter(Step{Share: 1})
				for range 1200 {
					a.Add(tr.next())
				}
				if _, _, guilty := a.Guilty(); guilty != c.guilty {
					t.Errorf("seed %d: guilty %v", seed, guilty)
				}
			}
		})
	}
}

// A canary that fails only those who are sent to it for what they are, such as all connections that last, is found by the
// objective, although random users fare well.
func TestChosenRequestsCountAgainstTheObjective(t *testing.T) {
	tr := newTraffic(1, 200, .2, .001, .001)
	a := New(plain, tr.warmed())
	a.Enter(Step{Compared: true, Share: .2, Next: .5})
	for tr.now < time.Minute && a.Guilt == nil {
		tick := tr.next()
		tick.Chosen = prompt(1, 1)
		a.Add(tick)
	}
	if _, stream, guilty := a.Guilty(); !guilty || stream != guardrailStream {
		t.Errorf("%v by %q", guilty, stream)
	}
}

// Users who stay with one version and are slow themselves do not make the version look slow; what of the others is slow does.
func TestSlowUsersAreNoSlowVersion(t *testing.T) {
	for _, slow := range []bool{false, true} {
		tr := newTraffic(3, 200, .2, .001, .001)
		tr.stable.latency, tr.canary.latency = usual, usual
		if slow {
			tr.canary.latency = lognormal(45*time.Millisecond, 0.5, 0, 0)
		}
		o := plain
		o.Errors, o.Guardrail = false, false
		a := New(o, tr.warmed())
		a.Enter(Step{Compared: true, Share: .2, Next: .5})
		for tr.now < 3*time.Minute && a.Guilt == nil {
			tick := tr.next()
			var users Counts // one who asks often, and waits long every time
			for range 8 {
				users.Answer(500*time.Millisecond, 1, 0)
			}
			tick.Canary.Add(users)
			tick.Canary.KnownDone = users.Done
			a.Add(tick)
		}
		if _, stream, guilty := a.Guilty(); guilty != slow {
			t.Errorf("slow %v: guilty %v by %q", slow, guilty, stream)
		}
		if f := a.Findings().Latency[0]; !f.Confounded {
			t.Errorf("8 of 12 requests are of a user who stays: %+v", f)
		}
	}
}

// A conviction by the objectives waits for stable's word, in its own time: it falls where stable fails alike, and stands where
// stable does not, or says nothing.
func TestStableIsAWitness(t *testing.T) {
	for _, c := range []struct {
		name   string
		rps    float64
		stable float64
		rate   float64 // of the canary's failures
		guilty bool
		within time.Duration
	}{
		{"quiet, and all fail", 2, .001, 1, true, 15 * time.Second},
		{"a few fail", 200, .001, .04, true, 20 * time.Second},
		{"both fail a few", 200, .04, .04, false, 20 * time.Second},
		{"both fail all", 20, 1, 1, false, 3 * time.Second},
		{"no word", 0, 0, 1, true, patience + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(10) {
				tr := newTraffic(seed, 300, 1, c.rate, .001)
				a := New(plain, tr.warmed())
				a.Enter(Step{Share: 1})
				for tr.now < time.Minute && a.Guilt == nil {
					a.Add(tr.next())
				}
				if !a.Question() || a.Question() {
					t.Fatal("there is one question to stable")
				}
				tr.rps, tr.share, tr.stable.fails = c.rps, .5, always(c.stable)
				a.Enter(Step{Compared: true, Share: .5, Next: 1})
				asked := tr.now
				for a.Doubt != nil && tr.now < asked+time.Minute {
					a.Add(tr.next())
				}
				_, _, guilty := a.Guilty()
				if guilty != c.guilty || tr.now-asked > c.within {
					t.Errorf("seed %d: guilty %v after %v", seed, guilty, tr.now-asked)
				}
			}
		})
	}
}
