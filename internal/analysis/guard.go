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
	Kept    portfolio     `json:"kept"`              // that stable has kept the objective, from before the rollout on
	Since   block         `json:"since"`             // the traffic of the open incident
	Open    bool          `json:"open,omitempty"`    // an incident: stable breaks the objective
	Old     bool          `json:"old,omitempty"`     // and it did so before the rollout
	Shifted bool          `json:"shifted,omitempty"` // and it began right after a shift

	Canary   Tally     `json:"canary"` // of this step
	Stable   Tally     `json:"stable"`
	Against  watch     `json:"against"`  // the canary
	Own      watch     `json:"own"`      // stable's, that it breaks the objective
	Outage   outage    `json:"outage"`   // moments in which the canary fails most requests, and stable beside it does not
	Recovery portfolio `json:"recovery"` // that stable keeps it again

	breaks, keeps []single // the bets, made of X when they are first needed
	worse         []single // the same against a share above X
	worseThan     float64
}

const (
	slowObjective = 0.01 // of a p99: the share that may be slower
	incidentLimit = 1000
	oldRequests   = 100 // of stable before the rollout, to say that it broke its objective then
	worsened      = 2   // times the old share: not the old incident any more
	// late is how long after the traffic a shift may be noted, and an incident before it may still be due to it.
	late = 2 * time.Second
)

// keepEffects are the shares, as parts of the objective, with which stable may have come back.
var keepEffects = [...]float64{0.5, 0.2, 0.05}

func newGuard(x float64, p99 time.Duration, before Tally) guard {
	g := guard{X: x, P99: p99, Against: newWatch(), Own: newWatch(), Outage: newOutage(), Recovery: newPortfolio(len(keepEffects))}
	g.Kept = newPortfolio(len(keepEffects))
	g.prepare()
	if g.keep(before, 0); before.Requests >= oldRequests && before.Rate() > x {
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

// allowed is the share of events that is not held against the canary. Beside stable that is the objective, or anything
// while stable breaks it, since then the comparison decides. Where nothing is compared it may have what stable had.
func (g *guard) allowed(s Step) float64 {
	switch {
	case !s.Compared && g.Open:
		return min(max(g.X, worsened*g.Was, worsened*g.Since.Stable.Rate()), highestRate)
	case !s.Compared:
		return min(max(g.X, worsened*g.Was), highestRate)
	}
	return g.X
}

// add takes in a tick, stable first: in doubt it is an incident and not the canary.
func (g *guard) add(a *Analysis, t Tick) {
	canary := t.Canary.users()
	canary.Add(t.Chosen.users())
	own := block{Canary: canary.claimed(), Stable: t.Stable.claimed(), Span: t.Span}
	seen := block{Canary: canary.faults(), Stable: t.Stable.faults()}
	if g.P99 > 0 {
		tau := Bucket(g.P99)
		own.Canary, own.Stable = a.allCanary.beyond(tau), a.allStable.beyond(tau)
		seen = own
	}
	g.Canary.add(seen.Canary)
	g.Stable.add(seen.Stable)
	g.prepare()
	if g.watchStable(a, own); g.Open && a.Step.Compared || t.Warming && g.P99 > 0 { // a cold canary is slow
		return
	}
	against := own
	if a.Step.Compared && g.P99 == 0 { // one user who stays with the canary and always fails is not to weigh ever more
		against.Canary.Events, against.Stable.Events = canary.Cohort.Failed, t.Stable.Cohort.Failed
	}
	bets := g.above(g.allowed(a.Step))
	g.Against.add(a.Now, against, against.Canary, bets)
	if g.P99 == 0 && max(a.Before, a.Base.FaultRate()) < a.Step.crowded() {
		g.Outage.add(canary.claimedFault(), t.Stable.claimedFault(), t.Span, bets)
	}
}

// watchStable opens an incident and closes it.
func (g *guard) watchStable(a *Analysis, now block) {
	if g.Open {
		if !a.Step.alone() {
			g.Since.add(now)
		}
		g.recover(a, now)
		return
	}
	if g.Own.add(a.Now, now, now.Stable, g.breaks); g.Own.worth() >= incidentLimit {
		g.open(a)
		return
	}
	g.keep(now.Stable, now.Span)
}

// keep bets that stable keeps the objective. It rests once that is shown: only then is trouble news.
func (g *guard) keep(said Tally, span time.Duration) {
	if said.Requests == 0 || g.Kept.worth() >= Enough {
		return
	}
	var logs [len(keepEffects)]float64
	for i, s := range g.keeps {
		logs[i] = s.bet(said)
	}
	g.Kept.take(logs[:], span)
}

// enter begins a step. What stable has failed until the canary has all the traffic is the measure of what that may fail.
func (g *guard) enter(s Step, base Baseline) {
	g.Canary, g.Stable = Tally{}, Tally{}
	if s.alone() && g.P99 == 0 && base.Requests >= priorRequests {
		if rate := base.Failed / base.Requests; rate > g.X {
			g.Was = max(g.Was, rate)
		}
	}
}

// open begins an incident, at the moment from which the bet that has shown it has only grown.
func (g *guard) open(a *Analysis) {
	run := g.Own.leader()
	g.Open, g.Since = true, run.Seen
	g.Old = g.Kept.worth() < Enough
	g.Shifted = a.Shifted >= 0 && run.Began >= a.Shifted-late && run.Began-a.Shifted <= ShiftWindow
	g.Against, g.Outage = newWatch(), newOutage()
	g.Recovery = newPortfolio(len(keepEffects))
}

// recover closes the incident when the revision that has it has shown that it keeps the objective: stable, or the canary
// where that has all the traffic. Both are watched anew: what the canary did meanwhile, or just before, is not held
// against it.
func (g *guard) recover(a *Analysis, now block) {
	said := now.Stable
	if a.Step.alone() {
		said = now.Canary
	}
	if said.Requests == 0 {
		return
	}
	var logs [len(keepEffects)]float64
	for i, s := range g.keeps {
		logs[i] = s.bet(said)
	}
	g.Recovery.take(logs[:], now.Span)
	if g.Recovery.worth() < Enough {
		return
	}
	g.Open, g.Old, g.Shifted, g.Since, g.Was = false, false, false, block{}, 0
	g.Kept = g.Recovery
	g.Own, g.Against, g.Outage = newWatch(), newWatch(), newOutage()
	a.renew()
}

func (g *guard) prepare() {
	if g.breaks != nil {
		return
	}
	g.breaks = breaks(g.X)
	for _, part := range keepEffects {
		g.keeps = append(g.keeps, newSingle(g.X, part*g.X))
	}
}

// above are the bets that a share is above x, which is the objective or more.
func (g *guard) above(x float64) []single {
	if x <= g.X {
		return g.breaks
	}
	if x != g.worseThan {
		g.worse, g.worseThan = breaks(x), x
	}
	return g.worse
}

func breaks(x float64) (bets []single) {
	for _, psi := range labelEffects {
		bets = append(bets, newSingle(x, invOdds(psi*odds(x))))
	}
	return bets
}
