package proxy

import "time"

// metered is the meter of the request's first attempt.
func (x *Exchange) metered() *meter {
	if x.meter != nil {
		return x.meter
	}
	if x.preview {
		return x.svc.unassigned[forPreview]
	}
	return x.svc.unassigned[atRandom]
}

// count writes the outcome into the meter, the request itself last: who sees it counted sees how it ended.
func (x *Exchange) count(o Outcome) {
	m := x.metered()
	c := x.countsIn(m)
	if o.Status == 0 {
		o.Status = x.status
	}
	c.bytes(o.In, o.Out)
	switch {
	case o.Aborted:
		m.aborted.Add(1)
	case !o.failed():
	case o.Answered == ByNaru:
		m.byNaru.Add(1)
	default:
		m.byApp.Add(1)
		x.judge(m)
	}
	if !x.settled {
		x.settle(m, c, o.Status, o.Aborted)
	}
}

// countsIn is the cell of the request: any, but one in flight stays where it is.
func (x *Exchange) countsIn(m *meter) *cell {
	if x.cell != nil {
		return x.cell
	}
	return m.cell()
}

// settle counts the request itself.
func (x *Exchange) settle(m *meter, c *cell, status int, aborted bool) {
	x.settled = true
	if !x.holdUntil.IsZero() {
		m.held.Add(1)
	}
	if status == 101 {
		m.upgraded.Add(1)
	}
	if x.cell == nil && !aborted { // nobody else can see it
		c.latencies.add(time.Since(x.began))
		x.decide(m, c, false)
		c.request(status)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := x.cell != nil && x.again
	if x.cell != nil {
		c.remove(x)
	}
	// The clock is read with the lock held: it is past that of every snapshot which has seen the request in flight.
	age := time.Since(x.began)
	switch {
	case !aborted:
		c.latencies.add(age)
		if known {
			c.knownDone.Add(age)
		}
		x.decide(m, c, false)
	case m.assigned != forPreview: // as a latency it would say how patient the client was
		c.givenUp.Add(age)
		if known {
			c.knownGone.Add(age)
		}
		if x.abandoned(age) {
			x.decide(m, c, true)
		}
	}
	c.request(status)
}

// settleHead counts a long-lived request when its head goes out: it may live
// for hours, and a judge of revisions cannot wait for its end.
func (x *Exchange) settleHead() {
	if !x.settled && x.status != 0 {
		m := x.metered()
		x.settle(m, x.countsIn(m), x.status, false)
	}
}

// judge charges the revision with a failed first attempt, once per request.
func (x *Exchange) judge(m *meter) {
	if x.judged {
		return
	}
	x.judged = true
	m.failed.Add(1)
	c := x.countsIn(m)
	if x.cohort != 0 { // also one whose life is counted already: its cohort is not
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	x.decide(m, c, true)
}

// decide counts the request for the judge of revisions, once as a request and once as a failure: whatever comes first of
// its end, the failure of its first attempt and its hanging. Called with the lock of c held while the request is
// in its list. Who looks for what hangs calls it too: it reads nothing of x that a request changes on its way.
func (x *Exchange) decide(m *meter, c *cell, failed bool) {
	if m.assigned == forPreview {
		return
	}
	fault, first := failed && !x.charged, !x.decided
	x.charged, x.decided = x.charged || failed, true
	if fault {
		c.faults.Add(1)
	}
	charged := fault && m.svc.clients.charge(x)
	if charged {
		c.charged.Add(1)
	}
	if first {
		c.decided.Add(1)
	}
	if x.cohort == 0 || x.cohort != m.svc.cohort.Load() {
		return
	}
	if n := c.of(x.cohort); n != nil {
		n.count(m, x, first, fault, charged)
	}
}

// count adds what was decided of a request of the cohort.
func (n *Cohort) count(m *meter, x *Exchange, first, fault, charged bool) {
	drawn := x.client == ""
	if first {
		n.Decided++
		if drawn {
			n.Drawn++
		}
	}
	if !fault {
		return
	}
	n.Faults++
	if drawn {
		n.DrawnFaults++
	} else if charged = m.svc.clients.once(x.rollout).fail(x); charged {
		n.Users++
	}
	if charged {
		n.Charged++
	}
}
