package proxy

import (
	"context"
	"time"
)

// maxHeld bounds the requests of one service that wait at the same time.
const maxHeld = 10_000

// hold waits until the request can be given to an instance. It tries again at
// every change of table or health.
func (x *Exchange) hold(ctx context.Context) (*Backend, error) {
	svc := x.svc
	if svc.held.Add(1) > maxHeld {
		svc.held.Add(-1)
		return nil, ErrTooManyHeld
	}
	defer svc.held.Add(-1)
	var expired <-chan time.Time
	for {
		changed := x.svc.changes.next()
		if !x.refresh() || x.hopeless() {
			return nil, ErrNoInstance
		}
		if b := x.claim(); b != nil {
			return b, nil
		}
		if expired == nil {
			left := x.patience()
			if left <= 0 {
				return nil, ErrNoInstance
			}
			timer := time.NewTimer(left)
			defer timer.Stop()
			expired = timer.C
		}
		if x.waits.IsZero() {
			x.waits = time.Now()
			defer x.waited()
		}
		select {
		case <-changed:
		case <-expired:
			return nil, ErrNoInstance
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// waited counts how long the request has waited this time.
func (x *Exchange) waited() {
	if !x.preview {
		x.svc.waits.add(time.Since(x.waits))
	}
	x.waits = time.Time{}
}

// hopeless tells that nothing is deployed which could ever answer. Where a revision is, its instances may all be gone at
// this moment: they come back.
func (x *Exchange) hopeless() bool {
	return len(x.route.spec.Backends) == 0 && len(x.route.spec.Groups) == 0 && !x.route.spec.Hold
}

// patience is how much longer the request may wait. The clock starts when it
// first waits and goes on over retries.
func (x *Exchange) patience() time.Duration {
	if x.holdUntil.IsZero() {
		if x.route.spec.HoldTimeout <= 0 {
			return 0
		}
		x.holdUntil = time.Now().Add(x.route.spec.HoldTimeout)
	}
	return time.Until(x.holdUntil)
}
