package proxy

import (
	"errors"
	"fmt"
)

// failuresToEject probes must fail in a row to take a healthy backend out: one
// lost packet is not a dead instance.
const failuresToEject = 2

// vitality is what is known of a backend's health. Guarded by Router.mu.
type vitality struct {
	state    string
	reason   string
	failures int // of probes, in a row
}

var errNotReady = errors.New("the controller says that it is not ready")

// told takes over what the controller says of an external backend, if it is
// news: a backend whose connections were refused is not let back by a table
// that only repeats what was known before.
func (v *vitality) told(before, now *BackendSpec) {
	if before != nil && before.Health.Kind == HealthExternal && sameWord(before.Ready, now.Ready) {
		return
	}
	switch {
	case now.Ready == nil:
		*v = vitality{state: Unknown}
	case *now.Ready:
		*v = vitality{state: Healthy}
	default:
		*v = vitality{state: Unhealthy, reason: errNotReady.Error(), failures: failuresToEject}
	}
}

func sameWord(a, b *bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// probed is the vitality after one more probe.
func (v vitality) probed(err error) vitality {
	if err == nil {
		return vitality{state: Healthy}
	}
	v.failures++
	v.reason = err.Error()
	if v.failures >= failuresToEject {
		v.state = Unhealthy
	}
	return v
}

// report takes the result of a probe by asked, unless a table has changed
// meanwhile what is asked: then the result is no answer any more.
func (r *Router) report(b *Backend, asked *BackendSpec, err error) {
	r.mu.Lock()
	if now := b.spec.Load(); now.Health != asked.Health || !sameWord(now.Ready, asked.Ready) {
		r.mu.Unlock()
		return
	}
	before := b.health
	b.health = before.probed(err)
	after := b.health
	r.healthChanged(b, before, after)
	r.mu.Unlock()
	r.logHealth(b, before, after)
}

// eject takes a backend out at once: real traffic was refused. The next probe
// that succeeds lets it back.
func (r *Router) eject(b *Backend, f Failure) {
	reason := "connection failed"
	if f.Err != nil {
		reason = fmt.Sprintf("connection failed: %v", f.Err)
	}
	r.mu.Lock()
	before := b.health
	if before.state == Healthy {
		b.health = vitality{state: Unhealthy, reason: reason, failures: failuresToEject}
	}
	after := b.health
	r.healthChanged(b, before, after)
	r.mu.Unlock()
	r.logHealth(b, before, after)
}

// healthChanged divides the traffic anew and wakes who waits for it. Called
// with r.mu held.
func (r *Router) healthChanged(b *Backend, before, after vitality) {
	if before.state == after.state {
		return
	}
	if rt := r.routing.Load().services[b.svc.name]; rt != nil {
		rt.spread.Store(newSpread(rt))
	}
	b.svc.changes.notify()
	r.changes.notify()
}

func (r *Router) logHealth(b *Backend, before, after vitality) {
	if before.state != after.state {
		r.log.Info("backend "+after.state, "service", b.svc.name, "backend", b.id, "address", b.address, "reason", after.reason)
	}
}
