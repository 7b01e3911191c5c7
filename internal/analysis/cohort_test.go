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
		over   bool    // it fails no more when stable is asked
		guilty bool
		within time.Duration
	}{
		{"quiet, and all fail", 2, .001, 1, false, true, 15 * time.Second},
		{"a few fail", 200, .001, .04, false, true, 20 * time.Second},
		{"both fail a few", 200, .04, .04, false, false, 20 * time.Second},
		{"both fail all", 20, 1, 1, false, false, 3 * time.Second},
		{"over before it was asked", 100, .001, 1, true, false, 5 * time.Second},
		{"a few failed, and it is over", 200, .001, .04, true, false, 20 * time.Second},
		{"no word", 0, 0, 1, false, true, unheard + time.Second},
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
				if c.over {
					tr.canary.fails = always(.001)
				}
				a.Enter(Step{Compared: true, Share: .5, Next: 1})
				asked := tr.now
				for a.Doubt != nil && tr.now < asked+5*time.Minute {
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

// An incident counts as new only where stable has been seen to keep its objective: what has long been so is no news, however
// it began to be noticed.
func TestOnlyNewTroubleIsNews(t *testing.T) {
	for _, c := range []struct {
		name  string
		known bool
		rps   float64
		began time.Duration // until then stable keeps it
		old   bool
	}{
		{"cold, always", false, 100, 0, true},
		{"cold, quiet, always", false, 5, 0, true},
		{"warmed, always", true, 5, 0, true},
		{"warmed, begins later", true, 50, time.Minute, false},
		{"cold, begins later", false, 100, time.Minute, false},
	} {
		for seed := range uint64(10) {
			tr := newTraffic(seed, c.rps, .1, .03, .03)
			var base Baseline
			if c.known {
				healthy := tr.stable.fails
				if c.began > 0 {
					tr.stable.fails = always(.001)
				}
				base = tr.warmed()
				tr.stable.fails = healthy
			}
			fails := func(now time.Duration) float64 {
				if now < c.began {
					return .001
				}
				return .03
			}
			tr.stable.fails, tr.canary.fails = fails, fails
			a := New(plain, base)
			a.Enter(Step{Compared: true, Share: .1, Next: .5})
			for tr.now < 20*time.Minute && !a.Findings().Incident.Open {
				a.Add(tr.next())
			}
			if i := a.Findings().Incident; !i.Open || i.Old != c.old {
				t.Errorf("%s: seed %d: %+v", c.name, seed, i)
			}
		}
	}
}

// A canary that fails nearly everything of the few users who stay with it is found, where stable does not; a client who has
// always failed is not taken for that.
func TestFewUsersAreNotOverlooked(t *testing.T) {
	for _, c := range []struct {
		name   string
		step   Step
		base   Baseline
		canary Tally // a second, of a user who stays
		stable Tally
		guilty bool
	}{
		{"beside stable, one user", Step{Compared: true, Share: .5, Next: 1}, Baseline{Requests: 9000, Failed: 9, Faults: 9}, Tally{20, 20}, Tally{20, 0}, true},
		{"beside stable, which fails alike", Step{Compared: true, Share: .5, Next: 1}, Baseline{Requests: 9000, Failed: 9, Faults: 9}, Tally{20, 20}, Tally{20, 20}, false},
		{"alone, and stable failed 2 %", Step{Share: 1}, Baseline{Requests: 9000, Failed: 180, Faults: 180}, Tally{20, 20}, Tally{}, true},
		{"beside stable, a bot that always failed", Step{Compared: true, Share: .05, Next: .1}, Baseline{Requests: 9000, Failed: 9, Faults: 400}, Tally{12, 10}, Tally{228, 0}, false},
	} {
		a := New(plain, c.base)
		a.Enter(c.step)
		counts := func(n Tally) Counts {
			return Counts{Claimed: n.Requests, Requests: n.Requests, Faults: n.Events, Cohort: Cohort{Requests: n.Requests, Faults: n.Events}}
		}
		for range 60 {
			a.Add(Tick{Span: time.Second, Canary: counts(c.canary), Stable: counts(c.stable), Share: c.step.Share})
		}
		if _, _, guilty := a.Guilty(); guilty != c.guilty {
			t.Errorf("%s: guilty %v", c.name, guilty)
		}
	}
}

// Users who stay with a version are drawn by their names. That one of them sends most of the requests, or that only a few fail,
// blames nobody; a version that fails each of many once is found.
func TestUsersAreDrawnByName(t *testing.T) {
	blamed := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		a := New(plain, Baseline{Requests: 30000, Failed: 30, Faults: 30})
		a.Enter(Step{Compared: true, Share: .2, Next: .5})
		heavy := r.Float64() < .2
		for range 600 { // every other second another user fails for the first time
			t := Tick{Span: time.Second, Share: .2}
			of := func(canary bool) *Counts {
				if canary {
					return &t.Canary
				}
				return &t.Stable
			}
			for _, c := range []struct {
				canary bool
				n      uint64
			}{{heavy, 80}, {true, 4}, {false, 16}} {
				of(c.canary).Add(Counts{Claimed: c.n, Requests: c.n, Cohort: Cohort{Requests: c.n}})
			}
			if r.IntN(2) == 0 {
				of(r.Float64() < .2).Add(Counts{Failed: 1, Faults: 1, Cohort: Cohort{Failed: 1, Users: 1, Faults: 1}})
			}
			a.Add(t)
		}
		if _, stream, guilty := a.Guilty(); guilty && stream == errorStream {
			blamed++
		}
	}
	if blamed > 6 { // half of alpha is one in 200
		t.Errorf("%d of 200 blamed", blamed)
	}
	a := New(plain, Baseline{Requests: 30000, Failed: 30, Faults: 30})
	a.Enter(Step{Compared: true, Share: .2, Next: .5})
	for range 20 {
		a.Add(Tick{Span: time.Second, Share: .2, Stable: Counts{Claimed: 80, Requests: 80, Cohort: Cohort{Requests: 80}},
			Canary: Counts{Claimed: 20, Requests: 20, Failed: 2, Faults: 2, Cohort: Cohort{Requests: 20, Failed: 2, Users: 2, Faults: 2}}})
	}
	if _, _, guilty := a.Guilty(); !guilty {
		t.Error("40 users have failed on the canary, nobody on stable, and nobody is blamed")
	}
}
