package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Readiness says whether one could go back to a revision now.
type Readiness struct {
	Ready   bool      `json:"ready"`
	Checked time.Time `json:"checked"`
	Checks  []Check   `json:"checks"`
}

// Check is one thing that a rollback needs.
type Check struct {
	Name   string `json:"name"` // program, ports, memory, secrets, allowed
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // why not, and what to do; or what was found
}

// RollbackStatus is where naru rollback goes now.
type RollbackStatus struct {
	RevisionRef
	Readiness *Readiness `json:"readiness,omitempty"` // absent until it was looked at
}

// readinesses are those of all kept revisions, as they were looked at last. The looking goes on beside the loop, and takes a
// hundredth of the time at most, however large the artifacts are.
type readinesses struct {
	due   time.Time
	known map[string]Readiness
	age   int // grows with everything after which what was found holds no more
}

const (
	readyEvery = 10 * time.Second
	readyJob   = "readiness"
	readyShare = 100 // so many times as long as a look took is waited until the next
	readyMost  = 5 * time.Minute
)

// again makes the next look come at once; one that is under way has looked too early.
func (r *readinesses) again() { r.due, r.age = time.Time{}, r.age+1 }

func (r *readinesses) of(revision string) *Readiness {
	if known, ok := r.known[revision]; ok {
		return &known
	}
	return nil
}

func (r *readinesses) forget(revision string) { delete(r.known, revision) }

// need is what a rollback to a revision takes, as far as the loop knows it.
type need struct {
	rev       deploy.Revision
	instances int   // that would exist on top of those of now, at most
	memory    int64 // bytes of each of them; 0: nobody knows
	port      int   // that its program always listens on, and that nobody of its own has now; 0: none
	forbidden error
}

// look refreshes the readiness of all kept revisions when it is time, the one of the next rollback first.
func (l *loop) look(o deploy.Observation) {
	if o.Now.Before(l.ready.due) || l.stopping || l.state.Removed || l.work.pending[readyJob] {
		return
	}
	l.ready.due = o.Now.Add(readyEvery)
	var needs []need
	for _, rev := range l.sorted() {
		needs = append(needs, l.need(rev, o))
	}
	if len(needs) == 0 {
		return
	}
	first, age := l.back(), l.ready.age
	slices.SortStableFunc(needs, func(a, b need) int { return -cmp.Compare(bit(a.rev.ID == first), bit(b.rev.ID == first)) })
	l.work.give(readyJob, func(ctx context.Context) func() {
		began, found := time.Now(), make(map[string]Readiness, len(needs))
		for _, n := range needs {
			if ctx.Err() != nil {
				break
			}
			found[n.rev.ID] = l.e.readiness(n)
		}
		took := time.Since(began)
		return func() {
			if l.ready.age == age {
				l.ready.due = later(l.ready.due, time.Now().Add(min(readyMost, readyShare*took)))
			}
			for id := range found {
				if _, kept := l.revisions[id]; !kept {
					delete(found, id)
				}
			}
			l.ready.known = found
		}
	})
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// back is the revision that naru rollback goes to now; empty: none.
func (l *loop) back() string {
	if r, open := l.state.Open(); open && !r.Returning {
		return r.From
	}
	return l.state.Previous
}

func (l *loop) wayBack() *RollbackStatus {
	to := l.ref(l.back())
	if to == nil {
		return nil
	}
	return &RollbackStatus{RevisionRef: *to, Readiness: l.ready.of(to.Revision)}
}

// need works out what a straight way to a revision would take. What serves, is only taken back, or is on its way needs nothing
// more.
func (l *loop) need(rev deploy.Revision, o deploy.Observation) need {
	n := need{rev: rev}
	r, open := l.state.Open()
	if open && (r.From == rev.ID || r.To == rev.ID) || !open && l.state.Stable == rev.ID {
		return n
	}
	if n.forbidden = l.e.clash(l.name, rev.Settings); n.forbidden != nil {
		return n
	}
	plan, err := deploy.NewPlan(l.state, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "rollback", Straight: true, Instances: l.state.Instances}, o.Now)
	if err != nil {
		n.forbidden = err
		return n
	}
	if plan.Hold != nil && plan.Hold.TooShort != "" && l.answering(o) {
		n.forbidden = errors.New(plan.Hold.TooShort)
	}
	if !listensAt(o.Instances, rev.Settings.Port) {
		n.port = rev.Settings.Port.Fixed()
	}
	live := 0
	for _, i := range o.Instances {
		if i.Live() {
			live++
			n.memory = max(n.memory, i.Memory)
		}
	}
	n.instances = max(0, plan.Peak-live)
	if d := rev.Settings.Docker; d != nil && d.Memory > 0 {
		n.memory = int64(d.Memory)
	}
	return n
}

// answering reports whether an instance of stable may be given requests, and no proxy has found it sick.
func (l *loop) answering(o deploy.Observation) bool {
	return slices.ContainsFunc(o.Routing.Members, func(m deploy.Member) bool {
		sick := slices.ContainsFunc(o.Proxies, func(p deploy.ProxyState) bool { return p.Backends[m.ID].Health == deploy.Unhealthy })
		return m.Enabled && m.Revision == l.state.Stable && !sick
	})
}

// readiness makes the checks. What else a start needs has its place here, beside the program, such as a schema that must
// still fit.
func (e *Engine) readiness(n need) Readiness {
	out := Readiness{Ready: true, Checked: time.Now(), Checks: []Check{e.checkProgram(n), e.checkPorts(n)}}
	if c, known := checkMemory(n, "/proc/meminfo"); known {
		out.Checks = append(out.Checks, c)
	}
	if c, needed := e.checkSecrets(n); needed {
		out.Checks = append(out.Checks, c)
	}
	out.Checks = append(out.Checks, checkAllowed(n))
	for _, c := range out.Checks {
		out.Ready = out.Ready && c.OK
	}
	return out
}
