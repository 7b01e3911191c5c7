package engine

import (
	"cmp"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
)

// Status is what people and programs see of a service.
type Status struct {
	Service     string              `json:"service"`
	Stable      *RevisionRef        `json:"stable"` // null before the first deploy
	Canary      *RevisionRef        `json:"canary"` // null without an open rollout
	Rollout     *RolloutStatus      `json:"rollout"`
	Instances   []InstanceStatus    `json:"instances"`
	Wanted      int                 `json:"wanted"` // instances of stable at full strength
	Traffic     []TrafficStatus     `json:"traffic,omitempty"`
	Previous    *RevisionRef        `json:"previous,omitempty"`    // the revision that served before
	Rollback    *RollbackStatus     `json:"rollback,omitempty"`    // where naru rollback goes now, and whether it could
	Drill       *RevisionRef        `json:"drill,omitempty"`       // that is being tried out without traffic
	Obligations []deploy.Obligation `json:"obligations,omitempty"` // owed after the last rollout
	Held        int                 `json:"held,omitempty"`        // requests that wait for an instance now
	Problem     string              `json:"problem,omitempty"`     // why nothing is decided now
}

// RevisionRef names a revision.
type RevisionRef struct {
	Revision string `json:"revision"`
	Version  string `json:"version"`
}

// RolloutStatus is the open rollout.
type RolloutStatus struct {
	ID       string          `json:"id"`
	From     string          `json:"from"`
	To       string          `json:"to"`
	Step     int             `json:"step"` // from 1; on the way back, of the way back
	Steps    int             `json:"steps"`
	Name     string          `json:"name"` // of the step
	Phase    deploy.Phase    `json:"phase"`
	Weight   float64         `json:"weight"` // percent of the random traffic that the candidate gets
	Reason   string          `json:"reason"` // of the way back, or what is waited for
	Waiting  string          `json:"waiting,omitempty"`
	Started  time.Time       `json:"started"`
	Previews string          `json:"preview,omitempty"` // address that reaches the candidate
	Analysis []deploy.Figure `json:"analysis"`          // what the analysis says now, stream by stream
	Notes    []string        `json:"notes,omitempty"`   // what the receipt will say aloud
}

// InstanceStatus is one instance.
type InstanceStatus struct {
	ID       string               `json:"id"`
	Revision string               `json:"revision"`
	Version  string               `json:"version"`
	Address  string               `json:"address"`
	Healthy  bool                 `json:"healthy"`
	Enabled  bool                 `json:"enabled"`
	InFlight int                  `json:"in_flight"`
	State    deploy.InstanceState `json:"state"`
	PID      int                  `json:"pid,omitempty"`
	Exits    int                  `json:"exits,omitempty"`
	Reason   string               `json:"reason,omitempty"` // why it is not healthy, or how it ended
	Memory   int64                `json:"memory,omitempty"` // bytes
}

// TrafficStatus is what a revision has answered to users since its proxy was started; counters only grow.
type TrafficStatus struct {
	Revision string  `json:"revision"`
	Share    float64 `json:"share"` // percent, as routed now
	Requests uint64  `json:"requests"`
	Failed   uint64  `json:"failed"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
}

func (l *loop) status() Status { return *l.shown.Load() }

// show makes the present state visible to readers outside the loop.
func (l *loop) show(o deploy.Observation, seen proxy.ServiceState) {
	s := l.outline(seen.Preview)
	for _, i := range o.Instances {
		s.Instances = append(s.Instances, l.instance(i, o))
	}
	s.Held = seen.Held
	s.Traffic = traffics(l.state.Routing, seen)
	l.shown.Store(&s)
}

// outline is what the loop's own state says, without any look at the world.
func (l *loop) outline(preview string) Status {
	s := Status{Service: l.name, Stable: l.ref(l.state.Stable), Previous: l.ref(l.state.Previous), Wanted: l.state.Instances,
		Obligations: l.state.Obligations, Problem: l.problem(), Instances: []InstanceStatus{}, Rollback: l.wayBack()}
	l.held.Store(new(l.claims()))
	if r, open := l.state.Open(); open {
		s.Canary = l.ref(r.To)
		r.Waiting = cmp.Or(l.blindness.unseen(r), l.preparing(r), r.Waiting)
		s.Rollout = rolloutStatus(r, l.state.Routing, preview)
	}
	if d := l.drilling; d != nil {
		s.Drill = l.ref(d.rev.ID)
	}
	return s
}

// preparing says how far a revision of a rollout has come that is made ready to start: nothing else goes on before it is.
func (l *loop) preparing(r deploy.Rollout) string {
	for _, revision := range []string{r.To, r.From} {
		if !l.work.pending["prepare "+revision] {
			continue
		}
		if words := l.e.o.Platform.Preparing(l.revisions[revision]); words != "" {
			return revision + " to be ready to start (" + words + ")"
		}
	}
	return ""
}

// problem is why nothing is decided, or why the instances that are wanted are not started.
func (l *loop) problem() string {
	if unready := l.work.unready[l.state.Stable]; unready != "" && l.trouble == "" {
		return unready + "; it is tried again every few seconds"
	}
	return l.trouble
}

func (l *loop) ref(revision string) *RevisionRef {
	if revision == "" {
		return nil
	}
	return &RevisionRef{revision, l.revisions[revision].Version}
}

func rolloutStatus(r deploy.Rollout, routing deploy.Routing, preview string) *RolloutStatus {
	steps := r.Forth
	if r.Returning {
		steps = r.Back
	}
	reason := r.Reason
	if reason == "" {
		reason = r.Waiting
	}
	return &RolloutStatus{ID: r.ID, From: r.From, To: r.To, Step: r.At + 1, Steps: len(steps), Name: r.Step().Name, Phase: r.Phase,
		Weight: max(0, routing.Share(r.To)).Percent(), Reason: reason, Waiting: r.Waiting, Started: r.Created, Previews: preview, Analysis: append([]deploy.Figure{}, r.Figures...), Notes: r.Notes}
}

func (l *loop) instance(i deploy.Instance, o deploy.Observation) InstanceStatus {
	s := InstanceStatus{ID: i.ID, Revision: i.Revision, Version: l.revisions[i.Revision].Version, Address: i.Address, State: i.State,
		PID: i.PID, Exits: i.Exits, Reason: i.Reason, Memory: i.Memory}
	if m, ok := l.state.Routing.Member(i.ID); ok && m.Address == i.Address {
		s.Enabled = m.Enabled
	}
	for _, p := range o.Proxies {
		b := p.Backends[i.ID]
		s.InFlight += b.InFlight
		s.Healthy = b.Health == deploy.Healthy && b.Address == i.Address && i.State == deploy.Running
		if !s.Healthy && b.Reason != "" {
			s.Reason = b.Reason
		}
	}
	return s
}

func traffics(routing deploy.Routing, seen proxy.ServiceState) (out []TrafficStatus) {
	latency := map[string]*proxy.Histogram{}
	for _, m := range seen.Meters {
		if m.Assignment == "preview" || m.Revision == "" {
			continue
		}
		if latency[m.Revision] == nil {
			latency[m.Revision] = &proxy.Histogram{}
			out = append(out, TrafficStatus{Revision: m.Revision, Share: max(0, routing.Share(m.Revision)).Percent()})
		}
		for i := range out {
			if out[i].Revision == m.Revision {
				out[i].Requests += m.Requests
				out[i].Failed += m.Failed
			}
		}
		latency[m.Revision].Merge(m.Latency)
	}
	for i := range out {
		h := latency[out[i].Revision]
		out[i].P50, out[i].P99 = milliseconds(h.Quantile(.5)), milliseconds(h.Quantile(.99))
	}
	return out
}
