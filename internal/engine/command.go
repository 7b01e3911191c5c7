package engine

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/store"
)

// DeployRequest asks for a version with settings that are normalised and valid.
type DeployRequest struct {
	Service  string
	Version  string
	Settings deploy.Service
	Message  string
}

// Answer is what a command that begins a rollout says. Nothing: the service is there already.
type Answer struct {
	Rollout deploy.Rollout
	Version string
	Nothing bool
}

// Deploy begins the rollout of a version. An unknown service is created by it.
func (e *Engine) Deploy(ctx context.Context, q DeployRequest) (Answer, error) {
	if strings.TrimSpace(q.Version) == "" || strings.ContainsAny(q.Version, " \t\r\n/\\") {
		return Answer{}, invalid("%q is not a version: it may not be empty and holds no spaces or slashes", q.Version)
	}
	if err := e.clash(q.Service, q.Settings); err != nil {
		return Answer{}, err
	}
	e.Declare(q.Service, q.Settings)
	l, err := e.loop(q.Service)
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	err = l.do(ctx, func() (err error) {
		answer, err = l.deploy(q, time.Now())
		return err
	})
	return answer, err
}

func (l *loop) deploy(q DeployRequest, now time.Time) (Answer, error) {
	if r, open := l.state.Open(); open && !r.Returning && l.same(r.To, q) {
		return Answer{Rollout: r, Version: q.Version}, nil
	}
	if _, open := l.state.Open(); !open && l.state.Stable != "" && l.same(l.state.Stable, q) {
		return Answer{Version: q.Version, Nothing: true}, nil
	}
	rev := deploy.Revision{Service: l.name, ID: fmt.Sprintf("r%d", l.state.Revisions+1), Version: q.Version, Message: q.Message, Created: now, Settings: q.Settings}
	return l.open(rev, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "deploy"}, q.Message, now)
}

// same reports whether a revision is what is asked for.
func (l *loop) same(revision string, q DeployRequest) bool {
	r, ok := l.revisions[revision]
	return ok && r.Version == q.Version && reflect.DeepEqual(r.Settings, q.Settings)
}

// open begins a rollout and saves it, together with a revision that is new and the one that it supersedes.
func (l *loop) open(rev deploy.Revision, q deploy.Request, message string, now time.Time) (Answer, error) {
	next, superseded, err := deploy.Begin(l.state, q, now)
	if err != nil {
		return Answer{}, err
	}
	turn := store.Turn{State: &next, Events: deploy.Events(l.state, next, now)}
	if _, known := l.revisions[rev.ID]; !known {
		next.Revisions++
		turn.Revision = &rev
	}
	if superseded != nil && l.record != nil {
		l.close(*superseded)
		l.record.Rollout = *superseded
		turn.Records = append(turn.Records, *l.record)
	}
	record := store.Record{Rollout: *next.Rollout, Version: rev.Version, Message: message}
	turn.Records = append(turn.Records, record)
	numbered, err := l.e.o.Store.Save(turn)
	if err != nil {
		return Answer{}, err
	}
	l.revisions[rev.ID], l.state, l.record = rev, next, &record
	delete(l.work.prepared, rev.ID) // it is checked anew: its artifact may have gone
	l.e.hub.send(numbered)
	return Answer{Rollout: *next.Rollout, Version: rev.Version}, nil
}

// Command says promote, pause, resume or abort to the open rollout.
func (e *Engine) Command(ctx context.Context, service string, c deploy.Command) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error {
		r, open := l.state.Open()
		if !open {
			return conflict("%s has no open rollout, so there is nothing to %s", service, c.Verb)
		}
		r, err := deploy.Apply(r, c, time.Now())
		if err != nil {
			return err
		}
		next := l.state
		next.Rollout = &r
		return l.commit(next)
	})
}

// commit saves a state that a command has changed.
func (l *loop) commit(next deploy.State) error {
	turn := store.Turn{State: &next, Events: deploy.Events(l.state, next, time.Now())}
	numbered, err := l.e.o.Store.Save(turn)
	if err != nil {
		return err
	}
	l.state = next
	l.e.hub.send(numbered)
	return nil
}

// Rollback aborts the open rollout; without one, or with a revision, it goes to that revision, or the one before.
func (e *Engine) Rollback(ctx context.Context, service, revision, message string) (Answer, error) {
	l, err := e.loop(service)
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	err = l.do(ctx, func() (err error) {
		answer, err = l.rollback(revision, message, time.Now())
		return err
	})
	return answer, err
}

func (l *loop) rollback(revision, message string, now time.Time) (Answer, error) {
	if r, open := l.state.Open(); open && !r.Passed && (revision == "" || revision == r.From) {
		r, err := deploy.Apply(r, deploy.Command{Verb: deploy.Abort, Reason: "rolled back by hand"}, now)
		if err != nil {
			return Answer{}, err
		}
		next := l.state
		next.Rollout = &r
		return Answer{Rollout: r, Version: l.revisions[r.To].Version}, l.commit(next)
	}
	target := revision
	if target == "" {
		target = l.state.Previous
	}
	rev, err := l.target(target)
	if err != nil {
		return Answer{}, err
	}
	if _, open := l.state.Open(); !open && target == l.state.Stable {
		return Answer{Version: rev.Version, Nothing: true}, nil
	}
	return l.open(rev, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "rollback", Straight: true, Instances: l.state.Instances}, message, now)
}

// target finds the revision that a rollback goes to, and refuses before anything moves when it could not be started.
func (l *loop) target(revision string) (deploy.Revision, error) {
	if revision == "" {
		return deploy.Revision{}, conflict("%s has no earlier revision to go back to", l.name)
	}
	rev, ok := l.revisions[revision]
	if !ok {
		return rev, notFound("%s has no revision %q; kept are: %s", l.name, revision, list(l.kept()))
	}
	if err := l.e.o.Platform.Readiness(rev); err != nil {
		return rev, &Error{Refused, fmt.Sprintf("%s cannot be started any more: %v; kept are: %s", revision, err, list(l.kept()))}
	}
	return rev, nil
}

// kept names the revisions with their versions, oldest first.
func (l *loop) kept() (out []string) {
	var revs []deploy.Revision
	for _, r := range l.revisions {
		revs = append(revs, r)
	}
	slices.SortFunc(revs, func(a, b deploy.Revision) int { return deploy.Number(a.ID) - deploy.Number(b.ID) })
	for _, r := range revs {
		out = append(out, fmt.Sprintf("%s (%s)", r.ID, r.Version))
	}
	return out
}

// Retry begins a new rollout of the revision that failed last, from its first step.
func (e *Engine) Retry(ctx context.Context, service string) (Answer, error) {
	l, err := e.loop(service)
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	err = l.do(ctx, func() (err error) {
		r := l.state.Rollout
		switch {
		case r == nil:
			return conflict("%s has no rollout to retry", service)
		case r.Open():
			return conflict("rollout %s is still open", r.ID)
		case r.Result == deploy.Promoted:
			return conflict("rollout %s was promoted; there is nothing to retry", r.ID)
		}
		rev, ok := l.revisions[r.To]
		if !ok {
			return notFound("revision %s is not kept any more; deploy it again", r.To)
		}
		answer, err = l.open(rev, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "retry"}, "retry of "+r.ID, time.Now())
		return err
	})
	return answer, err
}

// Scale changes how many instances of stable run.
func (e *Engine) Scale(ctx context.Context, service string, n int) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	if n < 1 || n > 1000 {
		return invalid("%d instances: write a number from 1 to 1000; naru remove %s takes the service away", n, service)
	}
	return l.do(ctx, func() error {
		next, err := deploy.Scale(l.state, n)
		if err != nil {
			return err
		}
		return l.commit(next)
	})
}

// Remove drains a service and forgets it. It returns at once; the service is gone from Statuses when it is done.
func (e *Engine) Remove(ctx context.Context, service string) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error { return l.commit(deploy.Remove(l.state, time.Now())) })
}

// down stops every instance of the service: first nothing new, then what is in flight, then the programs.
func (l *loop) down(ctx context.Context, now bool) error {
	err := l.do(ctx, func() error { l.stopping = true; l.work.hurry = now; return nil })
	if err != nil {
		return err
	}
	for {
		left := 0
		err := l.do(ctx, func() error {
			listed, err := l.e.o.Platform.List(ctx, l.name)
			left = len(listed)
			return err
		})
		if err != nil || left == 0 {
			return err
		}
		rest(ctx, 5*quick)
	}
}

// wind is a turn of a service that goes down: every instance is closed, drained and stopped. The stored state stays as
// it was, so that the next serve brings the service back.
func (l *loop) wind(o deploy.Observation) {
	p := deploy.Picture{Service: l.name, Drain: l.drain()}
	if l.work.hurry {
		p.Drain = 0
	}
	if _, reached := l.e.o.Dataplane.State(); !reached { // the proxy has ended before: nothing is in flight
		o.Proxies = []deploy.ProxyState{l.ourselves(o)}
	}
	acts, _ := deploy.Converge(p, o)
	for _, a := range acts {
		if publish, ok := a.(deploy.Publish); ok {
			l.state.Routing = publish.Routing
		}
		l.act(a)
	}
	l.show(o, proxy.ServiceState{})
}

func (l *loop) drain() time.Duration {
	s, _ := l.settings(l.inForce())
	return s.DrainTimeout.D()
}
