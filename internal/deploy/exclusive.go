package deploy

import "time"

// exclusiveBake is how long a version that replaced another in its place is watched, unless its file says so.
const exclusiveBake = Duration(5 * time.Second)

// Exclusive replaces a revision that cannot run beside another: hold requests, drain, stop, start, wait until it is healthy,
// release. What can be found out about the new one beforehand is found out while the old one serves.
func Exclusive(m Move) (forth, back []Step) {
	before := m.held(m.picture(0, 0, m.standby()...))
	before.Ahead = m.To
	after := m.held(m.picture(0, 0, Group{Revision: m.To, Instances: m.Want, Share: Whole, Await: true}))
	home := m.held(m.picture(0, 0, Group{Revision: m.From, Instances: m.Had, Share: Whole, Await: true}))
	only := Gate{Deadline: m.S.Deadline.D()}
	watched := Gate{Bake: m.bake(), Analysis: m.judged(), Deadline: m.S.Deadline.D()}
	return []Step{{Name: "prepare", Picture: before, Gate: only}, {Name: "swap", Picture: after, Gate: watched}},
		[]Step{{Name: "back", Picture: home, Gate: only}}
}

// held makes a picture of the move one of a program that cannot run twice: nobody has to serve while it is being reached.
// Requests wait as long as either revision lets them, forth and back alike: the one that is given less time by its own settings
// may be the one that is gone back to, and what the other needs to come back has not changed by that.
func (m Move) held(p Picture) Picture {
	p = m.single(p)
	if !m.S.Worker() {
		p.HoldTimeout = max(m.S.waits(), m.HoldTimeout, m.Promised)
	}
	return p
}

// single makes a picture one of which only one revision may run.
func (m Move) single(p Picture) Picture {
	p.Hold, p.MinServing, p.MaxOverload = true, 0, 0
	p.MaxTotal = max(m.Had, m.Want)
	for _, g := range p.Groups {
		p.MaxTotal = max(p.MaxTotal, g.Instances)
	}
	return p
}

// waits is how long a request waits by these settings; 0: there are none.
func (s Service) waits() time.Duration {
	if s.Worker() {
		return 0
	}
	return s.HoldTimeout.D()
}

// standby is who goes on serving until the new revision is ready to start: what a superseded rollout has brought in, or
// where we come from. That may be away, because it was being replaced: then it comes back first, for those who wait.
func (m Move) standby() []Group {
	if m.stood() == 0 {
		return []Group{{Revision: m.From, Instances: m.Had, Share: Whole}}
	}
	over, _, share := m.over(0, Whole)
	return append(over, Group{Revision: m.From, Instances: m.Left, Share: Whole - share})
}
