package engine

import (
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/proxy"
)

// norm is what the revision that serves does while nothing is rolled out: what a canary will be held against. It is
// gathered anew when the controller is started; a rollout that comes before it is warm learns from its own traffic.
type norm struct {
	revision string
	epoch    string
	taken    arm
	at       time.Time
	base     analysis.Baseline
}

// normEvery is between two looks at a service at rest.
const normEvery = time.Second

// warm takes in what stable has answered since the last look.
func (l *loop) warm(state proxy.State, seen proxy.ServiceState) {
	n := &l.norm
	if n.revision == l.state.Stable && n.epoch == state.Epoch && state.Time.Sub(n.at) < normEvery {
		return
	}
	now := read(seen.Meters, l.state.Stable, random)
	switch {
	case n.revision != l.state.Stable:
		*n = norm{revision: l.state.Stable}
	case n.epoch == state.Epoch:
		n.base.Add(state.Time.Sub(n.at), now.since(n.taken))
	}
	n.epoch, n.taken, n.at = state.Epoch, now, state.Time
}

// of returns a copy of what is known of a revision.
func (n *norm) of(revision string) analysis.Baseline {
	if n.revision != revision {
		return analysis.Baseline{}
	}
	b := n.base
	b.Latency = append([]float64(nil), b.Latency...)
	return b
}
