package analysis

import "time"

// Findings is all that can be said at one moment.
type Findings struct {
	Errors    Finding   // whether the canary fails more requests than stable
	Latency   []Finding // whether it is slower, one for each quantile of promotion: 0.5, 0.95, 0.99
	Guardrail []Finding // whether it breaks the service's own objectives: errors, then p99, as far as they are given
	Incident  Incident
}

// Finding is what one stream says. A stream that is off or that has seen nothing has Evidence 1.
type Finding struct {
	Quantile  float64       // of a latency stream; 0: it is about errors
	Threshold time.Duration // beyond which a request counts, of a latency stream or a p99 guardrail
	Objective float64       // of a guardrail: the share that is allowed
	Canary    Tally         // of this step
	Stable    Tally
	Whole     bool // they are of the whole rollout instead

	Evidence float64 // the e-value against the canary, of the whole rollout
	Limit    float64 // at which it is rolled back
	Guilty   bool    // Evidence has reached Limit, and nothing speaks for the canary
	// Confounded: most of the canary's requests are of users who stay with it, so that a latency says who they are.
	Confounded bool

	// Promotion; of streams that compare.
	Clearance float64 // the e-value for the canary's harm being under Margin, of this step
	Margin    float64 // the harm asked about, as a share of the requests
	Excluded  float64 // the smallest harm that is excluded at [Enough], as a share of the requests; 1: nothing yet
	// Missing is how many requests the canary must still answer for Clearance to reach [Enough] if it is as good as
	// stable; 0: none. +Inf: at the canary's present figures that is not to be expected.
	Missing float64
}

// Tally is the requests of one revision and how many of them were events: failed, or slower than the threshold.
type Tally struct {
	Requests uint64 `json:"requests"`
	Events   uint64 `json:"events"`
}

// Rate is the share of events; 0 without requests.
func (t Tally) Rate() float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Events) / float64(t.Requests)
}

// whole is a tally with no more events than requests, as people expect it.
func (t Tally) whole() Tally { return Tally{t.Requests, min(t.Events, t.Requests)} }

func (t *Tally) add(o Tally) {
	t.Requests += o.Requests
	t.Events += o.Events
}

// Incident says whether the stable revision itself breaks an objective.
type Incident struct {
	// Open: stable's own guardrail has fired and stable has not kept the objective again since.
	Open bool
	// Old: stable broke the objective before the rollout already. It is said, but it holds nobody up.
	Old bool
	// Shifted: it began within [ShiftWindow] after the canary was given more traffic: a dependency that both share may
	// not bear the two of them.
	Shifted bool
	Finding Finding // stable's evidence in Evidence and Limit, and both tallies since the incident began
}

// Figures of promotion and of incidents.
const (
	Enough      = 20               // clearance at which a harm counts as excluded, at 5 %
	Calm        = 10               // a stream's evidence above it holds up promotion
	ShiftWindow = 30 * time.Second // from a shift to the beginning of an incident that it may have caused
)

// Findings are what can be said now.
func (a *Analysis) Findings() Findings {
	f := Findings{Errors: Finding{Evidence: 1, Clearance: 1, Excluded: 1}, Incident: a.incident()}
	if a.Options.Errors {
		f.Errors = a.errorFinding()
	}
	for i := range a.Latency {
		if a.Latency[i].Harm.asked() {
			f.Latency = append(f.Latency, a.latencyFinding(&a.Latency[i]))
		}
	}
	for i := range a.Guards {
		f.Guardrail = append(f.Guardrail, a.guardFinding(&a.Guards[i]))
	}
	return f
}

func (a *Analysis) errorFinding() Finding {
	limit := a.Options.limit(errorPart)
	f := a.Errors.All.finding(a.Base.FaultRate(), a.Base.FaultRate(), a.Step.Share)
	f.Evidence, f.Limit = a.Errors.evidence(), limit
	f.Guilty = f.Evidence >= limit || a.guilty(errorStream)
	return f
}

// latencyFinding has the evidence of all quantiles together, for only their mean has a limit.
func (a *Analysis) latencyFinding(q *quantile) Finding {
	limit := a.Options.limit(latencyPart)
	f := q.finding(q.StableRate, q.CanaryRate, a.Step.Share)
	f.Quantile, f.Threshold = q.Q, q.threshold()
	f.Confounded = 2*a.Answered.Events > a.Answered.Requests
	f.Evidence, f.Limit = a.slowness(), limit
	f.Guilty = f.Evidence >= limit || a.guilty(latencyStream)
	return f
}

func (a *Analysis) guardFinding(g *guard) Finding {
	f := g.finding()
	f.Canary, f.Stable = g.Canary, g.Stable
	f.Evidence, f.Limit = g.evidence(), a.guardLimit()
	f.Guilty = a.convicted(g) || a.Guilt != nil && a.Guilt.Stream == guardrailStream && a.Guilt.Finding.Threshold == f.Threshold
	return f
}

// incident tells of the objective that matters most: a new incident before one that was there before the rollout.
func (a *Analysis) incident() Incident {
	var said *guard
	for i := range a.Guards {
		g := &a.Guards[i]
		if g.Open && (said == nil || said.Old && !g.Old) {
			said = g
		}
	}
	if said == nil {
		return Incident{}
	}
	f := said.finding()
	f.Canary, f.Stable = said.Since.Canary.whole(), said.Since.Stable.whole()
	f.Evidence, f.Limit = said.Own.worth(), incidentLimit
	return Incident{Open: true, Old: said.Old, Shifted: said.Shifted, Finding: f}
}
