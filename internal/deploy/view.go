package deploy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// view is an observation held against a picture: who is wanted, who is there, who is healthy.
type view struct {
	p      Picture
	o      Observation
	have   map[string]Instance
	wanted []seat
	seated map[string]seat
}

// seat is a wanted instance.
type seat struct {
	id    string
	slot  int
	group Group
}

func look(p Picture, o Observation) *view {
	v := &view{p: p, o: o, have: map[string]Instance{}, seated: map[string]seat{}}
	for _, i := range o.Instances {
		v.have[i.ID] = i
	}
	for _, g := range p.Groups {
		for _, slot := range v.slots(g) {
			s := seat{InstanceID(p.Service, g.Revision, slot), slot, g}
			v.wanted = append(v.wanted, s)
		}
	}
	v.makeRoom()
	for _, s := range v.wanted {
		v.seated[s.id] = s
	}
	return v
}

// makeRoom gives up broken instances that the picture does not await when they alone keep an awaited one from being
// started: MaxTotal is reached, and what nobody wants must stay because it is all that serves. Without it a fix could
// not be shipped while stable itself is broken.
func (v *view) makeRoom() {
	blocked, serving, leaving := 0, 0, 0
	wanted := map[string]bool{}
	for _, s := range v.wanted {
		wanted[s.id] = true
		if i, exists := v.have[s.id]; s.group.Await && (!exists || !i.Live()) {
			blocked++
		}
	}
	for _, i := range v.o.Instances {
		serves := v.healthy(i.ID) && v.enabled(i.ID)
		if serves {
			serving++
		}
		if !wanted[i.ID] && i.Live() && !serves {
			leaving++
		}
	}
	leaving += max(0, serving-v.p.MinServing)
	short := blocked - (v.p.MaxTotal - v.live()) - leaving
	v.wanted = slices.DeleteFunc(v.wanted, func(s seat) bool {
		if short <= 0 || s.group.Await || v.healthy(s.id) || !v.have[s.id].Live() {
			return false
		}
		short--
		return true
	})
}

// slots chooses which of a group's instances are wanted: those that serve before those that do not, then the lowest
// numbers. So a group that shrinks loses its broken instances first.
func (v *view) slots(g Group) []int {
	limit := v.end(g)
	var there []Instance
	for _, i := range v.o.Instances {
		if i.Revision == g.Revision && i.State == Running && i.Slot > g.First && i.Slot <= limit {
			there = append(there, i)
		}
	}
	slices.SortFunc(there, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(v.rank(a), v.rank(b)), cmp.Compare(a.Slot, b.Slot))
	})
	var chosen []int
	for _, i := range there[:min(len(there), g.Instances)] {
		chosen = append(chosen, i.Slot)
	}
	for slot := g.First + 1; len(chosen) < g.Instances; slot++ {
		if !slices.Contains(chosen, slot) {
			chosen = append(chosen, slot)
		}
	}
	slices.Sort(chosen)
	return chosen
}

// end is the last slot that may belong to a group: where the next group of the same revision begins.
func (v *view) end(g Group) int {
	limit := 1 << 20
	for _, other := range v.p.Groups {
		if other.Revision == g.Revision && other.First > g.First {
			limit = min(limit, other.First)
		}
	}
	return limit
}

func (v *view) rank(i Instance) int {
	switch healthy, enabled := v.healthy(i.ID), v.enabled(i.ID); {
	case healthy && enabled:
		return 0
	case healthy:
		return 1
	case enabled:
		return 2
	default:
		return 3
	}
}

// healthy reports whether every proxy sees the instance healthy at its present address.
func (v *view) healthy(id string) bool {
	i, ok := v.have[id]
	if !ok || i.State != Running || len(v.o.Proxies) == 0 {
		return false
	}
	for _, p := range v.o.Proxies {
		if b, ok := p.Backends[id]; !ok || b.Health != Healthy || b.Address != i.Address {
			return false
		}
	}
	return true
}

// enabled reports whether the last published routing gives the instance requests at its present address.
func (v *view) enabled(id string) bool {
	m, ok := v.o.Routing.Member(id)
	return ok && m.Enabled && m.Address == v.have[id].Address
}

// applied reports whether every proxy follows the last published routing.
func (v *view) applied() bool {
	for _, p := range v.o.Proxies {
		if p.Version != v.o.Routing.Version {
			return false
		}
	}
	return len(v.o.Proxies) > 0 || v.o.Routing.Version == 0
}

// inFlight is the number of requests that the proxies have on an instance.
func (v *view) inFlight(id string) (n int) {
	for _, p := range v.o.Proxies {
		n += p.Backends[id].InFlight
	}
	return n
}

// live counts the instances that occupy the machine.
func (v *view) live() (n int) {
	for _, i := range v.o.Instances {
		if i.Live() {
			n++
		}
	}
	return n
}

// surplus lists the instances that nobody wants, in the order in which they go: broken ones first, then the newest revision.
func (v *view) surplus() []Instance {
	var out []Instance
	for _, i := range v.o.Instances {
		if _, ok := v.seated[i.ID]; !ok {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b Instance) int {
		return cmp.Or(-cmp.Compare(v.rank(a), v.rank(b)), -cmp.Compare(Number(a.Revision), Number(b.Revision)), -cmp.Compare(a.Slot, b.Slot))
	})
	return out
}

// revisions lists those that the picture or the world knows, the picture's first.
func (v *view) revisions() []string {
	var out []string
	for _, g := range v.p.Groups {
		if !g.Idle && !slices.Contains(out, g.Revision) {
			out = append(out, g.Revision)
		}
	}
	rest := map[string]bool{}
	for _, i := range v.o.Instances {
		if !slices.Contains(out, i.Revision) {
			rest[i.Revision] = true
		}
	}
	return append(out, slices.SortedFunc(maps.Keys(rest), func(a, b string) int {
		return cmp.Or(cmp.Compare(Number(a), Number(b)), strings.Compare(a, b))
	})...)
}

// backoff is how long a program that ended soon after its start waits for the next one: 0.5 s, doubled each time, at most 30 s.
func backoff(exits int) time.Duration {
	if exits == 0 {
		return 0
	}
	return min(30*time.Second, 500*time.Millisecond<<min(exits-1, 8))
}
