package analysis

import (
	"math"
	"slices"
	"time"
)

// doubt is a conviction by the objectives alone that waits for a witness. Where the canary answers alone, what strikes
// everybody looks like its own fault; so stable is given traffic again, and likelihood ratios tell whether it fails as
// the canary does or as it used to, and whether the canary still fails (Wald's sequential test). Stable speaks of a stretch in
// which the canary fails: what was over before stable was asked it cannot know.
type doubt struct {
	Guilt   Guilt         `json:"guilt"`
	Alike   float64       `json:"alike"`   // the rate at which the canary failed
	Moments bool          `json:"moments"` // it is one of all failures; else they count once per client
	Pending block         `json:"pending"` // the present stretch
	Odds    float64       `json:"odds"`    // logarithm: stable fails alike, against as it used to
	Over    float64       `json:"over"`    // logarithm: the canary does not fail any more, against that it does
	Heard   Tally         `json:"heard"`   // of stable
	Span    time.Duration `json:"span"`    // since stable has had traffic again
	Age     time.Duration `json:"age"`     // since the question
}

const (
	acquitted = 400              // times as probable that stable fails alike: it was not the canary
	over      = 100              // times as probable that the canary fails no more: stable cannot tell whose fault it was
	confirmed = 1000             // times as probable that stable does not
	patience  = 30 * time.Second // without an answer the conviction stands
	unheard   = 2 * time.Minute  // also where stable is not there to be asked
)

// Question turns a conviction by the objectives into a question to stable: it stands in the end unless stable fails alike.
// It reports whether there was one.
func (a *Analysis) Question() bool {
	if !a.guilty(guardrailStream) || a.Doubt != nil {
		return false
	}
	i := slices.IndexFunc(a.Guards, func(g guard) bool { return g.P99 == a.Guilt.Finding.Threshold })
	if i < 0 {
		return false
	}
	g := &a.Guards[i]
	d := &doubt{Guilt: *a.Guilt, Alike: a.Guilt.Finding.Canary.least()}
	if g.P99 == 0 && g.Outage.Bets.worth() > g.Against.worth() {
		d.Moments, d.Alike = true, 0.5
	}
	d.Alike = min(max(d.Alike, g.X), highestRate)
	a.Guilt, a.Doubt = nil, d
	return true
}

// least is the lower end of Wilson's 80 % interval of the rate (Wilson 1927): what convicts is a stretch that was worse than most.
func (t Tally) least() float64 {
	const z = 1.2815515655446004
	n, p := float64(t.Requests), t.Rate()
	if n == 0 {
		return 0
	}
	return (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
}

// Questioned is the finding that stable is asked about, if there is one.
func (a *Analysis) Questioned() (Finding, bool) {
	if a.Doubt == nil {
		return Finding{}, false
	}
	return a.Doubt.Guilt.Finding, true
}

// hear takes in what a tick says of it.
func (a *Analysis) hear(t Tick) {
	d := a.Doubt
	if d == nil {
		return
	}
	now, usual := a.said(t)
	usual = min(usual, d.Alike/2)
	d.Pending.add(now)
	// In a stretch a canary that fails as it did has two failures on average.
	if p := d.Pending; float64(p.Canary.Requests)*d.Alike >= 2 && p.Stable.Requests > 0 {
		d.Pending = block{}
		d.Heard.add(p.Stable)
		if p.Canary.Rate() >= d.Alike/2 {
			d.Odds += ratio(p.Stable, d.Alike, usual)
		}
		d.Over -= ratio(p.Canary, d.Alike, usual)
	}
	if d.Age += t.Span; d.Span > 0 || t.Stable.Claimed > 0 { // its instances may have to be started first
		d.Span += t.Span
	}
	switch {
	case d.Odds >= math.Log(acquitted), d.Over >= math.Log(over):
		a.acquit()
	case d.Odds <= -math.Log(confirmed), d.Span >= patience, d.Age >= unheard:
		d.Guilt.Heard = d.Heard
		a.Guilt, a.Doubt = &d.Guilt, nil
	}
}

// said is what both have done in a tick of what the canary was convicted of, and the rate that is usual for stable.
func (a *Analysis) said(t Tick) (now block, usual float64) {
	now.Span = t.Span
	if p99 := a.Doubt.Guilt.Finding.Threshold; p99 > 0 {
		now.Canary, now.Stable = a.allCanary.beyond(Bucket(p99)), a.allStable.beyond(Bucket(p99))
		return now, slowObjective / 2
	}
	now.Canary, now.Stable = t.Canary.faults(), t.Stable.faults()
	if a.Doubt.Moments {
		return now, a.Base.FaultRate()
	}
	now.Canary.Events, now.Stable.Events = min(t.Canary.Failed, t.Canary.Requests), min(t.Stable.Failed, t.Stable.Requests)
	return now, a.Base.Rate()
}

// acquit takes the question back. What was held against the canary meanwhile is the incident's.
func (a *Analysis) acquit() {
	a.Doubt = nil
	for i := range a.Guards {
		a.Guards[i].Against, a.Guards[i].Outage = newWatch(), newOutage()
	}
}
