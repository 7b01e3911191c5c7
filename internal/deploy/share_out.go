package deploy

import "math"

// shares computes what each revision may be given now: what the picture says, held against who is able to answer.
//
//   - Stable may be given as much as the overload cap of its healthy instances allows, at once.
//   - Another revision is given more only when all its instances are ready, and less at once.
//   - What is then missing goes to Stable up to its cap, to revisions that are on their way out, and last to the
//     candidate, each up to its own cap. What still nobody can take is held by the proxies.
func (v *view) shares(on map[string]bool) map[string]Share {
	out := map[string]Share{}
	if v.p.proportional() {
		return out
	}
	missing := Whole
	give := func(revision string, upTo Share) {
		got := max(0, min(upTo, missing, v.limit(revision, on)-out[revision]))
		out[revision] += got
		missing -= got
	}
	for _, g := range v.p.Groups {
		switch {
		case g.Idle:
		case g.Revision == v.p.Stable, v.ready(g, on):
			give(g.Revision, g.Share)
		default:
			give(g.Revision, min(g.Share, v.o.Routing.Share(g.Revision)))
		}
	}
	if v.p.Stable == "" { // nothing is to serve: what there is goes
		return out
	}
	give(v.p.Stable, missing)
	for _, revision := range v.revisions() {
		if _, known := v.p.group(revision); !known {
			give(revision, missing)
		}
	}
	for _, g := range v.p.Groups {
		if !g.Idle && g.Share > 0 {
			give(g.Revision, missing)
		}
	}
	return out
}

// ready reports whether all wanted instances of a group are healthy and may be given requests.
func (v *view) ready(g Group, on map[string]bool) bool {
	for _, s := range v.wanted {
		if s.group.Revision == g.Revision && !s.group.Idle && (!on[s.id] || !v.healthy(s.id)) {
			return false
		}
	}
	return true
}

// limit is the largest share that the healthy enabled instances of a revision may be given.
func (v *view) limit(revision string, on map[string]bool) Share {
	healthy := 0
	for id := range on {
		if v.have[id].Revision == revision && v.healthy(id) {
			healthy++
		}
	}
	if healthy == 0 {
		return 0
	}
	return v.p.cap(healthy)
}

// cap is what so many instances may be given without one of them exceeding the overload rule.
func (p Picture) cap(instances int) Share {
	if p.MaxOverload == 0 || p.Full == 0 {
		return Whole
	}
	return Share(min(float64(Whole), math.Floor(float64(instances)*p.MaxOverload*float64(Whole)/float64(p.Full))))
}

// splits writes the shares down, the picture's revisions first. Where traffic is proportional they are what the
// healthy enabled instances make of it at this moment; the proxies compute them anew with every change of health.
func (v *view) splits(on map[string]bool, shares map[string]Share) []Split {
	if v.p.proportional() {
		shares = v.parts(on)
	}
	var out []Split
	for _, revision := range v.revisions() {
		g, known := v.p.group(revision)
		if known || shares[revision] > 0 {
			out = append(out, Split{revision, shares[revision], g.Match})
		}
	}
	return out
}

// parts gives each revision its part of the healthy enabled instances; rounding goes to the last.
func (v *view) parts(on map[string]bool) map[string]Share {
	count, total := map[string]int{}, 0
	for id := range on {
		if v.healthy(id) {
			count[v.have[id].Revision]++
			total++
		}
	}
	out, left := map[string]Share{}, total
	rest := Whole
	for _, revision := range v.revisions() {
		if n := count[revision]; n > 0 {
			out[revision] = Share(n * int(rest) / left)
			rest -= out[revision]
			left -= n
		}
	}
	return out
}
