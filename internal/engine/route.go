package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
)

// route hands the saved routing to the proxies, translated into their words. It is called every turn: saying the same
// twice changes nothing, and a proxy that was started anew hears it again.
func (l *loop) route() {
	if l.worker() { // nobody waits for a route of it, and one from before it became a worker ends
		l.e.o.Dataplane.Unroute(l.name)
		return
	}
	settings, ok := l.settings(l.inForce())
	if !ok {
		settings = l.declared
	}
	l.e.o.Dataplane.Route(l.translate(settings))
}

// translate is where the two ground floors meet: deploy's routing and the settings in force become a proxy's route.
func (l *loop) translate(s deploy.Service) proxy.Route {
	r := l.state.Routing
	route := proxy.Route{Service: l.name, Version: r.Version, Hosts: s.Hosts, Path: s.Path, Proportional: r.Proportional,
		Stable: r.Stable, Canary: r.Canary, Full: r.Full, MaxOverload: r.MaxOverload, Hold: r.Hold, HoldTimeout: s.HoldTimeout.D(),
		DrainTimeout: s.DrainTimeout.D(), Affinity: affinity(s.Affinity), Rollout: r.Rollout, Retries: retries(s.Retries),
		Limits: proxy.Limits{Body: int64(s.Limits.Body), ResponseTimeout: s.Limits.ResponseTimeout.D()}, Balance: s.Balance}
	if p := l.state.Picture(); r.Hold && p.HoldTimeout > 0 { // who waits is waited for by the clock of the move, on the way back too
		route.HoldTimeout = p.HoldTimeout
	}
	if l.judging != nil {
		route.Hang, route.Abandon = l.judging.hang(s), l.judging.abandon(s)
	}
	for _, split := range r.Splits {
		route.Groups = append(route.Groups, proxy.Group{Revision: split.Revision, Share: max(0, int(split.Share)), Match: matches(split.Match)})
	}
	for _, m := range r.Members {
		if m.Address != "" {
			route.Backends = append(route.Backends, l.backend(m))
		}
	}
	if len(route.Backends) == 0 && len(r.Splits) > 0 { // deployed, but all of it has died: requests wait until it is back
		route.Hold = true
	}
	if r.Preview != "" {
		route.Preview = &proxy.Preview{Revision: r.Preview, Listen: true, Hosts: previewHosts(s)}
	}
	return route
}

func (l *loop) backend(m deploy.Member) proxy.BackendSpec {
	settings, _ := l.settings(m.Revision)
	spec := proxy.BackendSpec{ID: m.ID, Revision: m.Revision, Address: m.Address, Enabled: m.Enabled, Health: health(settings.Health)}
	if !m.Enabled {
		spec.DrainBy = m.Since.Add(settings.DrainTimeout.D())
		if l.state.Routing.Hold { // everybody waits for the last of them, and those who come back wait as well
			spec.DrainBy = m.Since
		}
	}
	if spec.Health.Kind == proxy.HealthExternal {
		spec.Ready = l.work.ready[m.ID]
	}
	return spec
}

func health(h deploy.Health) proxy.HealthSpec {
	spec := proxy.HealthSpec{Kind: proxy.HealthTCP, Interval: h.Interval.D(), Timeout: h.Timeout.D()}
	switch {
	case h.HTTP != "":
		spec.Kind, spec.Path = proxy.HealthHTTP, h.HTTP
	case h.GRPC != nil:
		spec.Kind, spec.Service = proxy.HealthGRPC, *h.GRPC
	case len(h.Command) > 0:
		spec.Kind = proxy.HealthExternal
	}
	return spec
}

// affinity reads "header NAME" and its simpler relatives.
func affinity(a deploy.Affinity) proxy.Affinity {
	by, header, _ := strings.Cut(a.By, " ")
	if by == "none" {
		by = ""
	}
	return proxy.Affinity{By: by, Header: strings.TrimSpace(header), Sticky: a.Sticky}
}

// retries translates "none" into the proxy's negative numbers: there, 0 asks for the default.
func retries(r deploy.Retries) proxy.Retries {
	var out proxy.Retries
	if r.Attempts != nil {
		out.Attempts = cmp.Or(*r.Attempts, -1)
	}
	if r.Budget != nil {
		out.Budget = cmp.Or(float64(*r.Budget)/float64(deploy.Whole), -1)
	}
	return out
}

func matches(in []deploy.Match) (out []proxy.Match) {
	for _, m := range in {
		out = append(out, proxy.Match{Header: m.Header, Cookie: m.Cookie, Value: m.Value})
	}
	return out
}

func previewHosts(s deploy.Service) []string {
	if bg := s.Strategy.BlueGreen; bg != nil && bg.Preview.Host != "" {
		return []string{bg.Preview.Host}
	}
	return nil
}

// claims are the places in front of users that a service holds: those of the revision that serves, and while a rollout is
// open those of both its ends and of its preview, so that the way back is never taken by somebody else.
func (l *loop) claims() (places []string) {
	revisions := []string{l.state.Stable}
	if r, open := l.state.Open(); open {
		revisions = append(revisions, r.From, r.To)
	}
	for _, id := range revisions {
		if settings, ok := l.settings(id); ok {
			places = append(places, wanted(settings)...)
		}
	}
	if len(places) == 0 {
		return wanted(l.declared)
	}
	return places
}

// wanted are the places that settings ask for, and the port of this machine.
func wanted(s deploy.Service) []string {
	if s.Worker() {
		return nil
	}
	r := proxy.Route{Hosts: s.Hosts, Path: s.Path, Preview: &proxy.Preview{Hosts: previewHosts(s)}}
	if port := s.Port.Fixed(); port != 0 {
		return append(r.Places(), fmt.Sprintf("%s%d", fixedPort, port))
	}
	return r.Places()
}

// fixedPort begins the name of a port that one program always listens on; no host has a space in it.
const fixedPort = "port "

// clash says which other service holds a place that settings ask for. It is called with e.opening held, so that what was
// free is still free when the rollout has begun.
func (e *Engine) clash(name string, s deploy.Service) error {
	if port := s.Port.Fixed(); port >= e.o.Ports.Low && port <= e.o.Ports.High && port > 0 {
		return conflict("port %d of %s lies in server.ports (%s), which are given to other instances: choose one outside of them", port, name, e.o.Ports)
	}
	want := wanted(s)
	for _, l := range e.all() {
		if l.name == name {
			continue
		}
		for _, held := range *l.held.Load() {
			if slices.Contains(want, held) && strings.HasPrefix(held, fixedPort) {
				return conflict("%s already has %s of this machine; give %s a port of its own, or remove %s first", l.name, held, name, l.name)
			}
			if slices.Contains(want, held) {
				return conflict("%s already answers %s; give %s a host or a path of its own", l.name, spoken(held), name)
			}
		}
	}
	return nil
}

// spoken is a place as people write it.
func spoken(place string) string {
	if strings.HasPrefix(place, "/") {
		return "every host at " + place
	}
	return place
}
