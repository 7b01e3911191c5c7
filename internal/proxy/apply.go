package proxy

import (
	"fmt"
	"slices"
	"time"
)

// Apply makes t the table by which requests are routed. It is swapped whole: a
// request sees the old table or the new one. When Apply returns, no backend that
// t does not enable will ever be given a request again, until a later table
// enables it. The same version again changes nothing; an older one is refused,
// and so is a table that contradicts itself, and then nothing has changed.
func (r *Router) Apply(t Table) error {
	if err := t.validate(); err != nil {
		return fmt.Errorf("table %d: %w", t.Version, err)
	}
	r.mu.Lock()
	current := r.routing.Load().table.Version
	if t.Version == current {
		r.mu.Unlock()
		return nil
	}
	if t.Version < current {
		r.mu.Unlock()
		return fmt.Errorf("table %d is older than table %d, which is in use: read the state and send a newer one", t.Version, current)
	}
	closed := r.swap(t)
	hooks := slices.Clone(r.onClose)
	r.mu.Unlock()
	for _, b := range closed {
		for _, f := range hooks {
			f(b)
		}
	}
	return nil
}

// swap does the work of Apply and returns the backends that were closed. The
// order matters: backends open before the table that names them is published,
// and close after the one that still does was replaced. A request that finds a
// closed backend can thus be sure that a newer table is there.
func (r *Router) swap(t Table) []*Backend {
	before := r.routing.Load()
	for _, s := range r.services {
		for _, a := range s.arms {
			a.current = false
		}
	}
	next := newRouting(t)
	for _, spec := range t.Routes {
		next.add(r.bind(t.Version, spec))
	}
	next.sort()
	r.routing.Store(next)
	closed := r.closeRest(before, next)
	for name, s := range r.services {
		s.retireMeters()
		s.changes.notify()
		r.forget(name, s)
	}
	r.changes.notify()
	return closed
}

// bind joins a route to its service, backends and meters, and opens the
// backends that it enables.
func (r *Router) bind(version uint64, spec Route) *route {
	s := r.services[spec.Service]
	if s == nil {
		s = newService(spec.Service)
		r.services[spec.Service] = s
	}
	balance, _ := newBalancer(spec.Balance) // validated
	rt := &route{svc: s, spec: spec, balance: balance}
	for _, g := range spec.Groups {
		rt.arms = append(rt.arms, &arm{revision: g.Revision, group: g, meters: s.metersOf(g.Revision)})
	}
	if p := spec.Preview; p != nil && rt.arm(p.Revision) == nil {
		rt.arms = append(rt.arms, &arm{revision: p.Revision, meters: s.metersOf(p.Revision)})
	}
	for _, bs := range spec.Backends {
		b := r.backend(version, s, bs)
		if !bs.Enabled {
			continue
		}
		if b.open() {
			b.undrain()
		}
		if a := rt.arm(bs.Revision); a != nil {
			a.enabled = append(a.enabled, b)
		}
	}
	rt.spread.Store(newSpread(rt))
	return rt
}

func (rt *route) arm(revision string) *arm {
	for _, a := range rt.arms {
		if a.revision == revision {
			return a
		}
	}
	return nil
}

// backend finds or makes the backend of a spec in the table of the given version.
// A new one is closed and of unknown health.
func (r *Router) backend(version uint64, s *service, spec BackendSpec) *Backend {
	key := identity{spec.ID, spec.Address, spec.Revision}
	b := s.backends[key]
	if b == nil {
		b = &Backend{
			id: spec.ID, revision: spec.Revision, address: spec.Address, svc: s,
			changed: make(chan struct{}, 1), health: vitality{state: Unknown},
		}
		b.idle = func() { r.idled(b) }
		b.word.Store(closedBit)
		s.backends[key] = b
	}
	before := b.spec.Swap(&spec)
	if before != nil && b.listed != r.routing.Load().table.Version { // it was away, unprobed: at a fixed port another program may have its address
		b.health = vitality{state: Unknown}
		before = nil
	}
	b.listed = version
	if spec.Health.Kind == HealthExternal {
		b.health.told(before, &spec)
	}
	if r.watch != nil && b.stop == nil {
		r.watch(b)
	}
	if before != nil && before.Health != spec.Health {
		select {
		case b.changed <- struct{}{}:
		default: // told already
		}
	}
	return b
}

// closeRest closes what the new table does not enable, ends the probes of what it
// does not name, and returns the backends for which either is news.
func (r *Router) closeRest(before, after *routing) []*Backend {
	now := time.Now()
	var closed []*Backend
	for name, s := range r.services {
		rt := after.services[name]
		if rt == nil {
			rt = before.services[name] // a removed service drains as it used to
		}
		for _, b := range s.backends {
			listed := b.listed == after.table.Version
			if listed && b.spec.Load().Enabled {
				continue
			}
			left := b.listed == before.table.Version
			if b.close() || left {
				closed = append(closed, b)
			}
			var timeout time.Duration
			if rt != nil {
				timeout = rt.spec.DrainTimeout
			}
			b.drain(now, timeout)
			if !listed && b.stop != nil {
				b.stop()
				b.stop = nil
			}
		}
	}
	return closed
}

// idled is called when the last request of a closed backend is done.
func (r *Router) idled(b *Backend) {
	r.mu.Lock()
	r.forget(b.svc.name, b.svc)
	r.mu.Unlock()
	r.changes.notify()
}

// forget drops the backends of a service that no table names and no request
// uses, and the service itself when nothing is left of it.
func (r *Router) forget(name string, s *service) {
	current := r.routing.Load()
	for key, b := range s.backends {
		if b.listed != current.table.Version && b.closed() && b.inFlight() == 0 {
			delete(s.backends, key)
		}
	}
	if len(s.backends) == 0 && current.services[name] == nil && r.services[name] == s {
		delete(r.services, name)
	}
}
