package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
)

// workerEpoch stands for the proxy that a worker does not have.
const workerEpoch = "platform"

// checkFails is what is wrong with an instance of which the platform says that it is not ready.
const checkFails = "its check command fails"

// settling is how long a worker without any check must run until it counts as healthy.
const settling = time.Second

// observe takes one look at the world.
func (l *loop) observe(ctx context.Context) (deploy.Observation, proxy.ServiceState, error) {
	o := deploy.Observation{Now: time.Now()}
	listed, err := l.e.o.Platform.List(ctx, l.name)
	if err != nil {
		return o, proxy.ServiceState{}, err
	}
	instances, tried := l.withoutDrills(listed)
	o.Instances = l.work.overlay(instances)
	o.Prepared = maps.Clone(l.work.prepared)
	if tried && l.alone() {
		o.Prepared = nil // the core does not hear of drills: nothing can be started until this one is gone
	}
	o.Tasks = maps.Clone(l.work.results)
	o.Routing = l.state.Routing
	state, reached := l.e.o.Dataplane.State()
	seen := service(state, l.name)
	if l.worker() {
		o.Proxies = []deploy.ProxyState{l.ourselves(o)}
	} else {
		o.Proxies = []deploy.ProxyState{eyes(state, seen, reached, o.Instances)}
	}
	if reached && !l.worker() {
		l.warm(o.Now, state, seen)
	}
	r, open := l.state.Open()
	if !open {
		l.judging = nil
		l.hush()
	}
	if l.judging != nil {
		l.judging.see(r, o.Now, state, seen)
		o.Verdict = l.judging.Judge.Verdict(r, l.answers(r))
	}
	return o, seen, nil
}

// alone reports whether the picture is one of a program that cannot run twice.
func (l *loop) alone() bool {
	p := l.state.Picture()
	return p.Hold || slices.ContainsFunc(p.Groups, func(g deploy.Group) bool {
		s, _ := l.settings(g.Revision)
		return s.Exclusive
	})
}

func service(s proxy.State, name string) proxy.ServiceState {
	for _, v := range s.Services {
		if v.Service == name {
			return v
		}
	}
	return proxy.ServiceState{}
}

// eyes is what the proxy sees of a service. One that cannot be reached follows nothing: its last word on health
// stands, and nothing is stopped on it.
func eyes(state proxy.State, seen proxy.ServiceState, reached bool, instances []deploy.Instance) deploy.ProxyState {
	p := deploy.ProxyState{ID: state.ID, Epoch: state.Epoch, Backends: map[string]deploy.BackendState{}}
	if reached {
		p.Version, p.Waiting = seen.Version, seen.Held
	}
	now := map[string]deploy.Instance{}
	for _, i := range instances {
		now[i.ID] = i
	}
	for _, b := range seen.Backends {
		known := p.Backends[b.ID]
		inFlight := known.InFlight + b.InFlight
		if i := now[b.ID]; known.Address != i.Address || known.Address == "" { // an earlier life of the instance may still be listed
			known = deploy.BackendState{Address: b.Address, Health: deploy.Healthiness(b.Health), Reason: b.Reason}
			if i.Ready != nil && !*i.Ready { // the proxy only knows that we said so
				known.Reason = checkFails
			}
		}
		known.InFlight = inFlight
		p.Backends[b.ID] = known
	}
	return p
}

// worker reports whether the service takes no traffic: then its health is what the platform says.
func (l *loop) worker() bool {
	s, ok := l.settings(l.inForce())
	if !ok {
		s = l.declared
	}
	return s.Worker()
}

// ourselves stands in for the proxies of a worker: it follows at once and has nothing in flight.
func (l *loop) ourselves(o deploy.Observation) deploy.ProxyState {
	p := deploy.ProxyState{ID: workerEpoch, Epoch: workerEpoch, Version: l.state.Routing.Version, Backends: map[string]deploy.BackendState{}}
	for _, i := range o.Instances {
		b := deploy.BackendState{Address: i.Address, Health: deploy.Unknown}
		switch {
		case i.State != deploy.Running:
		case i.Ready != nil && *i.Ready, i.Ready == nil && !l.checked(i.Revision) && o.Now.Sub(i.Started) >= settling:
			b.Health = deploy.Healthy
		case i.Ready != nil:
			b.Health, b.Reason = deploy.Unhealthy, checkFails
		}
		p.Backends[i.ID] = b
	}
	return p
}

// checked reports whether the platform runs a check command for a revision.
func (l *loop) checked(revision string) bool {
	s, _ := l.settings(revision)
	return len(s.Health.Command) > 0
}
