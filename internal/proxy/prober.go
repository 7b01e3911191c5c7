package proxy

import (
	"cmp"
	"context"
	"sync"
	"time"
)

const (
	defaultInterval = time.Second
	defaultTimeout  = time.Second
	// eager is between the first two probes of a backend. It doubles up to the
	// interval, until one succeeds: somebody may be waiting for just this program.
	eager = 20 * time.Millisecond
	never = time.Hour // longer than any interval that eagerness could shorten
)

// Run probes the backends of every table, and finds the requests that hang, until ctx is done. It returns nil, and
// only when every goroutine it started has ended. It must not run twice at the
// same time.
func (r *Router) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var probes sync.WaitGroup
	defer probes.Wait() // runs before cancel: ctx is done by then
	r.startProbes(func(b *Backend) {
		own, stop := context.WithCancel(ctx)
		b.stop = stop
		probes.Go(func() {
			defer stop()
			r.probeUntil(own, b)
		})
	})
	defer r.stopProbes()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	beat := time.NewTicker(hangBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-second.C:
			r.tickBudgets()
		case <-beat.C:
			r.findHung()
		}
	}
}

func (r *Router) startProbes(watch func(*Backend)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = watch
	version := r.routing.Load().table.Version
	for _, s := range r.services {
		for _, b := range s.backends {
			if b.listed == version {
				watch(b)
			}
		}
	}
}

func (r *Router) stopProbes() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = nil
	for _, s := range r.services {
		for _, b := range s.backends {
			b.stop = nil
		}
	}
}

func (r *Router) tickBudgets() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.services {
		s.budget.tick(s.requests())
	}
}

// probeUntil probes one backend at once, then more and more slowly until it is healthy
// for the first time, then at every interval and whenever the table says something
// new about its health.
func (r *Router) probeUntil(ctx context.Context, b *Backend) {
	soon := eager
	for {
		spec := b.spec.Load()
		if spec.Health.Kind != HealthExternal || spec.Ready != nil {
			err := r.probe(ctx, spec)
			if ctx.Err() != nil {
				return
			}
			r.report(b, spec, err)
			if err == nil {
				soon = never
			}
		}
		interval := cmp.Or(spec.Health.Interval, defaultInterval)
		wait := time.NewTimer(min(soon, interval))
		soon = min(2*soon, never)
		select {
		case <-ctx.Done():
		case <-b.changed:
		case <-wait.C:
		}
		wait.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// probe asks a backend once how it is; nil is healthy.
func (r *Router) probe(ctx context.Context, spec *BackendSpec) error {
	if spec.Health.Kind == HealthExternal && !*spec.Ready { // see probeUntil
		return errNotReady
	}
	return r.prober.ask(ctx, spec)
}

// ask makes one probe. An external check is not for a probe to know.
func (p *prober) ask(ctx context.Context, spec *BackendSpec) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(spec.Health.Timeout, defaultTimeout))
	defer cancel()
	switch spec.Health.Kind {
	case HealthHTTP:
		return p.http(ctx, spec)
	case HealthGRPC:
		return p.grpc(ctx, spec)
	case HealthTCP:
		return p.tcp(ctx, spec)
	}
	return nil
}

// Probe asks an address once, in the way in which Run asks the backends of a table; nil is healthy.
func Probe(ctx context.Context, health HealthSpec, address string) error {
	return newProber().ask(ctx, &BackendSpec{Address: address, Health: health})
}
