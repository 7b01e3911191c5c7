package proxy

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
)

// routing is a table made ready for look-ups. It is immutable but for the
// spreads, which follow the health of the backends.
type routing struct {
	table    Table
	services map[string]*route
	exact    map[string][]entry // by host
	wild     map[string][]entry // by suffix: ".example.com"
	every    []entry            // routes without hosts
	judged   bool               // a canary is open
}

// entry is one host and path of a route. Entries of one host are sorted: the
// longest path first.
type entry struct {
	path    string
	route   *route
	preview bool
}

// route is a [Route] bound to what outlives it.
type route struct {
	svc     *service
	spec    Route
	arms    []*arm
	balance balancer
	spread  atomic.Pointer[spread]
}

// arm is a revision within a route: a group, or one that is only previewed.
type arm struct {
	revision string
	group    Group
	enabled  []*Backend
	meters   [assignments]*meter
}

func newRouting(t Table) *routing {
	return &routing{table: t, services: map[string]*route{}, exact: map[string][]entry{}, wild: map[string][]entry{}}
}

// add makes the route known under its own hosts and those of its preview.
func (t *routing) add(rt *route) {
	t.services[rt.spec.Service] = rt
	t.judged = t.judged || rt.spec.Canary != ""
	path := cleanPrefix(rt.spec.Path)
	if len(rt.spec.Hosts) == 0 {
		t.every = append(t.every, entry{path, rt, false})
	}
	for _, h := range rt.spec.Hosts {
		t.addHost(h, entry{path, rt, false})
	}
	if rt.spec.Preview != nil {
		for _, h := range rt.spec.Preview.Hosts {
			t.addHost(h, entry{path, rt, true})
		}
	}
}

func (t *routing) addHost(host string, e entry) {
	host = cleanHost(host)
	if suffix, ok := strings.CutPrefix(host, "*"); ok {
		t.wild[suffix] = append(t.wild[suffix], e)
		return
	}
	t.exact[host] = append(t.exact[host], e)
}

// sort puts the longest path of every host first.
func (t *routing) sort() {
	longest := func(a, b entry) int { return cmp.Compare(len(b.path), len(a.path)) }
	slices.SortStableFunc(t.every, longest)
	for _, m := range []map[string][]entry{t.exact, t.wild} {
		for _, es := range m {
			slices.SortStableFunc(es, longest)
		}
	}
}

// find is the route for a request: exact host, then the longest wildcard, then
// routes for every host; within each the longest path. nil: there is none.
func (t *routing) find(host, path string) (rt *route, preview bool) {
	if len(t.exact) > 0 || len(t.wild) > 0 {
		host = cleanHost(host)
		if e := longestPrefix(t.exact[host], path); e != nil {
			return e.route, e.preview
		}
		if e := t.findWild(host, path); e != nil {
			return e.route, e.preview
		}
	}
	if e := longestPrefix(t.every, path); e != nil {
		return e.route, e.preview
	}
	return nil, false
}

func (t *routing) findWild(host, path string) *entry {
	if len(t.wild) == 0 {
		return nil
	}
	for i := 1; i < len(host); i++ { // from 1: the star stands for something
		if host[i] != '.' {
			continue
		}
		if e := longestPrefix(t.wild[host[i:]], path); e != nil {
			return e
		}
	}
	return nil
}

func longestPrefix(es []entry, path string) *entry {
	for i := range es {
		if underPrefix(es[i].path, path) {
			return &es[i]
		}
	}
	return nil
}

// underPrefix tells whether path is prefix or lies below it. prefix is clean:
// empty for everything, else without a slash at its end.
func underPrefix(prefix, path string) bool {
	return strings.HasPrefix(path, prefix) && (prefix == "" || len(path) == len(prefix) || path[len(prefix)] == '/')
}

func cleanPrefix(path string) string { return strings.TrimRight(path, "/") }

// cleanHost is the host in lower case, without port and final dot.
func cleanHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		if host[0] == '[' || strings.IndexByte(host, ':') == i {
			host = host[:i]
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// match is the share of the first group with a rule that fits the request, nil
// if there is none or if it has no backend to give.
func (rt *route) match(s *spread, v *Visitor) *share {
	for _, a := range rt.arms {
		for _, m := range a.group.Match {
			if m.fits(v) {
				return s.serving(a.revision)
			}
		}
	}
	return nil
}

func (m Match) fits(v *Visitor) bool {
	var got string
	if m.Header != "" {
		got = v.header(m.Header)
	} else {
		got = v.cookie(m.Cookie)
	}
	return got != "" && (m.Value == "" || got == m.Value)
}
