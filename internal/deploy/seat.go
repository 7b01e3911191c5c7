package deploy

import (
	"cmp"
	"slices"
)

// seat is a wanted instance; one is nil when it does not exist.
type seat struct {
	id    string
	slot  int
	group Group
	one   *one
}

// Wants reports whether a picture wants an instance that is being started: one that it does not can only be in the way.
func Wants(p Picture, o Observation, id string) bool {
	return slices.ContainsFunc(look(p, o).seats, func(s seat) bool { return s.id == id })
}

// live reports whether the seat is taken, by an instance that runs or is on its way out.
func (s seat) live() bool { return s.one != nil && s.one.Live() }

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

// find returns the instance in a slot, which may have ended or be on its way out; nil when there is none.
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

// rank orders instances by their use: the lower, the later they go. One that is given requests is of more use than one
// that is not, and a broken one of the least; what nobody has probed yet stands between.
func rank(n *one) (r int) {
	if n.State != Running {
		return 8
	}
	if n.health == Unhealthy {
		r += 4
	}
	if !n.member.Enabled {
		r += 2
	}
	if n.health == Unknown {
		r++
	}
	return r
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
