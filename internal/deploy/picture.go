package deploy

import "time"

// Picture is what the world should look like: which instances run and who answers the requests.
type Picture struct {
	Service    string  `json:"service"`
	Rollout    string  `json:"rollout,omitempty"` // that wants it; users are assigned anew with every rollout
	Groups     []Group `json:"groups,omitempty"`
	MaxTotal   int     `json:"max_total"`   // instances that may exist at once; no start goes above it
	MinServing int     `json:"min_serving"` // healthy enabled instances that naru itself never goes below

	// Hold says that only one revision may run at a time: what is not wanted has ended before what is wanted begins, and
	// requests are held meanwhile. HoldTimeout is how long each waits at most, whatever it waits for; 0: there are none.
	Hold        bool          `json:"hold,omitempty"`
	HoldTimeout time.Duration `json:"hold_timeout,omitempty"`
	Ahead       string        `json:"ahead,omitempty"` // revision that must be ready to start before the picture counts as true

	// Stable takes over what another revision cannot answer. Canary is the candidate of an open rollout.
	Stable string `json:"stable,omitempty"`
	Canary string `json:"canary,omitempty"`
	// Full is the number of Stable's instances at full strength. No instance is given more than
	// MaxOverload/Full of the traffic; 0 in either: no cap, as for a service at rest.
	Full        int     `json:"full,omitempty"`
	MaxOverload float64 `json:"max_overload,omitempty"`

	Preview string        `json:"preview,omitempty"` // revision that the preview address reaches
	Drain   time.Duration `json:"drain"`             // how long a retired instance may finish what is in flight
}

// Group is the instances of one revision in a picture: two as a rule, three when a rollout is superseded.
type Group struct {
	Revision  string  `json:"revision"`
	Instances int     `json:"instances"`
	Share     Share   `json:"share"` // of the randomly assigned traffic, or Proportional
	Match     []Match `json:"match,omitempty"`
	Mirror    Share   `json:"mirror,omitempty"` // copies of stable's GETs, answers dropped

	First int  `json:"first,omitempty"` // its slots begin behind this one: the warm second half of a revision
	Idle  bool `json:"idle,omitempty"`  // kept healthy, never given a request
	Await bool `json:"await,omitempty"` // the picture is not reached before all of them are healthy and serve
}

// group returns the serving group of a revision and whether there is one.
func (p Picture) group(revision string) (Group, bool) {
	for _, g := range p.Groups {
		if g.Revision == revision && !g.Idle {
			return g, true
		}
	}
	return Group{}, false
}

// Share returns what part of the random traffic the picture gives a revision.
func (p Picture) Share(revision string) Share {
	g, _ := p.group(revision)
	return g.Share
}

// proportional reports whether traffic follows the number of healthy instances.
func (p Picture) proportional() bool {
	for _, g := range p.Groups {
		if g.Share == Proportional {
			return true
		}
	}
	return false
}

// withShares returns p with the traffic of another picture: its instances are started and tested, its traffic is not given yet.
func (p Picture) withShares(before Picture) Picture {
	groups := make([]Group, len(p.Groups))
	for i, g := range p.Groups {
		old, _ := before.group(g.Revision)
		g.Share, g.Match = old.Share, old.Match
		groups[i] = g
	}
	p.Groups = groups
	return p
}

// Step is a picture of the world and what must hold before the next one.
type Step struct {
	Name    string  `json:"name"`
	Picture Picture `json:"picture"`
	Gate    Gate    `json:"gate"`
}

// Gate is what must hold before a rollout leaves a step.
type Gate struct {
	Tasks    []Task        `json:"tasks,omitempty"`    // run once, one after the other, before the picture's traffic
	Bake     time.Duration `json:"bake,omitempty"`     // how long the picture must have been true
	Analysis *Analysis     `json:"analysis,omitempty"` // nil: nobody judges
	Approve  bool          `json:"approve,omitempty"`  // a person must agree
	Deadline time.Duration `json:"deadline,omitempty"` // for starting, health and tasks; then the way back. 0: none
}

// Patience is how long evidence is waited for once the picture is true: three bake times.
func (g Gate) Patience() time.Duration { return 3 * g.Bake }

// Task is something that runs once at a gate. Its start is saved before it runs and its result after.
type Task struct {
	Name    string        `json:"name"`
	Command []string      `json:"command,omitempty"`
	Load    *LoadTest     `json:"load,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
	Again   bool          `json:"again,omitempty"` // harmless to run again when it was interrupted
}
