package deploy

import (
	"fmt"
	"slices"
	"time"
)

// Request asks for a move to a revision.
type Request struct {
	To        string
	Settings  Service // To's
	Version   string
	By        string // deploy, rollback or retry
	Straight  bool   // to a revision that is known to be good: judged by nothing but health
	Instances int    // as many as serve now, where those could be several; 0: as the settings say
}

// Begin opens a rollout. One that is open is superseded: it ends aborted, and what it has brought in goes on serving
// until it is replaced; one that only drains ends as it would have. What the service owed is carried out first: the new pictures do not know it, so it goes.
func Begin(s State, q Request, now time.Time) (next State, superseded *Rollout, err error) {
	if s.Removed {
		return s, nil, refuse("%s is being removed; deploy it again when it is gone", s.Service)
	}
	s, superseded = s.finish(now)
	if _, open := s.Open(); !open && q.To == s.Stable {
		return s, nil, refuse("%s serves %s already", s.Service, q.To)
	}
	m := Move{Service: s.Service, From: s.Stable, To: q.To, Had: s.Instances, Left: s.Instances, Want: q.Settings.Instances,
		Enough: s.Routing.standing(), S: q.Settings}
	if q.Instances > 0 && !q.Settings.Exclusive && !s.Rest.Hold { // that there can only be one of what serves says nothing of what comes
		m.Want = q.Instances
	}
	m.Alone, m.HoldTimeout = s.Rest.Hold, s.Rest.HoldTimeout
	start := s.Rest
	if old, open := s.Open(); open {
		superseded = new(old.heldUntil(now, s.Routing).supersede(q, now))
		m, start = m.inherit(s, old), s.published()
		m.Alone = m.Alone || old.Rest.Hold
		if p := old.Picture(); p.Hold {
			m.Promised = p.HoldTimeout
		}
		if q.To == m.From {
			return s, nil, refuse("rollout %s comes from %s: to stay there, say naru abort %s", old.ID, q.To, s.Service)
		}
	}
	s.Rollouts++
	r := m.rollout(fmt.Sprintf("%s-%d", s.Service, s.Rollouts), q, now)
	r.Start = start
	if m.alone() {
		r.Return, r.StopTimeout = s.took(m.From), m.S.StopTimeout.D()
	}
	s.Rollout, s.Obligations = &r, nil
	return s, superseded, nil
}

// finish ends a rollout that only drains: it has passed its last gate, or come back, and nothing makes that undone. What
// still drains goes on as what nobody wants.
func (s State) finish(now time.Time) (State, *Rollout) {
	r, open := s.Open()
	if !open || !r.Passed {
		return s, nil
	}
	r = r.end(now)
	s.Rollout = &r
	return s.settle(r, now), &r
}

// supersede ends a rollout without a way back: the next one starts from the world as it is.
func (r Rollout) supersede(q Request, now time.Time) Rollout {
	r.Result, r.Phase, r.Closed, r.Waiting = Aborted, Ended, now, ""
	r.Reason = fmt.Sprintf("superseded by %s (version %s)", q.To, q.Version)
	return r
}

// inherit counts what a superseded rollout leaves: how many of stable still stand, and the revisions it brought in that
// have a part in the traffic. Where nothing served before it, what it has brought in is where we come from.
func (m Move) inherit(s State, old Rollout) Move {
	switch {
	case m.From != "":
	case old.From != "": // promoted never, but served and superseded before
		m.From, m.Had, m.HoldTimeout = old.From, old.Home.count(old.From), old.Home.HoldTimeout
	case !old.Returning && s.Routing.served(old.To) > 0:
		m.From, m.Had, m.HoldTimeout = old.To, old.Rest.count(old.To), old.Rest.HoldTimeout
		m.Left = m.Had
		return m
	default:
		return m
	}
	p := old.Picture()
	if p.Full > 0 {
		m.Enough = min(m.Enough, p.Full)
	}
	m.Left = p.count(m.From)
	if old.Returning { // stable is being brought back whole
		m.Left = m.Had
	}
	return m.standing(s.Routing, old.Returning)
}

// standing adds the superseded revisions. Those of a rollout that was on its way back have failed: they help out as far
// as the overload rule asks for it, and have no part of their own.
func (m Move) standing(r Routing, failed bool) Move {
	for _, split := range r.Splits {
		n := r.served(split.Revision)
		switch {
		case split.Revision == m.From || split.Revision == m.To || n == 0:
		case failed:
			m.Failed += n
		case split.Share > 0:
			m.Over = append(m.Over, Standing{split.Revision, n, split.Share})
		}
	}
	return m
}

// count is the number of instances of a revision that serve in a picture.
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

// rollout writes the move down. What it leaves warm for a while belongs to its resting picture from the beginning, and
// the obligation that it is ended later begins with the promotion.
func (m Move) rollout(id string, q Request, now time.Time) Rollout {
	r := Rollout{ID: id, Service: m.Service, From: m.From, To: m.To, By: q.By, Straight: q.Straight, Created: now, Entered: now, Watched: now, Phase: Starting,
		StartTimeout: m.S.Health.StartTimeout.D(), ProbeInterval: m.S.Health.Interval.D()}
	if q.Straight && m.From != "" {
		r.Forth, r.Back = Straight(m)
	} else {
		r.Forth, r.Back = Steps(m)
	}
	room := r.Forth[len(r.Forth)-1].Picture.MaxTotal
	r.Rest, r.Home = m.rest(m.To, m.Want, room), m.rest(m.From, m.Had, room)
	if m.S.Exclusive {
		r.Rest = m.single(r.Rest)
	}
	if m.Alone {
		r.Home = m.single(r.Home)
	}
	if bg := m.S.Strategy.BlueGreen; bg != nil && m.From != "" && !m.alone() && (bg.ScaleDownDelay > 0 || bg.Standby == "update") {
		kind := ScaleDown
		if bg.Standby == "update" {
			kind = UpdateStandby
		}
		r.Rest.Groups = append(slices.Clone(r.Rest.Groups), Group{Revision: m.From, Instances: m.Had})
		r.Owed = []Obligation{{Kind: kind, Revision: m.From, Instances: m.Had, Delay: bg.ScaleDownDelay.D()}}
	}
	return r
}
