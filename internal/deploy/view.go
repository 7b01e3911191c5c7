package deploy

import (
	"cmp"
	"slices"
	"strings"
)

// view is an observation held against a picture: who is there, who is wanted, and who answers from now on.
type view struct {
	p         Picture
	o         Observation
	all       []one
	seats     []seat   // the wanted ones
	revisions []string // those that the picture or the world knows, the picture's first
	next      Routing  // what the proxies should be told now
}

// one is an instance and all that is known of it.
type one struct {
	Instance
	health   Healthiness
	member   Member // its place in the last published routing, if it has one at its present address
	on       bool   // it may be given requests from now on
	wanted   bool
	idle     bool // wanted, but without requests
	inFlight int
}

func (i *one) healthy() bool { return i.health == Healthy }

// sound reports whether an instance that was found healthy may go on being counted on. What a proxy that was just
// started does not know yet is no reason to move traffic.
func (i *one) sound() bool { return i.on && i.health != Unhealthy }

// seat is a wanted instance; one is nil when it does not exist.
type seat struct {
	id    string
	slot  int
	group Group
	one   *one
}

func (s seat) live() bool { return s.one != nil && s.one.Live() }

func look(p Picture, o Observation) *view {
	v := &view{p: p, o: o, all: make([]one, len(o.Instances))}
	for i, instance := range o.Instances {
		v.all[i] = examine(instance, o)
	}
	v.revisions = v.known()
	for _, g := range p.Groups {
		v.seat(g)
	}
	v.makeRoom()
	for _, s := range v.seats {
		if s.one != nil {
			s.one.wanted, s.one.idle = true, s.group.Idle
		}
	}
	v.next = v.routing()
	return v
}

func examine(i Instance, o Observation) one {
	n := one{Instance: i, health: o.health(i)}
	if m, ok := o.Routing.Member(i.ID); ok && m.Address == i.Address {
		n.member = m
	}
	for _, p := range o.Proxies {
		n.inFlight += p.Backends[i.ID].InFlight
	}
	return n
}

// health is what all proxies together say of an instance at its present address: it is healthy when each of them
// says so, and unhealthy when one of them does.
func (o Observation) health(i Instance) Healthiness {
	if i.State != Running || i.Ready != nil && !*i.Ready {
		return Unhealthy
	}
	all := Unknown
	if len(o.Proxies) > 0 {
		all = Healthy
	}
	for _, p := range o.Proxies {
		switch b := p.Backends[i.ID]; {
		case b.Address != i.Address || b.Health == Unknown || b.Health == "":
			all = Unknown
		case b.Health == Unhealthy:
			return Unhealthy
		}
	}
	return all
}

// seat chooses which of a group's instances are wanted: those that serve before those that do not, then the lowest
// numbers. So a group that shrinks loses its broken instances first.
func (v *view) seat(g Group) {
	limit := v.end(g)
	there := make([]*one, 0, len(v.all))
	for i := range v.all {
		if n := &v.all[i]; n.Revision == g.Revision && n.Slot > g.First && n.Slot <= limit {
			there = append(there, n)
		}
	}
	slices.SortFunc(there, func(a, b *one) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Slot, b.Slot)) })
	begin := len(v.seats)
	for _, n := range there[:min(len(there), g.Instances)] {
		if n.State == Running {
			v.seats = append(v.seats, seat{n.ID, n.Slot, g, n})
		}
	}
	for slot := g.First + 1; len(v.seats)-begin < g.Instances; slot++ {
		if !slices.ContainsFunc(v.seats[begin:], func(s seat) bool { return s.slot == slot }) {
			v.seats = append(v.seats, seat{slot: slot, group: g})
		}
	}
	for i := begin; i < len(v.seats); i++ {
		if s := &v.seats[i]; s.one == nil {
			s.id, s.one = InstanceID(v.p.Service, g.Revision, s.slot), find(there, s.slot)
		}
	}
	slices.SortFunc(v.seats[begin:], func(a, b seat) int { return cmp.Compare(a.slot, b.slot) })
}

func find(there []*one, slot int) *one {
	for _, n := range there {
		if n.Slot == slot {
			return n
		}
	}
	return nil
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

// rank orders instances by their use: the lower, the later they go.
func rank(n *one) int {
	out := 0
	switch {
	case n.State != Running:
		return 6
	case n.health == Unhealthy:
		out = 4
	case n.health == Unknown && !n.member.Enabled:
		out = 3
	case n.health == Healthy && !n.member.Enabled:
		out = 2
	case n.health == Unknown:
		out = 1
	}
	if n.health == Unhealthy && !n.member.Enabled {
		out++
	}
	return out
}

// makeRoom gives up broken instances that the picture does not await when they alone keep an awaited one from being
// started: MaxTotal is reached, and what nobody wants must stay because it is all that serves. Without it a fix could
// not be shipped while stable itself is broken.
func (v *view) makeRoom() {
	missing, serving, leaving := v.missing(), 0, 0
	for i := range v.all {
		n := &v.all[i]
		serves := n.healthy() && n.member.Enabled
		if serves {
			serving++
		}
		if n.Live() && !serves && !slices.ContainsFunc(v.seats, func(s seat) bool { return s.one == n }) {
			leaving++
		}
	}
	leaving += max(0, serving-v.p.MinServing)
	short := missing - (v.p.MaxTotal - v.live()) - leaving
	v.seats = slices.DeleteFunc(v.seats, func(s seat) bool {
		if short <= 0 || s.group.Await || !s.live() || s.one.health != Unhealthy {
			return false
		}
		short--
		return true
	})
}

// missing counts what the picture awaits and does not run.
func (v *view) missing() (n int) {
	for _, s := range v.seats {
		if s.group.Await && !s.live() {
			n++
		}
	}
	return n
}

// live counts the instances that occupy the machine.
func (v *view) live() (n int) {
	for i := range v.all {
		if v.all[i].Live() {
			n++
		}
	}
	return n
}

// applied reports whether every proxy follows the last published routing.
func (v *view) applied() bool { return v.follow(v.o.Routing.Version) }

// latest is the highest version that anybody knows.
func (v *view) latest() uint64 {
	version := v.o.Routing.Version
	for _, p := range v.o.Proxies {
		version = max(version, p.Version)
	}
	return version
}

// follow reports whether every proxy has taken over a version or a later one of ours.
func (v *view) follow(version uint64) bool {
	for _, p := range v.o.Proxies {
		if p.Version < version || p.Version > v.o.Routing.Version {
			return false
		}
	}
	return len(v.o.Proxies) > 0 || version == 0
}

// surplus lists the instances that nobody wants.
func (v *view) surplus() (out []*one) {
	for i := range v.all {
		if n := &v.all[i]; !n.wanted {
			out = append(out, n)
		}
	}
	return out
}

// known lists the revisions of the picture, then those that still run, the oldest first.
func (v *view) known() []string {
	out := make([]string, 0, 4)
	for _, g := range v.p.Groups {
		if !g.Idle && !slices.Contains(out, g.Revision) {
			out = append(out, g.Revision)
		}
	}
	pictured := len(out)
	for i := range v.all {
		if !slices.Contains(out, v.all[i].Revision) {
			out = append(out, v.all[i].Revision)
		}
	}
	slices.SortFunc(out[pictured:], func(a, b string) int {
		return cmp.Or(cmp.Compare(Number(a), Number(b)), strings.Compare(a, b))
	})
	return out
}
