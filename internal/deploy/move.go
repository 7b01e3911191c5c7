package deploy

import (
	"cmp"
	"time"
)

// Move is what a strategy must know: from what to what, and how much of it there is.
type Move struct {
	Service string
	From    string // empty: nothing serves yet
	To      string
	Had     int        // instances of From at full strength
	Left    int        // instances of From that a superseded rollout has left
	Want    int        // instances of To
	Enough  int        // instances that answered everything when the move began; 0: nobody knows
	Over    []Standing // what a superseded rollout had brought in and still answers
	Failed  int        // instances of a superseded rollout that was on its way back: they get only what the overload rule leaves them
	S       Service    // To's settings
	Alone   bool       // From cannot run beside another revision

	HoldTimeout time.Duration // From's own: how long a request waits for it. 0: none does
	Promised    time.Duration // how long those who wait already were to wait, by the rollout that is superseded
}

// Standing is a superseded revision that serves until it is replaced.
type Standing struct {
	Revision  string
	Instances int
	Share     Share
}

// Steps writes a move as pictures, by the strategy of its settings. What walks the steps does not know which one it was.
func Steps(m Move) (forth, back []Step) {
	switch s := m.S.Strategy; {
	case m.From == "":
		return First(m)
	case m.alone():
		return Exclusive(m)
	case s.Canary != nil:
		return Canary(m)
	case s.BlueGreen != nil:
		return BlueGreen(m)
	default:
		return Rolling(m)
	}
}

// picture is the frame that all pictures of a move share.
func (m Move) picture(total, serving int, groups ...Group) Picture {
	kept := groups[:0:0]
	for _, g := range groups {
		if g.Revision != "" && g.Instances > 0 {
			kept = append(kept, g)
		}
	}
	return Picture{Service: m.Service, Groups: kept, MaxTotal: total + m.Failed, MinServing: max(0, serving), Stable: cmp.Or(m.From, m.To),
		Canary: m.canary(), Full: m.full(), MaxOverload: m.S.MaxOverload, Drain: m.S.DrainTimeout.D()}
}

// canary is the candidate, where there is something that it can be held against.
func (m Move) canary() string {
	if m.From == "" {
		return ""
	}
	return m.To
}

// full is the number of instances that the overload rule counts from. Where the new settings ask for fewer, they say
// that so many are enough; and what fewer instances answered before the rollout is not taken from them because of it.
func (m Move) full() int {
	if m.From == "" {
		return 0
	}
	return min(m.Had, m.Want, cmp.Or(m.Enough, m.Want))
}

// alone reports whether one of the two revisions cannot run beside the other.
func (m Move) alone() bool { return m.Alone || m.S.Exclusive }

// rest is how the world looks when the move is over and revision alone serves. It keeps the room that the move had:
// where what should go is all that answers, it may stay, and what should serve can be started all the same.
func (m Move) rest(revision string, n, room int) Picture {
	missing := 0
	if rolling := m.S.Strategy.Rolling; rolling != nil {
		missing = rolling.MaxUnavailable
	}
	p := Picture{Service: m.Service, MaxTotal: max(n, room), MinServing: max(0, n-missing), Stable: revision, Drain: m.S.DrainTimeout.D(), HoldTimeout: m.HoldTimeout}
	if revision == m.To {
		p.HoldTimeout = m.S.waits()
	}
	if revision != "" {
		p.Groups = []Group{{Revision: revision, Instances: n, Share: Whole, Await: true}}
	}
	return p
}

// home is the way back: everything to where we came from, by the overload rule.
func (m Move) home(total int) []Step {
	p := m.picture(total, m.serving(), Group{Revision: m.From, Instances: m.Had, Share: Whole, Await: true})
	p.Stable = m.From
	return []Step{{Name: "back", Picture: p, Gate: Gate{Deadline: m.S.Deadline.D()}}}
}

// serving is how many instances must go on serving: what users had, or as many as they will have.
func (m Move) serving() int {
	if m.From == "" {
		return 0
	}
	return min(m.Had, m.Want)
}

// judged is what every gate with traffic asks of the analysis; a worker has no traffic to judge.
func (m Move) judged() *Analysis {
	if !m.S.Analysis.On() || m.S.Worker() {
		return nil
	}
	return new(m.S.Analysis)
}

// over is how many superseded instances are left once so many new ones carry traffic, as groups with their part of
// what the new ones leave, and their sum.
func (m Move) over(carrying int, rest Share) (groups []Group, instances int, shares Share) {
	for _, o := range m.Over {
		n := max(0, o.Instances-carrying)
		carrying = max(0, carrying-o.Instances)
		share := min(Share(int(o.Share)*int(rest)/int(Whole)), Share(n*int(Whole)/max(1, m.full())))
		groups = append(groups, Group{Revision: o.Revision, Instances: n, Share: share})
		instances += n
		if n > 0 {
			shares += share
		}
	}
	return groups, instances, shares
}

// stood is how many superseded instances there are.
func (m Move) stood() (n int) {
	for _, o := range m.Over {
		n += o.Instances
	}
	return n
}
