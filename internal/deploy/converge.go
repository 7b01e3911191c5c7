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
	acts = append(v.prepares(), v.starts()...)
	if v.changed() {
		acts = append(acts, Publish{v.next})
	} else if !v.applied() { // it may have been lost, or a proxy has been started anew
		acts = append(acts, Publish{o.Routing})
	}
	return append(acts, v.stops()...), v.settled()
}

// changed reports whether the proxies should be told something else than they were.
func (v *view) changed() bool { return v.next.Version != v.o.Routing.Version }

// settled asks only for what the picture awaits. That others come and go, such as instances of a stable which crashes now
// and then, makes no picture untrue; otherwise no fix could ever be baked beside it.
func (v *view) settled() bool {
	return v.next.Traffic == v.o.Routing.Traffic && v.follow(v.o.Routing.Traffic) && v.reached() && v.ahead()
}

// prepares asks for every revision of the picture, again and again until it is ready or certainly cannot be.
func (v *view) prepares() (acts []Action) {
	for _, g := range v.p.Groups {
		if r := v.o.Prepared[g.Revision]; !r.Ready && r.Err == "" && g.Instances > 0 {
			acts = append(acts, Prepare{g.Revision})
		}
	}
	if r := v.o.Prepared[v.p.Ahead]; v.p.Ahead != "" && !r.Ready && r.Err == "" {
		acts = append(acts, Prepare{v.p.Ahead})
	}
	return acts
}

// starts brings up what is missing, what the picture awaits before everything else, as far as MaxTotal has room and
// the last crash is long enough ago. Where only one revision may run, nothing begins before what is not wanted has ended.
func (v *view) starts() (acts []Action) {
	total := v.live()
	if v.p.Hold && v.leaving() > 0 {
		return nil
	}
	for _, awaited := range []bool{true, false} {
		for _, s := range v.seats {
			switch {
			case s.group.Await != awaited, s.live(), !v.o.Prepared[s.group.Revision].Ready:
			case s.one != nil && v.o.Now.Sub(s.one.Ended) < backoff(s.one.Exits):
			case total >= v.p.MaxTotal:
			default:
				acts = append(acts, Start{s.id, s.group.Revision, s.slot})
				total++
			}
		}
	}
	return acts
}

// backoff is how long a program that ended soon after its start waits for the next one: 0.5 s, doubled each time, at most 30 s.
func backoff(exits int) time.Duration {
	if exits <= 0 {
		return 0
	}
	return min(30*time.Second, 500*time.Millisecond<<min(exits-1, 8))
}

// routing is what the proxies should be told now; changed and settled compare it with what they were told last.
func (v *view) routing() Routing {
	p, last := v.p, v.o.Routing
	next := Routing{Version: last.Version, Traffic: last.Traffic, Proportional: p.proportional(), Stable: p.Stable, Canary: p.Canary,
		Rollout: p.Rollout, Full: p.Full, MaxOverload: p.MaxOverload, Preview: p.Preview}
	v.enable()
	shares := v.shares()
	if v.retire(shares) { // what the retired ones answered must go to somebody
		shares = v.shares()
	}
	next.Members = make([]Member, 0, len(v.all))
	for i := range v.all {
		if n := &v.all[i]; n.State == Running {
			next.Members = append(next.Members, v.member(n, v.carries(n, shares)))
		}
	}
	slices.SortFunc(next.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	next = v.hold(next)
	next.Splits = v.splits(shares)
	known := v.latest()
	lost := known > last.Version // a proxy has been told what nobody here remembers
	if !lost && next.same(last) {
		return next
	}
	next.Version = known + 1
	if lost || !v.sameTraffic(next) {
		next.Traffic = next.Version
	}
	return next
}

// sameTraffic reports whether nothing changes that the picture waits for: the rules, who of the awaited answers, and the
// shares, where they do not only follow the health of instances.
func (v *view) sameTraffic(next Routing) bool {
	last := v.o.Routing
	var awaited []string
	for _, g := range v.p.Groups {
		if g.Await {
			awaited = append(awaited, g.Revision)
		}
	}
	return slices.EqualFunc(next.enabled(awaited), last.enabled(awaited), Member.same) &&
		(next.Proportional || next.sameShares(last)) && next.sameRules(last)
}

// member writes an instance down. Since is kept as long as nothing changes: the drain timeout counts from it.
func (v *view) member(n *one, carries bool) Member {
	m := n.member
	if m.ID == "" {
		m = Member{ID: n.ID, Revision: n.Revision, Address: n.Address, Since: v.o.Now}
	}
	if m.Enabled != n.on {
		m.Enabled, m.Since = n.on, v.o.Now
	}
	m.Served = n.on && (m.Served || carries)
	return m
}

// carries reports whether an instance that is given requests has a part in the random traffic.
func (v *view) carries(n *one, shares map[string]Share) bool {
	return !n.idle && (v.p.proportional() || shares[n.Revision] > 0)
}

// enable finds who may be given requests: who is given them already, and the wanted ones that have proved to be healthy.
func (v *view) enable() {
	for i := range v.all {
		n := &v.all[i]
		n.on = n.State == Running && (n.member.Enabled || n.wanted && !n.idle && n.healthy())
	}
}

// stops ends the unwanted instances that every proxy has let go of and that have finished what was in flight, or had
// the drain timeout to do so.
func (v *view) stops() (acts []Action) {
	for _, n := range v.surplus() {
		if n.State == Exited || n.State == Running && !n.on && v.drained(n) {
			acts = append(acts, Stop{n.ID, n.Revision})
		}
	}
	return acts
}

// drained asks the published routing and not the next one: what was disabled a moment ago, no proxy has heard of yet.
func (v *view) drained(n *one) bool {
	if n.member.ID == "" || n.member.Enabled || !v.applied() {
		return false
	}
	return n.inFlight == 0 || v.o.Now.Sub(n.member.Since) >= v.p.Drain
}

// reached reports whether all that the picture awaits is healthy and serves with the share it should have. It may have
// more: where stable is broken, a fix answers what nobody else can.
func (v *view) reached() bool {
	for _, s := range v.seats {
		if s.group.Await && (s.one == nil || !s.one.healthy() || s.one.member.Enabled == s.group.Idle) {
			return false
		}
	}
	for _, g := range v.p.Groups {
		if g.Await && !g.Idle && g.Share != Proportional && v.next.Share(g.Revision) < g.Share {
			return false
		}
	}
	return true
}

// empty reports whether nothing is left that the picture does not want, and whether the groups without traffic have
// finished theirs since the given time, or had the drain timeout to do so.
func (v *view) empty(since time.Time) bool {
	if !v.applied() || len(v.surplus()) > 0 {
		return false
	}
	waited := v.o.Now.Sub(since) >= v.p.Drain
	if v.p.Hold && v.waitingRequests() > 0 && !waited { // they are the rollout's as well
		return false
	}
	for _, s := range v.seats {
		if s.group.Share == 0 && !s.group.Idle && s.one != nil && s.one.inFlight > 0 && !waited {
			return false
		}
	}
	return true
}
