package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// hold says in the next routing whether requests must wait, since when, and whether who answered until then still could.
func (v *view) hold(next Routing) Routing {
	last, returnable := v.o.Routing, false
	for i := range v.all {
		switch n := &v.all[i]; {
		case n.on:
			return next
		case n.member.Enabled && n.healthy() && n.Revision == v.p.Stable:
			returnable = true
		}
	}
	if !v.p.Hold || v.p.HoldTimeout == 0 {
		return next
	}
	next.Hold, next.HeldSince, next.Returnable = true, last.HeldSince, last.Returnable
	if !last.Hold {
		next.HeldSince, next.Returnable = v.o.Now, returnable
	}
	return next
}

// ahead reports whether the revision that comes next could be started, and whether it is known of those that may have to come
// back, so that nobody is kept waiting for what can be found out before. Who waits already is answered first, by the revision that can, unless that has taken too long for them.
func (v *view) ahead() bool {
	if v.p.Ahead == "" {
		return true
	}
	r := v.next
	waited := r.Hold && r.Returnable && v.o.Now.Sub(r.HeldSince) < v.p.HoldTimeout
	return v.o.Prepared[v.p.Ahead].Ready && v.unasked() == "" && !waited
}

// unasked is a revision of the picture of which nobody knows yet whether it could be started; empty: there is none.
func (v *view) unasked() string {
	for _, g := range v.p.Groups {
		if r := v.o.Prepared[g.Revision]; !r.Ready && r.Err == "" && g.Instances > 0 {
			return g.Revision
		}
	}
	return ""
}

// startable reports whether everything that the picture awaits and that does not run is ready to start.
func (v *view) startable() bool {
	for _, s := range v.seats {
		if s.group.Await && !s.live() && !v.o.Prepared[s.group.Revision].Ready {
			return false
		}
	}
	return true
}

// leaving counts the instances that run, or are on their way out, and that nobody wants.
func (v *view) leaving() (n int) {
	for _, one := range v.surplus() {
		if one.Live() {
			n++
		}
	}
	return n
}

// leavers names their revisions.
func (v *view) leavers() string {
	var out []string
	for _, one := range v.surplus() {
		if one.Live() && !slices.Contains(out, one.Revision) {
			out = append(out, one.Revision)
		}
	}
	return strings.Join(out, ", ")
}

// heldTooLong gives a candidate up while stable can still come back in time for whoever has waited longest. Half of that
// time is the most that requests in flight may take: where they need longer, nothing has been stopped yet.
func (r Rollout) heldTooLong(v *view) string {
	o := v.o
	if r.Picture().Ahead != "" {
		return r.cannotHold(v)
	}
	if !o.Routing.Hold || !o.Routing.Returnable || r.Weight() == 0 {
		return ""
	}
	since := o.Routing.HeldSince
	for _, later := range []time.Time{r.Entered, r.Watched} {
		if later.After(since) {
			since = later
		}
	}
	timeout := r.Picture().HoldTimeout
	held, limit := o.Now.Sub(since), r.patience()
	if n := v.busy(); n > 0 && held >= limit/2 {
		return fmt.Sprintf("%s had not finished %s after %s, and everybody else waited meanwhile: nothing was stopped; raise hold_timeout (%s) to more than twice what such requests take, or lower drain_timeout",
			r.From, plural(n, "request"), seconds(held), seconds(timeout))
	}
	if held < limit {
		return ""
	}
	return fmt.Sprintf("%s was not healthy %s after requests began to wait; the rest of hold_timeout (%s) is for ending it and for %s to come back: %s",
		r.To, seconds(held), seconds(timeout), r.From, r.lacks(v))
}

// cannotHold ends a rollout before it has touched anything where whoever waits could not be answered in time. A stable that
// answers nobody is no reason to wait for: then anything is better.
func (r Rollout) cannotHold(v *view) string {
	if r.Picture().HoldTimeout == 0 || r.patience() > 0 || v.sound(r.From) == 0 {
		return ""
	}
	return r.tooShort()
}

// tooShort says that no time is left for the candidate.
func (r Rollout) tooShort() string {
	return fmt.Sprintf("hold_timeout (%s) is too short: %s takes %s to start, and nothing is left of it for %s; raise it to about %s",
		seconds(r.Picture().HoldTimeout), r.From, seconds(r.Return), r.To, seconds(enough(r.Return, r.Return)))
}

// enough is a hold_timeout that leaves room for the start of both revisions.
func enough(start, back time.Duration) time.Duration {
	return (2 * (start + back)).Round(time.Second) + 3*time.Second
}

// lacks says what is wrong with a candidate that is not healthy, or what keeps it from being started.
func (r Rollout) lacks(v *view) string {
	for _, i := range v.o.Instances {
		if i.Revision == r.To && (i.State != Stopping || i.Reason != "") { // one that is being started again has a past
			return r.complaint(v.o)
		}
	}
	return v.waiting()
}

// waitingRequests counts the requests that wait for an instance.
func (v *view) waitingRequests() (n int) {
	for _, p := range v.o.Proxies {
		n += p.Waiting
	}
	return n
}

// busy counts the requests in flight on instances that should go and may still finish them.
func (v *view) busy() (n int) {
	for _, one := range v.surplus() {
		if one.State == Running && !v.drained(one) {
			n += one.inFlight
		}
	}
	return n
}

// patience is how long a candidate may keep requests waiting. What is then left of hold_timeout is for ending it and for
// starting stable again, and a tenth for what nobody foresees; a program that does not end when it is told to is given a third
// of what stable leaves.
func (r Rollout) patience() time.Duration {
	timeout := r.Picture().HoldTimeout
	spare := timeout - r.Return - timeout/10
	return max(0, spare-min(r.StopTimeout, spare/3))
}

// heldUntil adds a hold that ends to what the rollout has cost.
func (r Rollout) heldUntil(now time.Time, routing Routing) Rollout {
	if routing.Hold {
		since := routing.HeldSince
		if r.Created.After(since) {
			since = r.Created
		}
		r.Held += max(0, now.Sub(since))
	}
	return r
}

// holds compares whether requests have to wait because a program that cannot run twice is being replaced.
func (c *change) holds() {
	r, open := c.after.Open()
	if was := c.before.Rollout; !open && (was == nil || !was.Open() || c.after.Rollout == nil) {
		return
	} else if !open {
		r = *c.after.Rollout
	}
	switch was, now := c.before.Routing, c.after.Routing; {
	case now.Hold && !was.Hold && r.Returning:
		c.say(&r, EventHeld, "requests wait until %s is healthy again", r.From)
	case now.Hold && !was.Hold:
		c.say(&r, EventHeld, "requests wait until %s is healthy, at most %s; then %s comes back", r.To, seconds(r.patience()), r.From)
	case was.Hold && !now.Hold:
		c.say(&r, EventReleased, "requests are answered again; the first of them waited for %s", seconds(c.now.Sub(was.HeldSince)))
	}
}
