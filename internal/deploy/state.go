package deploy

import (
	"slices"
	"time"
)

// State is all of a service that must survive: the engine saves it whole before it acts on it.
type State struct {
	Service   string  `json:"service"`
	Stable    string  `json:"stable,omitempty"`    // the revision that serves; empty before the first deploy
	Previous  string  `json:"previous,omitempty"`  // the one that served before it: where rollback goes
	Instances int     `json:"instances,omitempty"` // of stable at full strength
	Rest      Picture `json:"rest"`                // held when no rollout is open

	Rollout     *Rollout     `json:"rollout,omitempty"` // the last one, open or ended
	Routing     Routing      `json:"routing"`
	Obligations []Obligation `json:"obligations,omitempty"`

	Pins   []string                 `json:"pins,omitempty"`   // revisions that are kept for good, by number
	Begun  map[string]time.Time     `json:"begun,omitempty"`  // instance: when its start was decided, until it proves healthy
	Starts map[string]time.Duration `json:"starts,omitempty"` // revision: from there until it was healthy, measured at its last start

	Revisions int  `json:"revisions,omitempty"` // numbers given so far
	Rollouts  int  `json:"rollouts,omitempty"`
	Removed   bool `json:"removed,omitempty"` // draining for good
	Gone      bool `json:"gone,omitempty"`    // removed and drained: only the numbers are kept, so that none is given twice
}

// Obligation is what a service owes after a rollout has ended: it is stored, shown, and carried out at its time, or
// first of all by the next deploy.
type Obligation struct {
	Kind      ObligationKind `json:"kind"`
	Revision  string         `json:"revision"`
	Instances int            `json:"instances"`
	Due       time.Time      `json:"due"`
	Delay     time.Duration  `json:"delay"` // from promotion
}

// ObligationKind names what is owed.
type ObligationKind string

const (
	// ScaleDown stops the warm instances of the revision that was replaced.
	ScaleDown ObligationKind = "scale_down"
	// UpdateStandby stops them and keeps as many warm instances of the new revision.
	UpdateStandby ObligationKind = "update_standby"
)

// Open returns the open rollout.
func (s State) Open() (Rollout, bool) {
	if s.Rollout == nil || !s.Rollout.Open() {
		return Rollout{}, false
	}
	return *s.Rollout, true
}

// Picture is what the service wants of the world now.
func (s State) Picture() Picture {
	if r, open := s.Open(); open {
		return r.Picture()
	}
	return s.Rest
}

// Resumed returns the state as a controller finds it that has just been started; it calls this once, before its first turn.
func (s State) Resumed(now time.Time) State {
	if r, open := s.Open(); open {
		s.Rollout = new(r.Resumed(now))
	}
	s.Begun = nil // nobody has seen when they became healthy
	return s
}

// Decide is one turn of the engine: it advances the rollout, settles what has ended, and says what to do. The caller
// saves the state before it carries out the actions.
func Decide(s State, o Observation) (State, []Action) {
	o.Routing = s.Routing
	if r, open := s.Open(); open {
		next := Advance(r, o)
		if !next.Open() {
			next = next.heldUntil(o.Now, s.Routing)
		}
		s.Rollout = &next
		if !next.Open() {
			s = s.settle(next, o.Now)
		}
	}
	s = s.honour(o.Now)
	acts, _ := Converge(s.Picture(), o)
	for _, a := range acts {
		if p, ok := a.(Publish); ok {
			s.Routing = p.Routing
		}
	}
	s = s.measured(o, acts)
	if r, open := s.Open(); open {
		if o.Routing.Hold && !s.Routing.Hold {
			r = r.heldUntil(o.Now, o.Routing)
			s.Rollout = &r
		}
		if task, ok := r.running(); ok {
			acts = append(acts, task)
		}
	}
	return s, acts
}

// settle takes over what an ended rollout leaves.
func (s State) settle(r Rollout, now time.Time) State {
	if r.Result != Promoted {
		s.Rest, s.Stable, s.Instances = r.Home, r.From, r.Home.count(r.From)
		return s
	}
	if s.Stable != r.To {
		s.Stable, s.Previous = r.To, s.Stable
	}
	g, _ := r.Rest.group(r.To)
	s.Instances, s.Rest = g.Instances, r.Rest
	for _, owed := range r.Owed {
		owed.Due = now.Add(owed.Delay)
		s.Obligations = append(slices.Clone(s.Obligations), owed)
	}
	return s
}

// honour carries out what is owed by now.
func (s State) honour(now time.Time) State {
	if _, open := s.Open(); open {
		return s
	}
	var later []Obligation
	for _, owed := range s.Obligations {
		if now.Before(owed.Due) {
			later = append(later, owed)
			continue
		}
		s.Rest = s.Rest.without(owed.Revision)
		if owed.Kind == UpdateStandby {
			s.Rest.Groups = append(s.Rest.Groups, Group{Revision: s.Stable, Instances: owed.Instances, First: s.Instances, Idle: true})
			s.Rest.MaxTotal = max(s.Rest.MaxTotal, s.Instances+owed.Instances)
		}
	}
	s.Obligations = later
	return s
}

// without returns the picture with all instances of a revision gone.
func (p Picture) without(revision string) Picture {
	p.Groups = slices.DeleteFunc(slices.Clone(p.Groups), func(g Group) bool { return g.Revision == revision })
	return p
}
