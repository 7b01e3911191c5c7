package deploy

import "time"

// Receipt is what happened to every request of a rollout: the proof that nobody noticed.
type Receipt struct {
	Rollout  string    `json:"rollout"`
	Service  string    `json:"service"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Outcome  Result    `json:"outcome"`
	Reason   string    `json:"reason"`
	Notes    []string  `json:"notes,omitempty"` // what could not be excluded
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Complete bool      `json:"complete"` // false: counters were lost, a proxy was killed

	Requests    Requests                  `json:"requests"`
	Revisions   map[string]RevisionCounts `json:"revisions"`
	Connections Connections               `json:"connections"`
	Hold        Hold                      `json:"hold"`

	MinHealthy int `json:"min_healthy_instances"`

	Analysis []Judgement `json:"analysis"` // step by step, in the order in which the rollout left them
}

// Requests are those of users: previews, mirrors and probes are not counted. Failed = ByNaru + ByApp.
type Requests struct {
	Total   uint64 `json:"total"`
	Failed  uint64 `json:"failed"`
	ByNaru  uint64 `json:"by_naru"`
	ByApp   uint64 `json:"by_app"`
	Retried uint64 `json:"retried"`
	Rescued uint64 `json:"rescued"`
	Held    uint64 `json:"held"`
}

// Hold is how long requests had to wait for an instance, in milliseconds. How many did is Requests.Held.
type Hold struct {
	Longest float64 `json:"longest_ms"` // of a single request, right to 2.5 %; 0: none had to
	Service float64 `json:"service_ms"` // for so long nobody could answer, because a program that cannot run twice was replaced
}

// RevisionCounts are first attempts by the revision that answered them; latency is to the last byte, in milliseconds.
type RevisionCounts struct {
	Requests uint64  `json:"requests"`
	Failed   uint64  `json:"failed"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

// Connections counts long-lived ones.
type Connections struct {
	WebSocketClosed uint64 `json:"websocket_closed"` // asked to reconnect, between two frames
}
