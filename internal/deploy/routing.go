package deploy

import (
	"slices"
	"time"
)

// Routing is who answers the requests of a service. It is saved before it is published, so that a controller
// that was killed knows what the proxies may have heard.
type Routing struct {
	Version      uint64   `json:"version"`
	Traffic      uint64   `json:"traffic"` // the Version with which something last changed that a picture waits for
	Splits       []Split  `json:"splits,omitempty"`
	Proportional bool     `json:"proportional,omitempty"` // shares follow the healthy enabled members
	Members      []Member `json:"members,omitempty"`      // every running instance: all are probed

	Stable      string  `json:"stable,omitempty"`
	Canary      string  `json:"canary,omitempty"`
	Rollout     string  `json:"rollout,omitempty"` // salt of the users' assignment; empty at rest
	Full        int     `json:"full,omitempty"`
	MaxOverload float64 `json:"max_overload,omitempty"`
	Preview     string  `json:"preview,omitempty"`

	Hold       bool      `json:"hold,omitempty"`       // nobody may answer now: requests wait
	HeldSince  time.Time `json:"held_since,omitzero"`  // since when
	Returnable bool      `json:"returnable,omitempty"` // it answered until then: it can still answer who waits
}

// Split is the part of the traffic that a revision is given. Shares may add up to less than Whole: the rest is held.
type Split struct {
	Revision string  `json:"revision"`
	Share    Share   `json:"share"`
	Match    []Match `json:"match,omitempty"`
}

// Member is an instance in the routing.
type Member struct {
	ID       string    `json:"id"`
	Revision string    `json:"revision"`
	Address  string    `json:"address,omitempty"`
	Enabled  bool      `json:"enabled"`
	Served   bool      `json:"served,omitempty"` // has been enabled with a part in the random traffic
	Since    time.Time `json:"since"`            // when Enabled last changed: the beginning of the drain
}

// Member returns the member of that name, and whether there is one.
func (r Routing) Member(id string) (Member, bool) {
	for _, m := range r.Members {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

// served counts the members of a revision that have had a part in the random traffic and still may.
func (r Routing) served(revision string) (n int) {
	for _, m := range r.Members {
		if m.Revision == revision && m.Served {
			n++
		}
	}
	return n
}

// standing counts such members of all revisions.
func (r Routing) standing() (n int) {
	for _, m := range r.Members {
		if m.Served {
			n++
		}
	}
	return n
}

// Share returns what part of the random traffic a revision is given.
func (r Routing) Share(revision string) Share {
	for _, s := range r.Splits {
		if s.Revision == revision {
			return s.Share
		}
	}
	return 0
}

// same reports whether two routings say the same, whatever their versions.
func (r Routing) same(q Routing) bool {
	return slices.EqualFunc(r.Members, q.Members, Member.same) && r.sameShares(q) && r.sameRules(q)
}

func (r Routing) sameShares(q Routing) bool {
	return slices.EqualFunc(r.Splits, q.Splits, func(a, b Split) bool {
		return a.Revision == b.Revision && a.Share == b.Share && slices.Equal(a.Match, b.Match)
	})
}

func (r Routing) sameRules(q Routing) bool {
	return r.Proportional == q.Proportional && r.Stable == q.Stable && r.Canary == q.Canary && r.Rollout == q.Rollout &&
		r.Full == q.Full && r.MaxOverload == q.MaxOverload && r.Hold == q.Hold && r.Preview == q.Preview
}

func (m Member) same(n Member) bool {
	return m.ID == n.ID && m.Address == n.Address && m.Enabled == n.Enabled && m.Served == n.Served
}

// enabled lists the members of some revisions that may be given requests.
func (r Routing) enabled(revisions []string) (out []Member) {
	for _, m := range r.Members {
		if m.Enabled && slices.Contains(revisions, m.Revision) {
			out = append(out, m)
		}
	}
	return out
}
