package proxy

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Exchange is one user request on its way: it chooses and claims backends, says
// whether a failed attempt may be repeated, and counts the outcome. It belongs
// to the goroutine of its request; others may call Done, ClientsTurn and
// InstancesTurn only.
type Exchange struct {
	r       *Router
	svc     *service
	route   *route // of the newest table that this exchange has looked at
	visitor Visitor

	user  string // user id, empty when the route knows none
	point int    // in [0, fullShare): where this request falls among the shares

	began     time.Time
	holdUntil time.Time // set when the request first waits
	waits     time.Time // since when it does; zero: it does not

	backend *Backend
	tried   []*Backend // failed attempts, in order
	dials   int        // how many of them never got a connection

	meter  *meter // of the first attempt; nil: none yet
	client string // user id, if one was known before the first attempt
	status int
	stream *stream

	// turn is 1 + the age, in nanoseconds, since which the instance has had all
	// that there was of the request; see also notItsTurn and answered.
	turn    atomic.Int64
	claimed time.Duration // the age at the first claim
	cohort  uint64        // in which that was; 0: no canary was open
	rollout string        // in which that was

	// While the request is in flight and a canary open it is in the list of a
	// cell. What is marked with a star is then guarded by the lock of the cell.
	cell         *cell     // the request's own, but who goes by the list need not read it
	older, newer *Exchange // *

	// Together, for their size.
	preview bool
	fresh   bool // user was made here and must be set as a cookie
	judged  bool // the first attempt has failed already
	retried bool
	spent   bool // there will be no further attempt
	settled bool // request and latency are counted
	again   bool // of a recognised user who has come before in this rollout
	decided bool // * counted for the judge of revisions,
	charged bool // * and as a failure, or found to be one too many
	done    atomic.Bool
}

// Begin finds the service of a request. It fails with [ErrNoService].
func (r *Router) Begin(v Visitor) (*Exchange, error) {
	t := r.routing.Load()
	var rt *route
	preview := v.Preview != ""
	if preview {
		if rt = t.services[v.Preview]; rt != nil && rt.spec.Preview == nil {
			rt = nil
		}
	} else {
		rt, preview = t.find(v.Host, v.Path)
	}
	if rt == nil {
		return nil, ErrNoService
	}
	x := &Exchange{r: r, svc: rt.svc, route: rt, visitor: v, preview: preview, began: time.Now()}
	x.recognise()
	return x, nil
}

// recognise finds the user and the point at which the request falls.
func (x *Exchange) recognise() {
	rt := x.route
	x.user, x.fresh = rt.user(&x.visitor, x.user)
	if x.user == "" {
		x.point = rand.IntN(fullShare)
		return
	}
	x.point = int(userHash(rt.spec.Rollout, x.user) % fullShare)
}

// refresh takes the newest table; it tells whether the service still has a route.
func (x *Exchange) refresh() bool {
	rt := x.r.routing.Load().services[x.svc.name]
	if rt == nil {
		return false
	}
	x.svc = rt.svc
	// A rollout may have begun while the request waited: the same user may
	// fall elsewhere. A random point is kept, so that waiting is no second
	// draw and only more capacity lets a held request go.
	if rt != x.route {
		point, known := x.point, x.user != ""
		x.route = rt
		x.recognise()
		if !known && x.user == "" {
			x.point = point
		}
	}
	return true
}

// Acquire chooses a backend and claims it in the same step. While there is none
// it waits, at most HoldTimeout of the route in all. It fails with
// [ErrNoInstance], [ErrTooManyHeld] or the error of ctx.
func (x *Exchange) Acquire(ctx context.Context) (*Backend, error) {
	if b := x.claim(); b != nil {
		return b, nil
	}
	return x.hold(ctx)
}

// claim takes a backend, if there is one to be had now. A backend that closed
// between choice and claim means that a newer table stands: it picks again there.
func (x *Exchange) claim() *Backend {
	for {
		g, assigned := x.choose()
		if g == nil {
			return nil
		}
		b := x.pick(g)
		if b.acquire() {
			x.backend = b
			if x.meter == nil {
				x.track(g, assigned)
			} else {
				x.InstancesTurn()
			}
			return b
		}
		if !x.refresh() {
			return nil
		}
	}
}

// choose finds the group that the request belongs to, nil when it must wait.
func (x *Exchange) choose() (*share, assignment) {
	s := x.route.spread.Load()
	switch {
	case x.preview:
		if x.route.spec.Preview == nil {
			return nil, forPreview
		}
		return s.serving(x.route.spec.Preview.Revision), forPreview
	case x.route.spec.Hold:
		return nil, atRandom
	}
	if g := x.route.match(s, &x.visitor); g != nil {
		return g, byMatch
	}
	if g := x.lasting(s); g != nil {
		return g, byMatch // not drawn: what lasts is not like the other requests
	}
	return s.at(x.point), atRandom
}

// lasting is the revision that a connection which lasts should go to while instances are being replaced: the new one,
// so that a user whose connection was ended by a drain is asked to come back once, and not with every further step.
func (x *Exchange) lasting(s *spread) *share {
	spec := &x.route.spec
	if !x.visitor.Upgrade || !spec.Proportional || spec.Canary == "" {
		return nil
	}
	return s.serving(spec.Canary)
}

// pick chooses one of a group's backends, if possible one not tried before.
func (x *Exchange) pick(g *share) *Backend {
	ready := g.ready
	if len(x.tried) > 0 {
		ready = untried(ready, x.tried)
	}
	if x.user != "" && x.route.spec.Affinity.Sticky {
		return rendezvous(x.user, ready)
	}
	return x.route.balance(ready, &g.turn)
}

// Cookie is the user id to set as cookie [UserCookie] on the response. set is
// false when there is nothing to set. A preview needs it only where users
// stay with one instance: tests are users there.
func (x *Exchange) Cookie() (value string, set bool) {
	if !x.fresh || x.preview && !x.route.spec.Affinity.Sticky {
		return "", false
	}
	return x.user, true
}

// Limits are those of the route that the request came in by.
func (x *Exchange) Limits() Limits { return x.route.spec.Limits }

// Service is the name of the service.
func (x *Exchange) Service() string { return x.svc.name }

// Head says that the response head of the final attempt is being sent. The
// latency of a long-lived exchange ends here.
func (x *Exchange) Head(status int) {
	x.status = status
	if x.cell != nil {
		x.turn.Store(answered)
	}
	if x.stream != nil {
		x.settleHead()
	}
}

// Done releases the backend and counts the outcome. Only the first call does
// anything.
func (x *Exchange) Done(o Outcome) {
	if x.done.Swap(true) {
		return
	}
	x.count(o)
	x.endStream()
	// Released last: a controller that sees the backend idle finds its
	// requests counted.
	if x.backend != nil {
		x.backend.release()
	}
}
