package proxy

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// validate refuses tables that contradict themselves. It reports everything it
// finds.
func (t Table) validate() error {
	var errs []error
	if t.Version == 0 {
		errs = append(errs, errors.New("version 0 stands for no table: count from 1"))
	}
	services := map[string]bool{}
	places := map[string]string{} // host and path to service
	for _, r := range t.Routes {
		if services[r.Service] {
			errs = append(errs, fmt.Errorf("service %q has two routes", r.Service))
		}
		services[r.Service] = true
		for _, err := range append(r.contradictions(), r.occupy(places)...) {
			errs = append(errs, fmt.Errorf("service %q: %w", r.Service, err))
		}
	}
	return errors.Join(errs...)
}

// Places are the pairs of host and path that a route answers, its preview's included: "example.com/api/", "/" for every
// host. Two routes of a table never share one.
func (r *Route) Places() (places []string) {
	for _, h := range r.names() {
		places = append(places, cleanHost(h)+cleanPrefix(r.Path)+"/")
	}
	return places
}

func (r *Route) names() []string {
	hosts := r.Hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	if r.Preview != nil {
		hosts = append(hosts[:len(hosts):len(hosts)], r.Preview.Hosts...)
	}
	return hosts
}

// occupy claims the route's places and finds those that are taken.
func (r *Route) occupy(places map[string]string) (errs []error) {
	for _, h := range r.names() {
		if strings.Contains(strings.TrimPrefix(h, "*."), "*") {
			errs = append(errs, fmt.Errorf("host %q: a star may only stand first, as in *.example.com", h))
		}
	}
	for _, place := range r.Places() {
		if other, taken := places[place]; taken {
			errs = append(errs, fmt.Errorf("%s belongs to service %q already", place, other))
		}
		places[place] = r.Service
	}
	return errs
}

func (r *Route) contradictions() (errs []error) {
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.Service == "" {
		add("a service needs a name")
	}
	if r.Path != "" && r.Path[0] != '/' {
		add("path %q does not begin with a slash", r.Path)
	}
	if r.Full < 0 || r.MaxOverload < 0 {
		add("full %d and max_overload %g may not be negative", r.Full, r.MaxOverload)
	}
	if r.Hang < 0 {
		add("hang %s may not be negative", r.Hang)
	}
	if r.Abandon < 0 {
		add("abandon %s may not be negative", r.Abandon)
	}
	if _, err := newBalancer(r.Balance); err != nil {
		errs = append(errs, err)
	}
	switch r.Affinity.By {
	case "", ByCookie, ByClientIP, ByHeader:
	default:
		add("affinity by %q is not known", r.Affinity.By)
	}
	if (r.Affinity.By == ByHeader) != (r.Affinity.Header != "") {
		add("affinity by header needs the header's name, and only that has one")
	}
	errs = append(errs, groupErrors(r.Groups)...)
	return append(errs, backendErrors(r.Backends)...)
}

func groupErrors(groups []Group) (errs []error) {
	sum := 0
	seen := map[string]bool{}
	for _, g := range groups {
		if g.Revision == "" || seen[g.Revision] {
			errs = append(errs, fmt.Errorf("group %q: revisions need a name, each a different one", g.Revision))
		}
		seen[g.Revision] = true
		if g.Share < 0 {
			errs = append(errs, fmt.Errorf("group %q: share %d is negative", g.Revision, g.Share))
		}
		sum += g.Share
		for _, m := range g.Match {
			if (m.Header == "") == (m.Cookie == "") {
				errs = append(errs, fmt.Errorf("group %q: a match has either a header or a cookie", g.Revision))
			}
		}
	}
	if sum > fullShare {
		errs = append(errs, fmt.Errorf("shares sum to %d, over %d", sum, fullShare))
	}
	return errs
}

func backendErrors(backends []BackendSpec) (errs []error) {
	seen := map[identity]bool{}
	for _, b := range backends {
		key := identity{id: b.ID, address: b.Address}
		if b.ID == "" || b.Revision == "" || seen[key] {
			errs = append(errs, fmt.Errorf("backend %q at %s: it needs an ID and a revision, and may stand in the table only once", b.ID, b.Address))
		}
		seen[key] = true
		if _, _, err := net.SplitHostPort(b.Address); err != nil {
			errs = append(errs, fmt.Errorf("backend %q: address %q is not host:port", b.ID, b.Address))
		}
		switch b.Health.Kind {
		case HealthHTTP, HealthTCP, HealthGRPC, HealthExternal:
		default:
			errs = append(errs, fmt.Errorf("backend %q: health kind %q is not known", b.ID, b.Health.Kind))
		}
	}
	return errs
}
