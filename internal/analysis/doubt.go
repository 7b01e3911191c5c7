package analysis

import (
	"math"
	"slices"
	"time"
)

// doubt is a conviction by the objectives alone that waits for a witness. Where the canary answers alone, what strikes
// everybody looks like its own fault; so stable is given traffic again, and the likelihood ratio of its failures tells
// whether it fails as the canary did or as it used to (Wald's sequential test).
type doubt struct {
	Guilt   Guilt         `json:"guilt"`
	Alike   float64       `json:"alike"`   // the rate at which the canary failed
	Moments bool          `json:"moments"` // it is one of all failures; else they count once per client
	Odds    float64       `json:"odds"`    // logarithm
	Heard   Tally         `json:"heard"`   // of stable
	Span    time.Duration `json:"span"`    // since the question
}

const (
	acquitted = 20               // times as probable that stable fails alike: it was not the canary
	confirmed = 1000             // times as probable that it does not
	patience  = 30 * time.Second // without an answer the conviction stands
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
	d := &doubt{Guilt: *a.Guilt, Alike: a.Guilt.Finding.Canary.Rate()}
	if g.P99 == 0 && g.Outage.Bets.worth() > g.Against.worth() {
		d.Moments, d.Alike = true, 0.5
	}
	d.Alike = min(max(d.Alike, g.X), highestRate)
	a.Guilt, a.Doubt = nil, d
	return true
}

// Questioned is the finding that stable is asked about, if there is one.
func (a *Analysis) Questioned() (Finding, bool) {
	if a.Doubt == nil {
		return Finding{}, false
	}
	return a.Doubt.Guilt.Finding, true
}

// hear takes in what stable says in a tick.
func (a *Analysis) hear(t Tick) {
	d := a.Doubt
	if d == nil {
		return
	}
	if d.Span += t.Span; d.Span >= patience {
		a.confirm()
		return
	}
	said := Tally{t.Stable.Requests, min(t.Stable.Failed, t.Stable.Requests)}
	usual := a.Base.Rate()
	switch p99 := d.Guilt.Finding.Threshold; {
	case p99 > 0:
		said, usual = a.allStable.beyond(Bucket(p99)), slowObjective/2
	case d.Moments:
		said, usual = t.Stable.faults(), a.Base.FaultRate()
	}
	d.Heard.add(said)
	d.Odds += ratio(said, d.Alike, min(usual, d.Alike/2))
	switch {
	case d.Odds >= math.Log(acquitted):
		a.acquit()
	case d.Odds <= -math.Log(confirmed):
		a.confirm()
	}
}

// confirm makes the conviction stand.
func (a *Analysis) confirm() {
	d := a.Doubt
	d.Guilt.Heard = d.Heard
	a.Guilt, a.Doubt = &d.Guilt, nil
}

// acquit takes the question back: stable fails alike. What was held against the canary meanwhile is the incident's.
func (a *Analysis) acquit() {
	a.Doubt = nil
	for i := range a.Guards {
		a.Guards[i].Against, a.Guards[i].Outage = newWatch(), newOutage()
	}
}
