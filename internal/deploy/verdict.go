package deploy

// Outcome of a look at the canary's figures.
type Outcome string

const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "unknown"  // no data is unknown, never a failure
	BackOne      Outcome = "back_one" // stable suffers since the last shift: give the canary less, without blame
	Freeze       Outcome = "freeze"   // stable suffers: nothing is promoted, nobody is blamed
)

// Verdict is what the analysis says of the canary in one step of one rollout.
type Verdict struct {
	Rollout  string
	Step     int
	Outcome  Outcome
	Reason   string // always with the figures that it rests on
	Requests uint64 // that the canary has answered in this step
	Figures  []Figure
}

// Figure is what one stream of the analysis says: what it has measured of both revisions and the evidence in it.
type Figure struct {
	Stream string   `json:"stream"` // errors, latency, guardrail, or the name of a source
	Event  string   `json:"event"`  // what is measured, such as "failed" or "slower than 42ms"
	Tail   string   `json:"tail"`   // "p99" where that time is the old version's p99; else empty
	Unit   string   `json:"unit"`   // of all values: "%", or empty for a source's own
	Canary *Reading `json:"canary"` // null: not known
	Stable *Reading `json:"stable"` // null: not known, or not compared
	Bound  *float64 `json:"bound"`  // what an objective or a source allows; null where both revisions are compared

	// Evidence is the e-value against the canary over the whole rollout: 1 says nothing, at Limit it is rolled back. 0 in
	// both: a source, which has no such thing.
	Evidence float64 `json:"evidence"`
	Limit    float64 `json:"limit"`

	// Clearance is the e-value for the canary's harm being below Margin; at Enough that harm counts as excluded. 0 in
	// Enough: nothing is asked. Margin and Excluded, the smallest harm excluded so far, are in Unit.
	Clearance float64  `json:"clearance"`
	Enough    float64  `json:"enough"`
	Margin    float64  `json:"margin"`
	Excluded  *float64 `json:"excluded"` // null: none yet
	// What is missing for Clearance to reach Enough if the canary is as good as stable; null: nothing, or not to be expected.
	MoreRequests *uint64  `json:"more_requests"`
	MoreMinutes  *float64 `json:"more_minutes"` // at the present rate

	Words string `json:"words"` // all of it in a sentence
}

// Reading is one revision's part of a figure.
type Reading struct {
	Revision string  `json:"revision"`
	Value    float64 `json:"value"`
	Requests uint64  `json:"requests"` // that Value was counted over; 0 for a source
	Events   uint64  `json:"events"`
}

// Judgement is what the analysis had to say when a rollout left a step, or stayed there until it turned back.
type Judgement struct {
	Step    string   `json:"step"`
	Outcome Outcome  `json:"outcome"`
	Reason  string   `json:"reason"`
	Figures []Figure `json:"figures"`
}
