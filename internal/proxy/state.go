package proxy

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"time"
)

// State is a snapshot of the router, taken under one lock: every backend stands
// in it as the table of Version left it.
type State struct {
	ID string `json:"id"`
	// Epoch is random and made when the router starts. Counters of different
	// epochs have nothing to do with each other.
	Epoch string `json:"epoch"`
	PID   int    `json:"pid"`
	// Time is when the snapshot was begun, by a clock that starts with the epoch
	// and is never set: of two states of one epoch the later has the later Time.
	Time     time.Time      `json:"time"`
	Version  uint64         `json:"version"` // of the table applied last; 0: none yet
	Services []ServiceState `json:"services"`
}

// ServiceState is one service of a [State].
type ServiceState struct {
	Service string `json:"service"`
	Version uint64 `json:"version"` // Route.Version
	// Preview is the address of the preview listener, http://127.0.0.1:port,
	// or empty.
	Preview string `json:"preview,omitempty"`
	Held    int    `json:"held"` // requests waiting for an instance now
	// Cohort numbers the division of the random traffic that stands; see [Cohort].
	Cohort uint64 `json:"cohort"`
	// CanaryShare is the canary's part, from 0 to 1, of what it and stable are given of the random traffic.
	CanaryShare float64 `json:"canary_share,omitempty"`
	// Waits is how long users' requests have waited for an instance, those given
	// up included. It only grows.
	Waits    Histogram      `json:"waits,omitzero"`
	Backends []BackendState `json:"backends"`
	Meters   []Meter        `json:"meters"`
}

// What probes and traffic say of a backend, for BackendState.Health.
const (
	Unknown   = "unknown"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// BackendState is one backend of a [ServiceState]. A backend that the table no
// longer names is listed, not enabled, until its last request is done.
type BackendState struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	Revision string `json:"revision"`
	Health   string `json:"health"`
	Reason   string `json:"reason,omitempty"` // why it is not healthy
	Enabled  bool   `json:"enabled"`
	// InFlight counts requests, Streams among them. Once it is 0 on a backend
	// that is not enabled, it stays 0.
	InFlight int `json:"in_flight"`
	Streams  int `json:"streams"` // long-lived: upgrades and event streams
}

// State is what the router knows now.
func (r *Router) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, now := r.routing.Load(), r.began.Add(time.Since(r.began))
	st := State{ID: r.id, Epoch: r.epoch, PID: os.Getpid(), Time: now.UTC(), Version: t.table.Version, Services: []ServiceState{}}
	for _, name := range slices.Sorted(maps.Keys(r.services)) {
		st.Services = append(st.Services, r.services[name].state(now, t.services[name]))
	}
	return st
}

// state is called with Router.mu held. rt is nil for a service that no longer
// stands in the table, but has requests in flight.
func (s *service) state(now time.Time, rt *route) ServiceState {
	st := ServiceState{Service: s.name, Held: int(s.held.Load()), Cohort: s.cohort.Load(), Backends: []BackendState{}, Meters: []Meter{}}
	abandon := time.Duration(0)
	if rt != nil {
		abandon = rt.spec.Abandon
		st.CanaryShare = rt.spread.Load().canaryShare()
		st.Version = rt.spec.Version
		if rt.spec.Preview != nil && rt.spec.Preview.Listen {
			st.Preview = s.preview
		}
	}
	if s.waits.sum.Load() > 0 {
		s.waits.mergeInto(&st.Waits)
	}
	for _, b := range s.backends {
		st.Backends = append(st.Backends, b.state())
	}
	slices.SortFunc(st.Backends, func(a, b BackendState) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Address, b.Address))
	})
	for _, m := range *s.counted.Load() {
		if m.used() {
			st.Meters = append(st.Meters, m.snapshot(now, st.Cohort, abandon))
		}
	}
	return st
}

func (b *Backend) state() BackendState {
	// In flight and closed are one word: what is read here was true at once.
	w := b.word.Load()
	return BackendState{
		ID: b.id, Address: b.address, Revision: b.revision,
		Health: b.health.state, Reason: b.health.reason,
		Enabled: w&closedBit == 0, InFlight: int(w &^ closedBit), Streams: b.streaming(),
	}
}
