package engine

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/store"
)

// ledger counts every user request of a rollout from the proxy's own meters, which only grow: what they say at the end
// less what they said at the beginning. It is stored with the rollout, so a controller that was killed counts on; only
// the death of a proxy loses counts, and then the receipt says that it is not complete.
type ledger struct {
	Rollout    string        `json:"rollout"`
	Epoch      string        `json:"epoch"`             // of the proxy that is counted
	Base       []proxy.Meter `json:"base,omitempty"`    // its meters when the counting began
	Carried    []proxy.Meter `json:"carried,omitempty"` // counted of proxies that have died
	Lost       bool          `json:"lost,omitempty"`
	MinHealthy int           `json:"min_healthy"` // -1: nobody has looked yet

	last []proxy.Meter // of Epoch
}

// newLedger begins to count at the proxy's present figures; without an epoch, when a proxy can be reached.
func newLedger(rollout, epoch string, meters []proxy.Meter) ledger {
	return ledger{Rollout: rollout, Epoch: epoch, Base: meters, MinHealthy: -1}
}

func (g ledger) text() json.RawMessage {
	text, _ := json.Marshal(g) // plain numbers and names: it cannot fail
	return text
}

// metered is what the proxy counts for the service at this moment; empty when none is reached.
func (l *loop) metered() (proxy.State, proxy.ServiceState) {
	state, reached := l.e.o.Dataplane.State()
	switch {
	case l.worker():
		return proxy.State{Epoch: workerEpoch}, proxy.ServiceState{}
	case !reached:
		return proxy.State{}, proxy.ServiceState{}
	}
	return state, service(state, l.name)
}

// waited is the assignment of the meter that stands for how long requests have waited, whatever answered them then.
const waited = "waiting"

// metersOf is all that a proxy counts of a service, as meters.
func metersOf(s proxy.ServiceState) []proxy.Meter {
	if s.Waits.Count() == 0 {
		return s.Meters
	}
	return append(slices.Clip(s.Meters), proxy.Meter{Assignment: waited, Latency: s.Waits})
}

// books are the counting and the record of the last rollout. A turn changes a copy and keeps it once it is saved.
type books struct {
	record *store.Record
	ledger ledger
}

// count takes the proxy's figures of this turn into the books and reports whether they must be saved; judging is the judge
// where it must be. When the rollout has ended it writes the receipt into the record.
func (b books) count(next deploy.State, o deploy.Observation, seen proxy.ServiceState, judging json.RawMessage) (books, bool) {
	r := next.Rollout
	if r == nil || b.record == nil || b.record.Rollout.ID != r.ID {
		return b, false
	}
	record := *b.record
	record.Rollout, b.record = *r, &record
	if record.Receipt != nil {
		return b, false
	}
	changed := b.ledger.note(o.Proxies[0].Epoch, metersOf(seen), healthyEnabled(o))
	if judging != nil {
		record.Judging, changed = judging, true
	}
	if !r.Open() {
		receipt := b.ledger.receipt(*r)
		record.Receipt, record.Judging, changed = &receipt, nil, true
	}
	if changed {
		record.Ledger = b.ledger.text()
	}
	return b, changed
}

// note takes over the proxy's meters.
func (g *ledger) note(epoch string, meters []proxy.Meter, serving int) (changed bool) {
	if epoch == "" {
		return false // not reached
	}
	switch {
	case epoch == g.Epoch:
	case g.Epoch == "": // no proxy could be reached when the rollout began
		g.Base, g.Epoch, changed = meters, epoch, true
	default:
		g.Carried, g.Base, g.Epoch, g.Lost, changed = g.total(), nil, epoch, true, true
	}
	g.last = meters
	if serving < g.MinHealthy || g.MinHealthy < 0 {
		g.MinHealthy, changed = serving, true
	}
	return changed
}

// total is all that was counted so far.
func (g *ledger) total() []proxy.Meter {
	now := g.last
	if now == nil {
		now = g.Base // nothing has been seen since the start
	}
	out := append([]proxy.Meter(nil), g.Carried...)
	for _, m := range now {
		out = append(out, less(m, find(g.Base, m)))
	}
	return out
}

// less is what a meter has counted since an earlier look.
func less(m, base proxy.Meter) proxy.Meter {
	m.Requests -= base.Requests
	m.Failed -= base.Failed
	m.ByNaru -= base.ByNaru
	m.ByApp -= base.ByApp
	m.Retried -= base.Retried
	m.Held -= base.Held
	m.WebSocketClosed -= base.WebSocketClosed
	m.Latency = m.Latency.Since(base.Latency)
	return m
}

func find(in []proxy.Meter, like proxy.Meter) proxy.Meter {
	for _, m := range in {
		if m.Revision == like.Revision && m.Assignment == like.Assignment {
			return m
		}
	}
	return proxy.Meter{Revision: like.Revision, Assignment: like.Assignment}
}

func healthyEnabled(o deploy.Observation) (n int) {
	for _, m := range o.Routing.Members {
		if b := o.Proxies[0].Backends[m.ID]; m.Enabled && b.Health == deploy.Healthy && b.Address == m.Address {
			n++
		}
	}
	return n
}

// receipt is what was counted of a rollout that has ended.
func (g *ledger) receipt(r deploy.Rollout) deploy.Receipt {
	receipt := deploy.Receipt{Rollout: r.ID, Service: r.Service, From: r.From, To: r.To, Outcome: r.Result, Reason: r.Reason, Notes: r.Notes,
		Started: r.Created, Ended: r.Closed, Complete: !g.Lost, Revisions: map[string]deploy.RevisionCounts{}, MinHealthy: max(0, g.MinHealthy), Analysis: append([]deploy.Judgement{}, r.Judged...)}
	latency := map[string]proxy.Histogram{}
	receipt.Hold.Service = milliseconds(r.Held)
	var waits proxy.Histogram
	for _, m := range g.total() {
		switch m.Assignment {
		case "preview":
			continue
		case waited:
			waits.Merge(m.Latency)
			continue
		}
		q := &receipt.Requests
		q.Total += m.Requests
		q.ByNaru += m.ByNaru
		q.ByApp += m.ByApp
		q.Retried += m.Retried
		receipt.Connections.WebSocketClosed += m.WebSocketClosed
		if m.Revision == "" || m.Requests == 0 && m.Revision != r.From && m.Revision != r.To {
			continue
		}
		c, h := receipt.Revisions[m.Revision], latency[m.Revision]
		c.Requests += m.Requests
		c.Failed += m.Failed
		h.Merge(m.Latency)
		receipt.Revisions[m.Revision], latency[m.Revision] = c, h
	}
	receipt.Hold.Longest = milliseconds(waits.Longest())
	receipt.Requests.Held = waits.Count() // and not those whose answers ended meanwhile: they may have waited for an earlier rollout
	for _, id := range []string{r.From, r.To} {
		if _, counted := receipt.Revisions[id]; !counted && id != "" {
			receipt.Revisions[id] = deploy.RevisionCounts{}
		}
	}
	receipt.Requests.Failed = receipt.Requests.ByNaru + receipt.Requests.ByApp
	for id, c := range receipt.Revisions {
		h := latency[id]
		c.P50, c.P99 = milliseconds(h.Quantile(.5)), milliseconds(h.Quantile(.99))
		receipt.Revisions[id] = c
	}
	return receipt
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
