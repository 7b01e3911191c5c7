package analysis

import (
	"math"
	"time"
)

// guard holds both revisions against one of the service's own objectives: a share of events that is not to be exceeded.
type guard struct {
	X       float64       `json:"x"`                 // the share that is allowed
	P99     time.Duration `json:"p99,omitempty"`     // events are requests slower than it; 0: failures
	Was     float64       `json:"was,omitempty"`     // stable's share before the rollout, when it broke the objective then
	Since   block         `json:"since"`             // the traffic of the open incident
	Open    bool          `json:"open,omitempty"`    // an incident: stable breaks the objective
	Old     bool          `json:"old,omitempty"`     // and it did so before the rollout
	Shifted bool          `json:"shifted,omitempty"` // and it began right after a shift

	Canary   Tally     `json:"canary"` // of this step
	Stable   Tally     `json:"stable"`
	Against  watch     `json:"against"`  // the canary
	Own      watch     `json:"own"`      // stable's, that it breaks the objective
	Outage   outage    `json:"outage"`   // moments in which the canary fails most requests, where it is alone
	Recovery portfolio `json:"recovery"` // that stable keeps it again

	breaks, keeps []single // the bets, made of X when they are first needed
}

const (
	slowObjective = 0.01 // of a p99: the share that may be slower
	incidentLimit = 1000
	oldRequests   = 100 // of stable before the rollout, to say that it broke its objective then
	worsened      = 2   // times the old share: not the old incident any more
)

// keepEffects are the shares, as parts of the objective, with which stable may have come back.
var keepEffects = [...]float64{0.5, 0.2, 0.05}

func newGuard(x float64, p99 time.Duration, before Tally) guard {
	g := guard{X: x, P99: p99, Against: newWatch(), Own: newWatch(), Outage: newOutage(), Recovery: newPortfolio(len(keepEffects))}
	if before.Requests >= oldRequests && before.Rate() > x {
		g.Was = before.Rate()
	}
	// An incident that is to be old before anything was seen needs the evidence that a new one needs.
	if before.Rate() > x && ratio(before, min(before.Rate(), highestRate), x) >= math.Log(incidentLimit) {
		g.Open, g.Old = true, true
	}
	return g
}

// evidence is that against the canary: by clients and by moments, the mean of both, which is an e-value as they are.
func (g *guard) evidence() float64 {
	if g.P99 > 0 {
		return g.Against.worth()
	}
	return (g.Against.worth() + g.Outage.Bets.worth()) / 2
}

func (g *guard) finding() Finding {
	f := Finding{Objective: g.X, Threshold: g.P99}
	if g.P99 > 0 {
		f.Quantile = 1 - slowObjective
	}
	return f
}

// add takes in a tick, stable first: in doubt it is an incident and not the canary.
func (g *guard) add(a *Analysis, t Tick) {
	now := block{Canary: t.Canary.charged(), Stable: t.Stable.charged(), Span: t.Span}
	seen := block{Canary: t.Canary.faults(), Stable: t.Stable.faults()}
	if g.P99 > 0 {
		tau := Bucket(g.P99)
		now.Canary, now.Stable = a.canary.beyond(tau), a.stable.beyond(tau)
		seen = now
	}
	g.Canary.add(seen.Canary)
	g.Stable.add(seen.Stable)
	g.prepare()
	if g.Open {
		g.Since.add(now)
		g.recover(a, now)
		return
	}
	g.Own.add(a.Now, now, now.Stable, g.breaks)
	if g.Own.worth() >= incidentLimit {
		g.open(a)
		return
	}
	if t.Warming && g.P99 > 0 {
		return // a cold canary is slow
	}
	g.Against.add(a.Now, now, now.Canary, g.breaks)
	if !a.Step.Compared && g.P99 == 0 {
		g.Outage.add(seen.Canary, t.Span, g.breaks)
	}
}

// open begins an incident, at the moment from which the bet that has shown it has only grown.
func (g *guard) open(a *Analysis) {
	run := g.Own.leader()
	g.Open, g.Since = true, run.Seen
	g.Old = g.Was > 0 && run.Seen.Stable.Rate() <= worsened*g.Was
	g.Shifted = a.Shifted >= 0 && run.Began >= a.Shifted && run.Began-a.Shifted <= ShiftWindow
	g.Recovery = newPortfolio(len(keepEffects))
}

// recover closes the incident when stable has shown that it keeps the objective. Then both are watched anew: what the
// canary did meanwhile, or just before, is not held against it.
func (g *guard) recover(a *Analysis, now block) {
	if now.Stable.Requests == 0 {
		return
	}
	var logs [len(keepEffects)]float64
	for i, s := range g.keeps {
		logs[i] = s.bet(now.Stable)
	}
	g.Recovery.take(logs[:], now.Span)
	if g.Recovery.worth() < Enough {
		return
	}
	g.Open, g.Old, g.Shifted, g.Since, g.Was = false, false, false, block{}, 0
	g.Own, g.Against, g.Outage = newWatch(), newWatch(), newOutage()
	a.renew()
}

func (g *guard) prepare() {
	if g.breaks != nil {
		return
	}
	for _, psi := range labelEffects {
		g.breaks = append(g.breaks, newSingle(g.X, invOdds(psi*odds(g.X))))
	}
	for _, part := range keepEffects {
		g.keeps = append(g.keeps, newSingle(g.X, part*g.X))
	}
}
