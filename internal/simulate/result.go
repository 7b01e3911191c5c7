package simulate

import "github.com/naru-deploy/naru/internal/deploy"

// Outcomes of a simulation, beside those of a rollout that has ended.
const (
	Waits = "paused" // it waits for a person, and nobody is there
	Open  = "open"   // the simulation has reached its limit
)

// Result is what became of a simulated rollout. All times are in seconds since it began.
type Result struct {
	Seed     int      `json:"seed"`
	Outcome  string   `json:"outcome"` // promoted, rolled_back, aborted, paused or open
	Reason   string   `json:"reason"`
	Ended    float64  `json:"ended"`
	Onset    *float64 `json:"onset"`    // when the first regression begins; null: there is none, or it never came to it
	Verdict  *float64 `json:"verdict"`  // when the rollout turned back; null: it did not
	Stream   string   `json:"stream"`   // of the analysis, that turned it back
	Full     *float64 `json:"full"`     // when the new version was given all the traffic; null: never
	Promoted *float64 `json:"promoted"` // when its last gate passed; null: never

	Canary Tally   `json:"canary"` // what the new version was given, and failed
	Stable Tally   `json:"stable"`
	Hurt   Hurt    `json:"hurt"`
	Held   float64 `json:"held"` // requests that nobody might take at once, on average

	Back     int                `json:"stepped_back"` // how often a step was taken back because the old version suffered
	Frozen   float64            `json:"frozen"`       // seconds in which nothing could be promoted because of that
	Doubts   int                `json:"doubts"`       // steps that passed without enough evidence
	Evidence map[string]float64 `json:"evidence"`     // the most that each stream had against the new version

	Steps    []Stay          `json:"steps"`
	Timeline []Entry         `json:"timeline"`
	Figures  []deploy.Figure `json:"figures"` // what the analysis said last
	Notes    []string        `json:"notes"`   // what the receipt says aloud
}

// Delay is the time from the beginning of the first regression to the verdict in seconds, and whether there were both.
func (r Result) Delay() (float64, bool) {
	if r.Verdict == nil || r.Onset == nil || *r.Verdict < *r.Onset {
		return 0, false
	}
	return *r.Verdict - *r.Onset, true
}

// Hurt is the requests of users who would have fared better on the old version.
type Hurt struct {
	Failed uint64 `json:"failed"` // failed, and would not have there
	Hung   uint64 `json:"hung"`   // were never answered
	Slow   uint64 `json:"slow"`   // took longer than 99 of 100 requests do there, and would not have
}

// All is their number; each request counts once.
func (h Hurt) All() uint64 { return h.Failed + h.Hung + h.Slow }

// Stay is the time that a rollout spent in a step. A step that was taken back is there twice.
type Stay struct {
	Step    string   `json:"step"`
	Entered float64  `json:"entered"`
	Reached *float64 `json:"reached"` // when its traffic was given; null: it was not
	Left    *float64 `json:"left"`    // null: the rollout turned back or waits in it
}

// Entry is something that has happened.
type Entry struct {
	Time    float64          `json:"time"`
	Kind    deploy.EventKind `json:"kind"`
	Step    int              `json:"step,omitempty"`
	Message string           `json:"message"`
}
