package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/proxy"
)

// norms are what the revisions in service do, by revision: what a canary will be held against. They are gathered all the
// time, also of a canary, which may serve soon; and stored now and then, so that a controller that was started anew knows
// what has long been wrong with a service.
type norms struct {
	by    map[string]*norm
	saved time.Time
}

// norm is what one of them does. What stands in the store is At and Base.
type norm struct {
	At   time.Time         `json:"at"` // when it was last warmed
	Base analysis.Baseline `json:"base"`

	epoch string
	taken arm
	time  time.Time // of the proxy's state that taken is from
}

const (
	normEvery = time.Second         // between two looks
	normKept  = time.Minute         // how old what is stored may be
	normStale = 3 * analysis.Memory // then it says nothing of today
)

// warm takes in what the revisions in service have answered since the last look.
func (l *loop) warm(now time.Time, state proxy.State, seen proxy.ServiceState) {
	live := []string{l.state.Stable}
	if r, open := l.state.Open(); open {
		live = append(live, r.From, r.To)
	}
	if l.norms.by == nil {
		l.norms.by = map[string]*norm{}
	}
	maps.DeleteFunc(l.norms.by, func(revision string, _ *norm) bool { return !slices.Contains(live, revision) })
	for _, revision := range live {
		n := l.norms.by[revision]
		if n == nil && revision != "" {
			n = &norm{}
			l.norms.by[revision] = n
		}
		if n != nil {
			n.warm(now, revision, state, seen)
		}
	}
}

func (n *norm) warm(now time.Time, revision string, state proxy.State, seen proxy.ServiceState) {
	if n.epoch == state.Epoch && state.Time.Sub(n.time) < normEvery {
		return
	}
	read := read(seen.Meters, revision, random)
	if n.epoch == state.Epoch {
		n.Base.Add(state.Time.Sub(n.time), read.since(n.taken, false))
		n.At = now
	}
	n.epoch, n.taken, n.time = state.Epoch, read, state.Time
}

// of returns a copy of what is known of a revision.
func (n *norms) of(revision string, now time.Time) analysis.Baseline {
	known := n.by[revision]
	if known == nil || now.Sub(known.At) > normStale {
		return analysis.Baseline{}
	}
	b := known.Base
	b.Latency = slices.Clone(b.Latency)
	return b
}

// keep is the text to store, nil when what is stored is recent enough.
func (n *norms) keep(now time.Time) json.RawMessage {
	if len(n.by) == 0 || now.Sub(n.saved) < normKept {
		return nil
	}
	n.saved = now
	text, _ := json.Marshal(n.by) // numbers and names: it cannot fail
	return text
}

// restore reads what keep has written.
func (n *norms) restore(text json.RawMessage) error {
	if text == nil {
		return nil
	}
	return json.Unmarshal(text, &n.by)
}
