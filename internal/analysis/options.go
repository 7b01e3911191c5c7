package analysis

import "time"

// Options are what one rollout is judged by. They do not change while it lasts.
type Options struct {
	// Alpha bounds the probability of any false rollback in the whole rollout, in (0, 0.5]. The streams that are on
	// share it in the proportion 5 : 4 : 1 (errors, latency, guardrail); the union bound makes the promise hold at any
	// dependence between them.
	Alpha float64 `json:"alpha"`
	// Errors, Latency and Guardrail say which streams are on.
	Errors    bool `json:"errors"`
	Latency   bool `json:"latency"`
	Guardrail bool `json:"guardrail"`
	// Objective is the share of failed requests that the service allows itself, in (0, 1); 0: none.
	Objective float64 `json:"objective,omitempty"`
	// P99 is the time within which 99 of 100 requests are answered; 0: none.
	P99 time.Duration `json:"p99,omitempty"`
	// Harm is the harm budget H of promotion, as a share of all requests in (0, 1): going to the share s is asked
	// whether the canary adds less than H/s to the share of failed requests.
	Harm float64 `json:"harm"`
	// Shift is the margin of the latency stream in buckets, each 2.5 % wide: a canary that is slower by no more than
	// that is not blamed.
	Shift int `json:"shift"`
}

// Step is what the analysis must know of a step of the rollout when its traffic begins.
type Step struct {
	// Compared: both revisions get randomly assigned requests. Otherwise only the guardrail says anything: the step gives
	// everything to the canary, or only chosen users reach it.
	Compared bool `json:"compared"`
	// Share is the share of the traffic, in [0, 1], that the canary gets in this step. A step that gives it more than the
	// one before is a shift: an incident that begins right after it may have been caused by it.
	Share float64 `json:"share"`
	// Next is the share of the traffic, in (0, 1], that the canary gets in the step that would follow; 0: as 1.
	Next float64 `json:"next"`
}

// alone reports whether the canary has all the random traffic.
func (s Step) alone() bool { return !s.Compared && s.Share > 0 }

// crowded is the share of all requests from which on those of one client that always fails could be most of the canary's.
func (s Step) crowded() float64 {
	switch {
	case s.Compared:
		return 0.4 * s.Share
	case s.alone():
		return 0.4
	}
	return 0.2
}

// Tick is what was counted since the tick before it, of all proxies together.
type Tick struct {
	Span   time.Duration // how long it was
	Canary Counts        // of randomly assigned requests
	Stable Counts        // of randomly assigned requests
	Chosen Counts        // of requests that were sent to the canary for what they are: held against the objectives alone
	// Cohort is the number of the division of the traffic; the Cohort of the counts is of that one alone.
	Cohort uint64
	// Share is the canary's part, from 0 to 1, in that division: the chance with which a user who stays is the canary's.
	Share float64
	// Warming: the traffic was shifted a moment ago. A slow canary is not blamed then; a failing one always is.
	Warming bool
}

// The parts of alpha that the streams get.
const (
	errorPart     = 5
	latencyPart   = 4
	guardrailPart = 1
)

// objectives is how many the guardrail watches.
func (o Options) objectives() int {
	n := 0
	if o.Guardrail && o.Objective > 0 {
		n++
	}
	if o.Guardrail && o.P99 > 0 {
		n++
	}
	return n
}

// limit is the evidence at which a stream with that part of alpha rolls back: 1/alpha of the stream, by Ville's
// inequality. A guardrail without an objective has no part in it.
func (o Options) limit(part float64) float64 {
	all := 0.0
	if o.Errors {
		all += errorPart
	}
	if o.Latency {
		all += latencyPart
	}
	if o.objectives() > 0 {
		all += guardrailPart
	}
	return all / (part * o.Alpha)
}
