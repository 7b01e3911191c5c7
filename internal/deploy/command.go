package deploy

import (
	"fmt"
	"slices"
	"time"
)

// Verb is what people say to a rollout.
type Verb string

const (
	Promote Verb = "promote"
	Pause   Verb = "pause"
	Resume  Verb = "resume"
	Abort   Verb = "abort"
)

// Command is a word to an open rollout. Full belongs to promote: all remaining gates.
type Command struct {
	Verb   Verb
	Full   bool
	Reason string
}

// Refusal says why a command makes no sense now.
type Refusal struct{ Message string }

func (e *Refusal) Error() string { return e.Message }

func refuse(format string, a ...any) error { return &Refusal{fmt.Sprintf(format, a...)} }

// Apply carries out a command on a rollout, or says why it makes no sense now; then nothing has changed.
func Apply(r Rollout, c Command, now time.Time) (Rollout, error) {
	switch {
	case !r.Open():
		return r, refuse("rollout %s has ended (%s); there is nothing to %s", r.ID, r.Result, c.Verb)
	case r.Returning:
		return r, refuse("rollout %s is on its way back to %s and cannot be stopped: a way back is never itself rolled back", r.ID, orNothing(r.From))
	case r.Passed:
		return r, refuse("rollout %s has passed its last gate and only drains what is left; to go back, say naru rollback %s", r.ID, r.Service)
	}
	switch c.Verb {
	case Promote:
		return r.promote(c.Full, now), nil
	case Pause:
		if !r.PausedAt.IsZero() {
			return r, refuse("rollout %s is paused already", r.ID)
		}
		return r.rest(now, "paused by hand: naru resume "+r.Service), nil
	case Resume:
		if r.PausedAt.IsZero() {
			return r, refuse("rollout %s is not paused", r.ID)
		}
		return r.resume(now), nil
	case Abort:
		r.Giving = true
		return r.turnBack(now, orElse(c.Reason, "aborted by hand")), nil
	}
	return r, refuse("%q is not a command for a rollout", c.Verb)
}

// promote counts this gate's bake, approval and missing evidence as passed. A failing verdict or task still fails.
func (r Rollout) promote(full bool, now time.Time) Rollout {
	if !r.PausedAt.IsZero() {
		r = r.resume(now)
	}
	r.Skip, r.SkipAll = true, r.SkipAll || full
	return r
}

// resume lets the clocks go on. A pause that the analysis asked for waits anew.
func (r Rollout) resume(now time.Time) Rollout {
	analysed := r.Step().Gate.Analysis != nil && !r.Reached.IsZero() && r.PausedAt.Sub(r.Reached) >= r.Step().Gate.patience()
	r = r.thaw(now.Sub(r.PausedAt))
	if analysed {
		r.Reached = now
	}
	r.PausedAt, r.Phase, r.Waiting = time.Time{}, Starting, ""
	return r
}

// Request asks for a move to a revision.
type Request struct {
	To        string
	Settings  Service // To's
	Version   string
	By        string // deploy, rollback or retry
	Straight  bool   // to a known good revision: no canary
	Instances int    // 0: as the settings say
}

// Begin opens a rollout. One that is open is superseded: it ends aborted, and what it has brought in goes on serving
// until it is replaced. What the service owed is carried out first: the new pictures do not know it, so it goes.
func Begin(s State, q Request, now time.Time) (next State, superseded *Rollout, err error) {
	if s.Removed {
		return s, nil, refuse("%s is being removed; deploy it again when it is gone", s.Service)
	}
	_, open := s.Open()
	if !open && q.To == s.Stable {
		return s, nil, refuse("%s serves %s already", s.Service, q.To)
	}
	m := Move{Service: s.Service, From: s.Stable, To: q.To, Had: s.Instances, Left: s.Instances, Want: q.Settings.Instances,
		Enough: s.Routing.standing(), S: q.Settings}
	if q.Instances > 0 {
		m.Want = q.Instances
	}
	start := s.Rest
	if old, open := s.Open(); open {
		superseded = new(old.supersede(q, now))
		m, start = m.inherit(s, old), s.published()
		if q.To == m.From {
			return s, nil, refuse("rollout %s comes from %s: to stay there, say naru abort %s", old.ID, q.To, s.Service)
		}
	}
	s.Rollouts++
	r := m.rollout(fmt.Sprintf("%s-%d", s.Service, s.Rollouts), q, now)
	r.Start = start
	s.Rollout, s.Obligations = &r, nil
	return s, superseded, nil
}

func (r Rollout) supersede(q Request, now time.Time) Rollout {
	r.Result, r.Phase, r.Closed, r.Waiting = Aborted, Ended, now, ""
	r.Reason = fmt.Sprintf("superseded by %s (version %s)", q.To, q.Version)
	return r
}

// inherit counts what a superseded rollout leaves: how many of stable still stand, and the revisions it brought in that
// have a part in the traffic. Where nothing served before it, what it has brought in is where we come from.
func (m Move) inherit(s State, old Rollout) Move {
	p := old.Picture()
	switch {
	case m.From != "":
	case old.From != "": // promoted never, but served and superseded before
		m.From, m.Had = old.From, old.Home.count(old.From)
	case !old.Returning && s.Routing.served(old.To) > 0:
		m.From, m.Had = old.To, old.Rest.count(old.To)
		m.Left = m.Had
		return m
	default:
		return m
	}
	if p.Full > 0 {
		m.Enough = min(m.Enough, p.Full)
	}
	if g, ok := p.group(m.From); ok {
		m.Left = g.Instances
	} else {
		m.Left = 0
	}
	for _, split := range s.Routing.Splits {
		n := s.Routing.served(split.Revision)
		switch {
		case split.Revision == m.From || split.Revision == m.To || n == 0:
		case old.Returning:
			m.Failed += n
		case split.Share > 0:
			m.Over = append(m.Over, Standing{split.Revision, n, split.Share})
		}
	}
	if old.Returning {
		m.Left = m.Had
	}
	return m
}

func (p Picture) count(revision string) int {
	g, _ := p.group(revision)
	return g.Instances
}

// published is the traffic as it stands, as a picture that a first step keeps until its tasks have passed.
func (s State) published() Picture {
	p := Picture{Service: s.Service}
	for _, split := range s.Routing.Splits {
		p.Groups = append(p.Groups, Group{Revision: split.Revision, Share: split.Share, Match: split.Match})
	}
	return p
}

func (m Move) rollout(id string, q Request, now time.Time) Rollout {
	r := Rollout{ID: id, Service: m.Service, From: m.From, To: m.To, By: q.By, Created: now, Entered: now, Watched: now, Phase: Starting,
		StartTimeout: m.S.Health.StartTimeout.D(), ProbeInterval: m.S.Health.Interval.D()}
	if q.Straight && m.From != "" {
		r.Forth, r.Back = Straight(m)
	} else {
		r.Forth, r.Back = Steps(m)
	}
	room := r.Forth[len(r.Forth)-1].Picture.MaxTotal
	r.Rest, r.Home = m.rest(m.To, m.Want, room), m.rest(m.From, m.Had, room)
	if bg := m.S.Strategy.BlueGreen; bg != nil && m.From != "" && (bg.ScaleDownDelay > 0 || bg.Standby == "update") {
		kind := ScaleDown
		if bg.Standby == "update" {
			kind = UpdateStandby
		}
		r.Rest.Groups = append(slices.Clone(r.Rest.Groups), Group{Revision: m.From, Instances: m.Had})
		r.Owed = []Obligation{{Kind: kind, Revision: m.From, Instances: m.Had, Delay: bg.ScaleDownDelay.D()}}
	}
	return r
}

// Scale changes how many instances of stable run, without a rollout.
func Scale(s State, n int) (State, error) {
	if r, open := s.Open(); open {
		return s, refuse("rollout %s is open: wait for it, or say naru abort %s", r.ID, s.Service)
	}
	if s.Stable == "" {
		return s, refuse("%s has no revision yet: deploy one first", s.Service)
	}
	groups := slices.Clone(s.Rest.Groups)
	for i, g := range groups {
		switch {
		case g.Revision != s.Stable:
		case g.Idle: // its slots begin where those of the serving ones end
			groups[i].First = n
		default:
			groups[i].Instances = n
		}
	}
	more := n - s.Instances
	s.Instances, s.Rest.Groups = n, groups
	s.Rest.MinServing = max(0, s.Rest.MinServing+more)
	s.Rest.MaxTotal += more
	return s, nil
}

// Remove drains a service for good: an open rollout ends, nothing is wanted any more.
func Remove(s State, now time.Time) State {
	if r, open := s.Open(); open {
		r.Result, r.Phase, r.Closed, r.Reason = Aborted, Ended, now, "the service was removed"
		s.Rollout = &r
	}
	s.Rest = Picture{Service: s.Service, Drain: s.Rest.Drain}
	s.Removed, s.Obligations = true, nil
	return s
}

func orNothing(revision string) string { return orElse(revision, "nothing") }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
