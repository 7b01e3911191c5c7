package proxy

import "time"

// hangBeat is how often requests that hang are looked for: as often as a judge
// is told the state.
const hangBeat = 100 * time.Millisecond

// What [Exchange.turn] holds beside a time.
const (
	notItsTurn = 0  // the instance has nothing to answer: the client is still sending, or there is no instance
	answered   = -1 // the response head is out
)

// track gives the request its meter, and lets the judge's side see the request
// from now on, as long as a canary is open.
func (x *Exchange) track(g *share, assigned assignment) {
	m := g.meters[assigned]
	x.meter = m
	if !x.fresh { // an id made up for this request knows nobody again
		x.client = x.user
	}
	if x.route.spec.Canary == "" || m.assigned == forPreview {
		return
	}
	if !x.holdUntil.IsZero() {
		x.claimed = time.Since(x.began)
	}
	x.turn.Store(1 + int64(x.claimed))
	x.cohort, x.rollout = g.cohort, x.route.spec.Rollout
	x.again = x.client != "" && !m.svc.clients.once(x.rollout).meet(x)
	m.touched.Store(true)
	m.cell().add(x)
}

// ClientsTurn says that the exchange waits for the client to send more of its
// request; what time that takes is not the instance's. InstancesTurn says that
// it waits no longer. Both may be called from any goroutine, in pairs.
func (x *Exchange) ClientsTurn() {
	if t := x.turn.Load(); t > 0 {
		x.turn.CompareAndSwap(t, notItsTurn)
	}
}

// InstancesTurn ends ClientsTurn.
func (x *Exchange) InstancesTurn() { x.turn.CompareAndSwap(notItsTurn, 1+int64(time.Since(x.began))) }

// abandoned tells whether a request that its client gave up at this age had
// been in the hands of the instance for too long. One that waited for its client,
// or whose head was out, was not.
func (x *Exchange) abandoned(age time.Duration) bool {
	limit, t := x.route.spec.Abandon, x.turn.Load()
	return x.cohort != 0 && limit > 0 && t > 0 && age-time.Duration(t-1) >= limit
}

// findHung decides the requests whose instance has had its turn for longer than
// Hang. It reads no more of a list than can hang: the oldest stand in front.
func (r *Router) findHung() {
	now := time.Now()
	for _, rt := range r.routing.Load().services {
		if rt.spec.Hang <= 0 || rt.spec.Canary == "" {
			continue
		}
		for _, a := range rt.arms {
			for _, m := range a.meters {
				for i := range m.cells {
					m.findHung(&m.cells[i], now, rt.spec.Hang)
				}
			}
		}
	}
}

func (m *meter) findHung(c *cell, now time.Time, hang time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for x := c.oldest; x != nil; x = x.newer {
		age := now.Sub(x.began)
		if age-x.claimed < hang {
			return
		}
		if t := x.turn.Load(); t > 0 && age-time.Duration(t-1) >= hang {
			x.decide(m, c, true)
		}
	}
}
