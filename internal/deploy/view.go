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

// healthy reports whether all proxies have seen it answer: what is new must have proved that before it is given anything.
func (i *one) healthy() bool { return i.health == Healthy }

// sound reports whether an instance that was found healthy may go on being counted on. What a proxy that was just
// started does not know yet is no reason to move traffic.
func (i *one) sound() bool { return i.on && i.health != Unhealthy }

// look holds an observation against a picture and decides who answers. It changes nothing but the view.
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

// examine gathers what is known of an instance. A member of the routing that had another address was an earlier life of
// it: what was said of that one says nothing of this one.
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
