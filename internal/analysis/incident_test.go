package analysis

import (
	"fmt"
	"testing"
	"time"
)

// blamed runs a rollout in which things go wrong, and says for what the canary was rolled back, and what incident there
// was at some time.
func blamed(tr *traffic, o Options, until time.Duration) (stream string, seen Incident) {
	a := New(o, tr.warmed())
	a.Enter(Step{Compared: true, Share: tr.share, Next: min(2*tr.share, 1)})
	for tr.now < until {
		a.Add(tr.next())
		if i := a.Findings().Incident; i.Open {
			seen = i
		}
		if _, stream, guilty := a.Guilty(); guilty {
			return stream, seen
		}
	}
	return "", seen
}

// An outage of both revisions is the canary's fault at no share, and is seen as an incident.
func TestGlobalIncidentIsNotBlamed(t *testing.T) {
	for _, share := range []float64{0.05, 0.75, 0.95} {
		for _, rate := range []float64{0.03, 1} {
			t.Run(fmt.Sprint(share, rate), func(t *testing.T) {
				for seed := range *runs {
					tr := newTraffic(uint64(seed), 1000, share, 0.001, 0.001)
					fails := func(now time.Duration) float64 {
						if now > 20*time.Second && now < 40*time.Second {
							return rate
						}
						return 0.001
					}
					tr.canary.fails, tr.stable.fails = fails, fails
					stream, seen := blamed(tr, plain, time.Minute)
					if stream != "" {
						t.Errorf("seed %d: an outage of both was blamed on the canary, by %s", seed, stream)
					}
					// In few requests to stable a small rise is not to be seen so soon.
					if certain := share < 0.5 || rate > 0.1; certain && !seen.Open || seen.Old {
						t.Errorf("seed %d: the outage counts as %+v", seed, seen)
					}
				}
			})
		}
	}
}

// The incident closes when stable keeps its objective again; then promotion can have evidence as before.
func TestIncidentEndsAndPromotionGoesOn(t *testing.T) {
	tr := newTraffic(1, 1000, 0.25, 0.001, 0.001)
	fails := func(now time.Duration) float64 {
		if now > 20*time.Second && now < 50*time.Second {
			return 0.5
		}
		return 0.001
	}
	tr.canary.fails, tr.stable.fails = fails, fails
	o := plain
	o.Latency = false
	a := New(o, tr.warmed())
	a.Enter(Step{Compared: true, Share: 0.25, Next: 0.5})
	opened, closed := time.Duration(0), time.Duration(0)
	for tr.now < 5*time.Minute {
		a.Add(tr.next())
		open := a.Findings().Incident.Open
		if open && opened == 0 {
			opened = tr.now
		}
		if !open && opened > 0 && closed == 0 {
			closed = tr.now
		}
	}
	if opened < 20*time.Second || opened > 22*time.Second || closed < 50*time.Second || closed > 55*time.Second {
		t.Errorf("an incident from 20 s to 50 s was open from %v to %v", opened, closed)
	}
	if f := a.Findings().Errors; f.Clearance < Enough {
		t.Errorf("four minutes after the incident the clearance is %g", f.Clearance)
	}
}

// A rise of both revisions' failures right after the canary was given more is said to be that.
func TestIncidentAfterAShift(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{5 * time.Second, true}, {20 * time.Second, true}, {2 * time.Minute, false}} {
		for seed := range *runs {
			tr := newTraffic(uint64(seed), 1000, 0.05, 0.001, 0.001)
			a := New(plain, tr.warmed())
			a.Enter(Step{Compared: true, Share: 0.05, Next: 0.25})
			for tr.now < time.Minute {
				a.Add(tr.next())
			}
			tr.share = 0.25
			a.Enter(Step{Compared: true, Share: 0.25, Next: 0.5})
			shifted := tr.now
			fails := func(now time.Duration) float64 {
				if now > shifted+c.after {
					return 0.05
				}
				return 0.001
			}
			tr.canary.fails, tr.stable.fails = fails, fails
			for !a.Findings().Incident.Open && tr.now < 10*time.Minute {
				a.Add(tr.next())
			}
			i := a.Findings().Incident
			if !i.Open || i.Shifted != c.want {
				t.Errorf("seed %d: an incident %v after a shift counts as %+v", seed, c.after, i)
			}
			if n := i.Finding.Stable; n.Rate() < 0.02 {
				t.Errorf("seed %d: the incident is said to have %+v", seed, n)
			}
		}
	}
}

// A service that has always broken its objective holds up nobody, and a canary that is as bad is not blamed.
func TestOldIncident(t *testing.T) {
	for _, c := range []struct {
		rps, rate float64
	}{{1000, 0.05}, {1000, 0.014}, {20, 0.03}} {
		tr := newTraffic(4, c.rps, 0.1, c.rate, c.rate)
		if c.rps < 100 {
			tr.tick = time.Second
		}
		stream, seen := blamed(tr, plain, 20*time.Minute)
		if stream != "" {
			t.Errorf("%v: as bad as stable, and blamed by %s", c, stream)
		}
		if !seen.Open || !seen.Old {
			t.Errorf("%v: the old incident counts as %+v", c, seen)
		}
	}
}

// The objective alone decides where there is nothing to compare with, and is enough to.
func TestGuardrailAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		tick func(*traffic) Tick
	}{
		{"everything on the canary", func(tr *traffic) Tick { return tr.next() }},
		{"chosen users", func(tr *traffic) Tick {
			t := tr.next()
			t.Stable = Counts{}
			return t
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range *runs {
				tr := newTraffic(uint64(seed), 100, 0.05, 0.05, 0.05)
				tr.stable.fails = always(0)
				a := New(plain, Baseline{})
				a.Enter(Step{Share: 0.05, Next: 1})
				for tr.now < 20*time.Minute && a.Guilt == nil {
					a.Add(c.tick(tr))
				}
				f, stream, guilty := a.Guilty()
				if !guilty || stream != guardrailStream || f.Objective != plain.Objective || f.Canary.Requests == 0 {
					t.Errorf("seed %d: %v %s %+v", seed, guilty, stream, f)
				}
			}
		})
	}
}

// The p99 objective is watched as the failures are.
func TestSlowGuardrail(t *testing.T) {
	o := Options{Alpha: 0.01, Guardrail: true, Objective: 0.01, P99: 200 * time.Millisecond}
	tr := newTraffic(1, 200, 0.5, 0, 0)
	tr.stable.latency, tr.canary.latency = usual, lognormal(30*time.Millisecond, 0.5, 0.05, 20)
	a := New(o, tr.warmed())
	a.Enter(Step{Compared: true, Share: 0.5, Next: 1})
	for tr.now < 5*time.Minute && a.Guilt == nil {
		a.Add(tr.next())
	}
	f, stream, guilty := a.Guilty()
	if !guilty || stream != guardrailStream || f.Threshold != o.P99 || f.Quantile != 0.99 || f.Limit != 200 {
		t.Errorf("%v %s %+v", guilty, stream, f)
	}
	if other := a.Findings().Guardrail[0]; other.Guilty || other.Evidence > 1 {
		t.Errorf("no failure, and evidence %+v", other)
	}
}
