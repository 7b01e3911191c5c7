package deploy

import "math"

// shares computes what each revision may be given now: what the picture says, held against who is able to answer.
//
//   - Stable may be given as much as the overload cap of its sound instances allows, at once.
//   - Another revision is given more only when all its instances are ready, and less at once.
//   - What is then missing goes to Stable up to its cap, to revisions that are on their way out, and last to the
//     candidate or a warm revision, each up to its own cap. What still nobody can take is held by the proxies. One that
//     has never carried traffic, such as a first version that has not passed its tests, is not the one to help out.
func (v *view) shares() map[string]Share {
	out := map[string]Share{}
	if v.p.proportional() {
		return out
	}
	missing := Whole
	give := func(revision string, upTo Share) {
		got := max(0, min(upTo, missing, v.limit(revision)-out[revision]))
		out[revision] += got
		missing -= got
	}
	for _, g := range v.p.Groups {
		switch {
		case g.Idle:
		case g.Revision == v.p.Stable, v.ready(g):
			give(g.Revision, g.Share)
		default:
			give(g.Revision, min(g.Share, v.o.Routing.Share(g.Revision)))
		}
	}
	if v.p.Stable == "" { // nothing is to serve: what there is goes
		return out
	}
	give(v.p.Stable, missing)
	for _, revision := range v.revisions {
		if _, known := v.p.group(revision); !known && v.o.Routing.served(revision) > 0 {
			give(revision, missing)
		}
	}
	for _, g := range v.p.Groups {
		if !g.Idle && (g.Share > 0 || v.o.Routing.served(g.Revision) > 0) {
			give(g.Revision, missing)
		}
	}
	return out
}

// ready reports whether all wanted instances of a group are healthy and may be given requests.
func (v *view) ready(g Group) bool {
	for _, s := range v.seats {
		if s.group.Revision == g.Revision && !s.group.Idle && (s.one == nil || !s.one.on || !s.one.healthy()) {
			return false
		}
	}
	return true
}

// limit is the largest share that the sound instances of a revision may be given.
func (v *view) limit(revision string) Share {
	n := v.sound(revision)
	if n == 0 {
		return 0
	}
	return v.p.cap(n)
}

// sound counts the instances of a revision that requests may go to.
func (v *view) sound(revision string) (n int) {
	for i := range v.all {
		if one := &v.all[i]; one.Revision == revision && one.sound() {
			n++
		}
	}
	return n
}

// cap is what so many instances may be given without one of them exceeding the overload rule.
func (p Picture) cap(instances int) Share {
	if p.MaxOverload == 0 || p.Full == 0 {
		return Whole
	}
	return Share(min(float64(Whole), math.Floor(float64(instances)*p.MaxOverload*float64(Whole)/float64(p.Full))))
}

// splits writes the shares down, the picture's revisions first. Where traffic is proportional they are what the
// sound instances make of it at this moment; the proxies compute them anew with every change of health.
func (v *view) splits(shares map[string]Share) []Split {
	if v.p.proportional() {
		shares = v.parts()
	}
	out := make([]Split, 0, len(v.revisions))
	for _, revision := range v.revisions {
		g, known := v.p.group(revision)
		if v.sound(revision) == 0 { // whoever is to come here always finds somebody first
			g.Match = nil
		}
		if known || shares[revision] > 0 {
			out = append(out, Split{revision, shares[revision], g.Match})
		}
	}
	return out
}

// parts gives each revision its part of the sound instances; rounding goes to the last.
func (v *view) parts() map[string]Share {
	left, rest := 0, Whole
	for _, revision := range v.revisions {
		left += v.sound(revision)
	}
	out := map[string]Share{}
	for _, revision := range v.revisions {
		if n := v.sound(revision); n > 0 {
			out[revision] = Share(n * int(rest) / left)
			rest -= out[revision]
			left -= n
		}
	}
	return out
}
