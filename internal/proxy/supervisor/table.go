package supervisor

import (
	"cmp"
	"slices"

	"github.com/naru-deploy/naru/internal/proxy"
)

// table is what the proxy should apply, or nothing while a service has not said yet what it wants: a table without it
// would take it away from its users.
func (s *Supervisor) table() (proxy.Table, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.missing) > 0 || !s.reached {
		return proxy.Table{}, false
	}
	s.version = max(s.version, s.state.Version, 1)
	t := proxy.Table{Version: s.version, Routes: []proxy.Route{}}
	t.Routes = append(t.Routes, s.agreeing()...)
	return t, true
}

// agreeing are the routes without those that claim a place which another service has: the proxy would refuse the whole
// table, and one mistake must not stand still for everybody. Who has instances comes first.
func (s *Supervisor) agreeing() (out []proxy.Route) {
	names := slices.SortedFunc(keys(s.routes), func(a, b string) int {
		return cmp.Or(-cmp.Compare(min(1, len(s.routes[a].Backends)), min(1, len(s.routes[b].Backends))), cmp.Compare(a, b))
	})
	owner := map[string]string{}
	for _, name := range names {
		r := s.routes[name]
		places := r.Places()
		if i := slices.IndexFunc(places, func(p string) bool { return owner[p] != "" }); i >= 0 {
			if !s.left[name] {
				s.o.Log.Error("a service is not routed: another one answers there", "service", name, "place", places[i], "other", owner[places[i]])
			}
			s.left[name] = true
			continue
		}
		delete(s.left, name)
		for _, p := range places {
			owner[p] = name
		}
		out = append(out, r)
	}
	return out
}

func keys(m map[string]proxy.Route) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
