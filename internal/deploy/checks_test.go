package deploy

import (
	"fmt"
	"slices"
)

// The invariants. Each is a named check that the simulation holds against every decision before it is carried out, or
// against the end of every rollout.
const (
	checkServing   = "healthy enabled instances stay at MinServing"
	checkTotal     = "existing instances stay at MaxTotal"
	checkHealthy   = "no unhealthy instance is published"
	checkStop      = "nothing is stopped that a proxy routes to or that has a request in flight"
	checkFailed    = "after a failing verdict the canary gets what the overload rule leaves"
	checkOverload  = "no stable instance is given more than max_overload of its share"
	checkEnds      = "every rollout ends and every service comes to rest"
	checkBack      = "a way back is never rolled back"
	checkSameEnd   = "a killed controller reaches the same end"
	checkSupersede = "a deploy in a rollout leaves someone to answer everything"
	checkFix       = "a fix can be shipped while stable is broken"
	checkInnocent  = "a good version is not taken back for what is not its fault"
	checkEvidence  = "nothing is promoted without a request"
	checkKept      = "what is still needed is kept"
	checkAlone     = "a program that cannot run twice never does"
	checkHeld      = "who waits while a version is replaced in its place is answered in time"
	checkAhead     = "nothing is stopped for a version that cannot be started"
)

var allChecks = []string{checkServing, checkTotal, checkHealthy, checkStop, checkFailed, checkOverload, checkEnds, checkBack,
	checkSameEnd, checkSupersede, checkFix, checkInnocent, checkEvidence, checkKept, checkAlone, checkHeld, checkAhead}

// violation is an invariant that did not hold.
type violation struct{ check, detail string }

func (v *violation) Error() string { return v.check + ": " + v.detail }

func broken(check, format string, a ...any) error {
	return &violation{check, fmt.Sprintf(format, a...)}
}

// judge holds one decision against the invariants: what was observed, what was decided, and the picture that is wanted.
func judge(l *life, before State, o Observation, after State, acts []Action) error {
	o.Routing = before.Routing
	if err := judgeTurn(before, o, after); err != nil {
		return err
	}
	live := 0
	for _, b := range l.w.bodies {
		if b.Live() {
			live++
		}
	}
	p := after.Picture()
	for _, a := range acts {
		var err error
		switch a := a.(type) {
		case Prepare:
			if !l.kept[a.Revision] {
				err = broken(checkKept, "%s is to be prepared", a.Revision)
			}
		case Start:
			if err := judgeAlone(l, a); err != nil {
				return err
			}
			if b := l.w.bodies[a.ID]; b == nil || !b.Live() {
				live++
			}
			if live > p.MaxTotal {
				err = broken(checkTotal, "%d with %s, at most %d", live, a.ID, p.MaxTotal)
			}
		case Publish:
			err = judgePublish(l, before, o, after, a.Routing)
		case Stop:
			err = judgeStop(l.w, a, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judgeTurn holds one rollout before a turn against the same after it.
func judgeTurn(before State, o Observation, after State) error {
	r, open := before.Open()
	if !open || after.Rollout == nil || after.Rollout.ID != r.ID {
		return nil
	}
	next := *after.Rollout
	if r.Returning && (!next.Returning || next.At < r.At || next.Result == Promoted) {
		return broken(checkBack, "%s", next.ID)
	}
	if v := o.Verdict; v.Rollout == r.ID && v.Outcome == Fail && !r.Passed && !next.Returning {
		return broken(checkFailed, "%s goes on", next.ID)
	}
	return nil
}

// seenAs is what a proxy sees of an instance that runs at an address, from its worst enemy's side.
func seenAs(o Observation, id, address string) Healthiness {
	if !slices.ContainsFunc(o.Instances, func(i Instance) bool { return i.ID == id && i.Address == address && i.State == Running }) {
		return Unhealthy
	}
	worst := Healthy
	for _, p := range o.Proxies {
		switch b, ok := p.Backends[id]; {
		case !ok || b.Address != address || b.Health == Unknown:
			worst = Unknown
		case b.Health == Unhealthy:
			return Unhealthy
		}
	}
	return worst
}

func count(r Routing, yes func(Member) bool) (n int) {
	for _, m := range r.Members {
		if yes(m) {
			n++
		}
	}
	return n
}

// servingNow counts members that have or had a part in the traffic, may still be given requests and were seen healthy.
func servingNow(r Routing, o Observation) int {
	return count(r, func(m Member) bool { return m.Enabled && m.Served && seenAs(o, m.ID, m.Address) == Healthy })
}

// soundNow counts the enabled members of a revision that nobody has seen fail. One that a new proxy has not probed yet
// counts: what nobody knows may not move traffic.
func soundNow(r Routing, o Observation, revision string) int {
	return count(r, func(m Member) bool {
		return m.Enabled && m.Revision == revision && seenAs(o, m.ID, m.Address) != Unhealthy
	})
}

func judgePublish(l *life, before State, o Observation, after State, next Routing) error {
	p, old := after.Picture(), before.Routing
	if err := judgeHold(l, o, old, next, after); err != nil {
		return err
	}
	if had, has := servingNow(old, o), servingNow(next, o); has < had && has < p.MinServing {
		return broken(checkServing, "from %d to %d, at least %d", had, has, p.MinServing)
	}
	for _, m := range next.Members {
		if was, ok := old.Member(m.ID); m.Enabled && !(ok && was.Enabled && was.Address == m.Address) && seenAs(o, m.ID, m.Address) != Healthy {
			return broken(checkHealthy, "%s at %s", m.ID, m.Address)
		}
	}
	room := Share(0)
	if n := soundNow(next, o, p.Stable); n > 0 {
		room = p.cap(n)
	}
	if !next.Proportional && next.Share(p.Stable) > room {
		return broken(checkOverload, "%s is given %s, its instances may take %s", p.Stable, next.Share(p.Stable), room)
	}
	if r, open := after.Open(); open && r.Returning && next.Share(r.To) > Whole-room {
		return broken(checkFailed, "%s is given %s, stable can take %s", r.To, next.Share(r.To), room)
	}
	if !l.sc.calm() || before.Removed || after.Removed || next.Hold {
		return nil
	}
	return judgeAnswered(before, o, next)
}

// judgeAnswered holds a routing against a world in which nothing breaks: everything must be answered.
func judgeAnswered(before State, o Observation, next Routing) error {
	sum := Share(0)
	for _, s := range next.Splits {
		sum += s.Share
		able := count(next, func(m Member) bool {
			return m.Enabled && m.Revision == s.Revision && seenAs(o, m.ID, m.Address) == Healthy
		})
		if s.Share > 0 && able == 0 {
			return broken(checkSupersede, "%s is given %s and has nobody", s.Revision, s.Share)
		}
	}
	if before.Stable != "" && sum != Whole {
		return broken(checkSupersede, "only %s of the traffic is answered", sum)
	}
	return nil
}

func judgeStop(w *world, a Stop, p Picture) error {
	b := w.bodies[a.ID]
	if b == nil || b.State != Running {
		return nil
	}
	for _, eye := range w.proxies {
		m, ok := eye.routing.Member(a.ID)
		if ok && m.Enabled && m.Address == b.Address {
			return broken(checkStop, "%s routes to %s", eye.ID, a.ID)
		}
		if n := eye.inFlight[a.ID]; ok && n > 0 && w.now.Sub(m.Since) < p.Drain {
			return broken(checkStop, "%s has %d requests on %s", eye.ID, n, a.ID)
		}
	}
	return nil
}

// judgeEnd holds the end of a rollout against what its revision deserved. In a rough world observations lie, so that
// nobody can be blamed there.
func judgeEnd(l *life, r Rollout) error {
	n := l.w.nature[r.To]
	judged := slices.ContainsFunc(r.Forth, func(s Step) bool { return s.Gate.Analysis != nil && !s.Picture.Hold })
	if r.Result == Promoted && n.silent && judged && !l.promoted[r.ID] {
		return broken(checkEvidence, "%s", r.ID)
	}
	if r.Result != RolledBack || l.sc.rough || !n.good(l.settings[r.To]) || l.hurried(r) || l.doubted(r) {
		return nil
	}
	if r.From != "" && !l.w.nature[r.From].good(l.settings[r.From]) {
		return broken(checkFix, "%s: %s", r.ID, r.Reason)
	}
	return broken(checkInnocent, "%s: %s", r.ID, r.Reason)
}
