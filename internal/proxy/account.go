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
	if o.Status == 0 {
		o.Status = x.status
	}
	m.bytes(o.In, o.Out)
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
		latency := time.Since(x.began)
		if o.Aborted {
			latency = -1 // it would say how patient the client was
		}
		x.settle(m, o.Status, latency)
	}
}

// settle counts the request itself.
func (x *Exchange) settle(m *meter, status int, latency time.Duration) {
	x.settled = true
	if !x.holdUntil.IsZero() {
		m.held.Add(1)
	}
	if status == 101 {
		m.upgraded.Add(1)
	}
	m.request(status, latency)
}

// settleHead counts a long-lived request when its head goes out: it may live
// for hours, and a judge of revisions cannot wait for its end.
func (x *Exchange) settleHead() {
	if !x.settled && x.status != 0 {
		x.settle(x.metered(), x.status, time.Since(x.began))
	}
}

// judge charges the revision with a failed first attempt, once per request.
func (x *Exchange) judge(m *meter) {
	if !x.judged {
		x.judged = true
		m.failed.Add(1)
	}
}
