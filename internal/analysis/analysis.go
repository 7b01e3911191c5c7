package analysis

import "time"

// Analysis is one rollout's judgement. Its fields are its state, to be stored; read them through [Analysis.Findings].
// Errors and Latency compare the revisions, Guards hold each against the service's own objectives.
type Analysis struct {
	Options  Options       `json:"options"`
	Base     Baseline      `json:"base"`
	Before   float64       `json:"before"` // share of all failures, once each, of stable before the rollout; 0: not known
	Step     Step          `json:"step"`
	Now      time.Duration `json:"now"`     // since New, by the spans of the ticks
	Shifted  time.Duration `json:"shifted"` // when the canary was last given more traffic; negative: never
	Cohort   uint64        `json:"cohort"`  // of the last tick
	Divided  time.Duration `json:"divided"` // since when the traffic has been divided as it is
	Errors   failures      `json:"errors"`
	Latency  []quantile    `json:"latency,omitempty"`
	Entered  float64       `json:"entered"`  // evidence of the latency when the step began
	Answered Tally         `json:"answered"` // by the canary in this step; events: by users who were recognised
	Guards   []guard       `json:"guards,omitempty"`
	Guilt    *Guilt        `json:"guilt,omitempty"`
	Doubt    *doubt        `json:"doubt,omitempty"`

	// Of the tick that is being added: what is compared, and what all users had.
	canary, stable, allCanary, allStable *tails
}

// Guilt is the first stream that convicted the canary, and what it said at that moment.
type Guilt struct {
	Stream  string  `json:"stream"`
	Finding Finding `json:"finding"`
	// Heard is what stable did meanwhile, where it was given traffic again to tell: see [Analysis.Question].
	Heard Tally `json:"heard,omitzero"`
}

// The streams, as [Analysis.Guilty] names them.
const (
	errorStream     = "errors"
	latencyStream   = "latency"
	guardrailStream = "guardrail"
)

// New begins the judgement of a rollout, with what is known of the stable revision from before it.
func New(o Options, base Baseline) *Analysis {
	base.Latency = append([]float64(nil), base.Latency...)
	a := &Analysis{Options: o, Base: base, Shifted: -1}
	if base.Requests >= oldRequests {
		a.Before = base.Faults / base.Requests
	}
	a.Errors = newFailures()
	if o.Latency {
		a.Latency = newQuantiles()
	}
	if o.Guardrail && o.Objective > 0 {
		a.Guards = append(a.Guards, newGuard(o.Objective, 0, Tally{uint64(base.Requests), uint64(base.Failed)}))
	}
	if o.Guardrail && o.P99 > 0 {
		a.Guards = append(a.Guards, newGuard(slowObjective, o.P99, base.slower(Bucket(o.P99))))
	}
	return a
}

// Enter says that a step's traffic begins, or begins anew after stepping back. Tallies and promotion start anew; the
// evidence against the canary goes on, for alpha is spent once in the whole rollout.
func (a *Analysis) Enter(s Step) {
	if s.Next <= 0 {
		s.Next = 1
	}
	more := s.Share > a.Step.Share
	if more {
		a.Shifted = a.Now
	}
	a.Step, a.Answered = s, Tally{}
	a.Errors.Entered = a.Errors.evidence()
	a.Errors.All.enter(a.Options.Harm/s.Next, false)
	if len(a.Latency) > 0 {
		a.Entered = a.slowness()
	}
	for i := range a.Latency {
		a.Latency[i].enter(latencyMargins[i], true)
	}
	for i := range a.Guards {
		g := &a.Guards[i]
		g.enter(s, a.Base)
		g.Shifted = g.Shifted && !more // who gives the canary more in spite of the incident knows it
	}
}

// Add takes in what was counted since the tick before. The baseline comes last: a bet may only know the past.
func (a *Analysis) Add(t Tick) {
	a.Now += t.Span
	if t.Cohort != a.Cohort {
		a.divide(t.Cohort)
	}
	a.measure(t)
	for i := range a.Guards {
		a.Guards[i].add(a, t)
	}
	if a.Options.Errors {
		a.Errors.add(t, a.Step.Compared, a.Base)
	}
	a.addLatency(t)
	a.hear(t)
	if !a.Disturbed() {
		a.Base.Add(t.Span, t.Stable)
	}
	a.judge()
}

// divide begins the comparisons anew, for the traffic is divided in another way.
func (a *Analysis) divide(cohort uint64) {
	a.Cohort, a.Divided = cohort, a.Now
	a.Errors.divide(a.Base)
	for i := range a.Latency {
		q := &a.Latency[i]
		q.divide(q.CanaryRate, q.StableRate)
	}
}

// measure prepares the latencies, in memory that is kept for the next tick.
func (a *Analysis) measure(t Tick) {
	if len(a.Latency) == 0 && a.Options.P99 <= 0 {
		return
	}
	if a.canary == nil {
		a.canary, a.stable, a.allCanary, a.allStable = new(tails), new(tails), new(tails), new(tails)
	}
	a.canary.fill(t.Canary.drawn())
	a.stable.fill(t.Stable.drawn())
	drawn, known := a.canary.done.all, total(t.Canary.KnownDone)
	a.Answered.add(Tally{uint64(drawn + known), uint64(known)})
	if a.Options.P99 > 0 {
		all := Counts{Done: t.Canary.Done, Aged: t.Canary.Aged}
		all.Add(Counts{Done: t.Chosen.Done, Aged: t.Chosen.Aged})
		a.allCanary.fill(all.Done, all.Aged)
		a.allStable.fill(t.Stable.Done, t.Stable.Aged)
	}
}

// addLatency compares only who was given a revision as the traffic is divided now: those of before have passed a threshold,
// or have ended, once the division has stood for as long as the threshold is.
func (a *Analysis) addLatency(t Tick) {
	for i := range a.Latency {
		q := &a.Latency[i]
		q.set(&a.Base, a.Options.Shift, t.Span)
		if q.Tau < 0 {
			continue
		}
		now := block{Canary: a.canary.beyond(q.Tau + a.Options.Shift), Stable: a.stable.beyond(q.Tau), Span: t.Span, Warm: t.Warming}
		q.count(now)
		if !a.Step.Compared || a.Now-t.Span-a.Divided < Edge(q.Tau+a.Options.Shift+1) {
			continue
		}
		if b, closed := q.add(now); closed {
			q.bet(b)
		}
	}
}

// Disturbed reports whether a new incident is open: stable is not itself, so that nothing is to be learnt from it. A minute of failures would be a wrong
// plug-in for the half hour after it, and no release could show in that time that it does no harm.
func (a *Analysis) Disturbed() bool {
	for i := range a.Guards {
		if a.Guards[i].Open && !a.Guards[i].Old {
			return true
		}
	}
	return false
}

// renew lets promotion ask anew, and the step be counted anew: what was seen before and in an incident says nothing of a
// healthy day.
func (a *Analysis) renew() {
	a.Errors.All.Harm.restart(false)
	a.Errors.All.Canary, a.Errors.All.Stable = Tally{}, Tally{}
	for i := range a.Latency {
		q := &a.Latency[i]
		q.Harm.restart(true)
		q.Canary, q.Stable = Tally{}, Tally{}
	}
	for i := range a.Guards {
		a.Guards[i].Canary, a.Guards[i].Stable = Tally{}, Tally{}
	}
}
