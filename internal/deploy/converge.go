package deploy

import (
	"cmp"
	"slices"
	"time"
)

// Converge makes before it breaks: start what is missing, wait until it is healthy, publish the traffic, drain, stop.
//
// Every strategy, every way back and every service at rest is this one order applied to another picture.
// Starts stay below MaxTotal, drains above MinServing. Settled says that the picture is true: all that it awaits is
// healthy and serves, and every proxy follows; instances that nobody wants any more may still be draining.
func Converge(p Picture, o Observation) (acts []Action, settled bool) {
	v := look(p, o)
	acts = append(acts, v.prepares()...)
	acts = append(acts, v.starts()...)
	next := v.routing()
	published := next.same(o.Routing)
	if !published {
		next.Version = o.Routing.Version + 1
		acts = append(acts, Publish{next})
	}
	acts = append(acts, v.stops(next)...)
	return acts, published && v.applied() && v.reached(next)
}

func (v *view) prepares() (acts []Action) {
	for _, g := range v.p.Groups {
		if r := v.o.Prepared[g.Revision]; !r.Ready && r.Err == "" && g.Instances > 0 {
			acts = append(acts, Prepare{g.Revision})
		}
	}
	return acts
}

// starts brings up what is missing, as far as MaxTotal has room and the last crash is long enough ago.
func (v *view) starts() (acts []Action) {
	total := v.live()
	first := slices.Clone(v.wanted)
	slices.SortStableFunc(first, func(a, b seat) int { return cmp.Compare(order(a), order(b)) })
	for _, s := range first {
		i, exists := v.have[s.id]
		switch {
		case exists && i.Live(), !v.o.Prepared[s.group.Revision].Ready:
		case exists && v.o.Now.Sub(i.Ended) < backoff(i.Exits):
		case total >= v.p.MaxTotal:
		default:
			acts = append(acts, Start{s.id, s.group.Revision, s.slot})
			total++
		}
	}
	return acts
}

// order puts what the picture awaits before everything else.
func order(s seat) int {
	if s.group.Await {
		return 0
	}
	return 1
}

// routing is what the proxies should be told now.
func (v *view) routing() Routing {
	p := v.p
	next := Routing{Version: v.o.Routing.Version, Proportional: p.proportional(), Stable: p.Stable, Canary: p.Canary,
		Rollout: v.o.Routing.Rollout, Full: p.Full, MaxOverload: p.MaxOverload, Hold: p.Hold, Preview: p.Preview}
	on := v.enables()
	shares := v.shares(on)
	v.retire(on, shares)
	for _, i := range v.o.Instances {
		if i.State == Running {
			next.Members = append(next.Members, v.member(i, on[i.ID], p.proportional() || shares[i.Revision] > 0))
		}
	}
	slices.SortFunc(next.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	next.Splits = v.splits(on, shares)
	return next
}

func (v *view) member(i Instance, on, carries bool) Member {
	m, known := v.o.Routing.Member(i.ID)
	if !known || m.Address != i.Address {
		m = Member{ID: i.ID, Revision: i.Revision, Address: i.Address, Since: v.o.Now}
	}
	if m.Enabled != on {
		m.Enabled, m.Since = on, v.o.Now
	}
	m.Served = on && (m.Served || carries)
	return m
}

// enables lists who may be given requests: who is given them already, and the wanted ones that have proved to be healthy.
func (v *view) enables() map[string]bool {
	on := map[string]bool{}
	for id, i := range v.have {
		if i.State == Running && v.enabled(id) {
			on[id] = true
		}
	}
	for _, s := range v.wanted {
		switch {
		case s.group.Idle:
			delete(on, s.id)
		case v.healthy(s.id):
			on[s.id] = true
		}
	}
	return on
}

// retire takes away instances that nobody wants: broken ones at once, others as long as MinServing stays and their
// revision answers for nothing. Instances that never had a part in the traffic, such as a green that was not swapped
// in, serve nobody and count for nothing.
func (v *view) retire(on map[string]bool, shares map[string]Share) {
	serves := func(id string) bool {
		m, _ := v.o.Routing.Member(id)
		return on[id] && v.healthy(id) && (m.Served || v.p.proportional() || shares[v.have[id].Revision] > 0)
	}
	serving := 0
	for id := range on {
		if serves(id) {
			serving++
		}
	}
	for _, i := range v.surplus() {
		if !on[i.ID] {
			continue
		}
		counts := serves(i.ID)
		if counts && (serving-1 < v.p.MinServing || v.leftover(i, on, shares)) {
			continue
		}
		delete(on, i.ID)
		if counts {
			serving--
		}
	}
}

// leftover reports whether an instance is still needed for what stable cannot take yet: the rest of its revision could
// not answer that within the overload rule. Where its place is needed to bring up what the picture awaits, it goes all the same.
func (v *view) leftover(i Instance, on map[string]bool, shares map[string]Share) bool {
	if _, known := v.p.group(i.Revision); known || v.p.proportional() || shares[i.Revision] == 0 || v.blocked() {
		return false
	}
	rest := 0
	for id := range on {
		if id != i.ID && v.have[id].Revision == i.Revision && v.healthy(id) {
			rest++
		}
	}
	return rest == 0 || v.p.cap(rest) < shares[i.Revision]
}

// blocked reports whether MaxTotal has no room for what is awaited and does not run.
func (v *view) blocked() bool {
	missing := 0
	for _, s := range v.wanted {
		if s.group.Await && !v.have[s.id].Live() {
			missing++
		}
	}
	return missing > 0 && v.live() >= v.p.MaxTotal
}

// stops ends the unwanted instances that every proxy has let go of and that have finished what was in flight, or had
// the drain timeout to do so.
func (v *view) stops(next Routing) (acts []Action) {
	for _, i := range v.surplus() {
		if i.State == Stopping {
			continue
		}
		if m, ok := next.Member(i.ID); ok && (m.Enabled || !v.drained(i.ID)) {
			continue
		}
		acts = append(acts, Stop{i.ID, i.Revision})
	}
	return acts
}

func (v *view) drained(id string) bool {
	m, known := v.o.Routing.Member(id)
	if !known || m.Enabled || !v.applied() {
		return false
	}
	return v.inFlight(id) == 0 || v.o.Now.Sub(m.Since) >= v.p.Drain
}

// reached reports whether all that the picture awaits is healthy and serves with the share it should have.
func (v *view) reached(next Routing) bool {
	for _, s := range v.wanted {
		if s.group.Await && (!v.healthy(s.id) || !s.group.Idle && !v.enabled(s.id)) {
			return false
		}
	}
	for _, g := range v.p.Groups {
		if g.Await && !g.Idle && g.Share != Proportional && next.Share(g.Revision) != g.Share {
			return false
		}
	}
	return true
}

// Drained reports whether nothing is left that the picture does not want, and whether the groups without traffic have
// finished theirs since the given time, or had the drain timeout to do so.
func Drained(p Picture, o Observation, since time.Time) bool {
	v := look(p, o)
	if !v.applied() || len(v.surplus()) > 0 {
		return false
	}
	for _, s := range v.wanted {
		waited := o.Now.Sub(since) >= p.Drain
		if s.group.Share == 0 && !s.group.Idle && v.inFlight(s.id) > 0 && !waited {
			return false
		}
	}
	return true
}
