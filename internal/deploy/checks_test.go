package deploy

import (
	"fmt"
	"slices"
)

// The invariants. Each is a named check that the simulation runs on every decision before it is carried out.
const (
	checkServing   = "healthy enabled instances stay at MinServing"
	checkTotal     = "existing instances stay at MaxTotal"
	checkHealthy   = "no unhealthy instance is published"
	checkStop      = "nothing is stopped that a proxy routes to or that has a request in flight"
	checkFailed    = "after a failing verdict the canary gets what the overload rule leaves"
	checkOverload  = "no stable instance is given more than max_overload of its share"
	checkEnds      = "every rollout ends"
	checkBack      = "a way back is never rolled back"
	checkSameEnd   = "a killed controller reaches the same end"
	checkSupersede = "a deploy in a rollout leaves someone to answer everything"
	checkFix       = "a fix can be shipped while stable is broken"
	checkEvidence  = "nothing is promoted without a request"
)

var allChecks = []string{checkServing, checkTotal, checkHealthy, checkStop, checkFailed, checkOverload, checkEnds, checkBack,
	checkSameEnd, checkSupersede, checkFix, checkEvidence}

// violation is an invariant that did not hold.
type violation struct{ check, detail string }

func (v *violation) Error() string { return v.check + ": " + v.detail }

func broken(check, format string, a ...any) error {
	return &violation{check, fmt.Sprintf(format, a...)}
}

// judge holds one decision against the invariants: what was observed, what was decided, and the picture that is wanted.
// The picture is the untouched one, so that a controller that lies to itself is found out.
func judge(w *world, before State, o Observation, after State, acts []Action, calm bool) error {
	p := after.Picture()
	live := 0
	for _, b := range w.bodies {
		if b.Live() {
			live++
		}
	}
	for _, a := range acts {
		var err error
		switch a := a.(type) {
		case Start:
			if b := w.bodies[a.ID]; b == nil || !b.Live() {
				live++
			}
			if live > p.MaxTotal {
				err = broken(checkTotal, "%d with %s, at most %d", live, a.ID, p.MaxTotal)
			}
		case Publish:
			err = judgePublish(w, before, o, after, a.Routing, p, calm)
		case Stop:
			err = judgeStop(w, a, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func observedHealthy(o Observation, id, address string) bool {
	for _, p := range o.Proxies {
		if b := p.Backends[id]; b.Health != Healthy || b.Address != address {
			return false
		}
	}
	return slices.ContainsFunc(o.Instances, func(i Instance) bool { return i.ID == id && i.State == Running })
}

// served counts members that have or had a part in the traffic, may still be given requests and were seen healthy.
func servedHealthy(r Routing, o Observation, revision string) (n int) {
	for _, m := range r.Members {
		if m.Enabled && m.Served && observedHealthy(o, m.ID, m.Address) && (revision == "" || m.Revision == revision) {
			n++
		}
	}
	return n
}

func enabledHealthy(r Routing, o Observation, revision string) (n int) {
	for _, m := range r.Members {
		if m.Enabled && m.Revision == revision && observedHealthy(o, m.ID, m.Address) {
			n++
		}
	}
	return n
}

func judgePublish(w *world, before State, o Observation, after State, next Routing, p Picture, calm bool) error {
	old := before.Routing
	if had, has := servedHealthy(old, o, ""), servedHealthy(next, o, ""); has < had && has < p.MinServing {
		return broken(checkServing, "from %d to %d, at least %d", had, has, p.MinServing)
	}
	for _, m := range next.Members {
		if was, ok := old.Member(m.ID); m.Enabled && !(ok && was.Enabled && was.Address == m.Address) && !observedHealthy(o, m.ID, m.Address) {
			return broken(checkHealthy, "%s at %s", m.ID, m.Address)
		}
	}
	room := p.cap(enabledHealthy(next, o, p.Stable))
	if enabledHealthy(next, o, p.Stable) == 0 {
		room = 0
	}
	if !next.Proportional && next.Share(p.Stable) > room {
		return broken(checkOverload, "%s is given %s, its instances may take %s", p.Stable, next.Share(p.Stable), room)
	}
	if r, open := after.Open(); open && r.Returning && next.Share(r.To) > Whole-room {
		return broken(checkFailed, "%s is given %s, stable can take %s", r.To, next.Share(r.To), room)
	}
	sum := Share(0)
	for _, s := range next.Splits {
		sum += s.Share
		if calm && s.Share > 0 && enabledHealthy(next, o, s.Revision) == 0 {
			return broken(checkSupersede, "%s is given %s and has nobody", s.Revision, s.Share)
		}
	}
	if calm && before.Stable != "" && before.Routing.Version > 0 && sum != Whole {
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

// judgeTurn holds one rollout before a turn against the same after it.
func judgeTurn(before, after State) error {
	r, open := before.Open()
	if !open || after.Rollout == nil || after.Rollout.ID != r.ID {
		return nil
	}
	next := *after.Rollout
	if r.Returning && (!next.Returning || next.At < r.At || next.Result == Promoted) {
		return broken(checkBack, "%s", next.ID)
	}
	return nil
}
