package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// RollbackRequest asks for the way back.
type RollbackRequest struct {
	Revision string // empty: where the open rollout came from, or what served before
	Canary   bool   // by the steps of the revision's strategy and judged, not straight
	Message  string
	Who      string // asks for it, as far as is known
}

// Rollback aborts the open rollout; without one, or with a revision, it goes to that revision, or the one before. It goes
// straight there, unless a canary is asked for: the revision has been judged once.
func (e *Engine) Rollback(ctx context.Context, service string, q RollbackRequest) (Answer, error) {
	l, err := e.loop(service)
	if err != nil {
		return Answer{}, err
	}
	asked, doubts, err := l.examineBack(ctx, q.Revision)
	if err != nil {
		return Answer{}, err
	}
	e.opening.Lock()
	defer e.opening.Unlock()
	var answer Answer
	err = l.do(ctx, func() (err error) {
		answer, err = l.rollback(q, asked, doubts, time.Now())
		return err
	})
	return answer, err
}

// rollback begins the way back, or takes the open rollout back. asked is the revision that was looked at for it; empty: none had to be.
func (l *loop) rollback(q RollbackRequest, asked string, doubts doubts, now time.Time) (Answer, error) {
	if r, back := l.takenBack(q.Revision); back {
		if q.Canary {
			return Answer{}, conflict("rollout %s is open: it is taken back as it came, and there is no canary of that; leave --canary out", r.ID)
		}
		r, err := deploy.Apply(r, deploy.Command{Verb: deploy.Abort, Reason: "rolled back by hand"}, now)
		if err != nil {
			return Answer{}, err
		}
		next := l.state
		next.Rollout = &r
		return Answer{Rollout: r, Version: l.revisions[r.To].Version}, l.commit(next)
	}
	rev, serves, err := l.target(q.Revision)
	switch {
	case err != nil:
		return Answer{}, err
	case serves:
		return Answer{Version: rev.Version, Nothing: true}, nil
	case rev.ID != asked:
		return Answer{}, conflict("%s has moved on while it was looked at whether the rollback can go on: nothing has begun; see naru status %s, and say it again", l.name, l.name)
	}
	return l.open(rev, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "rollback", Straight: !q.Canary, Instances: l.state.Instances}, said{q.Who, q.Message, doubts}, now)
}

// takenBack reports whether a rollback only takes the open rollout back as it came: where that comes from still stands.
func (l *loop) takenBack(revision string) (deploy.Rollout, bool) {
	r, open := l.state.Open()
	return r, open && !r.Passed && (revision == "" || revision == r.From)
}

// destination is where a rollback goes that names no revision: where the draining rollout came from, or what served
// before stable.
func (l *loop) destination(revision string) (string, error) {
	r, open := l.state.Open()
	switch {
	case revision != "":
		return revision, nil
	case open && r.Returning:
		return "", conflict("rollout %s has just gone back to %s; name a revision to go further: naru rollback %s REVISION", r.ID, r.From, l.name)
	case open:
		return r.From, nil
	}
	return l.state.Previous, nil
}

// target finds the revision that a rollback goes to, and whether it is what serves already.
func (l *loop) target(revision string) (rev deploy.Revision, serves bool, err error) {
	to, err := l.destination(revision)
	switch {
	case err != nil:
		return rev, false, err
	case to == "":
		return rev, false, conflict("%s has no earlier revision to go back to", l.name)
	}
	if rev, err = l.keptRevision(to); err != nil {
		return rev, false, err
	}
	_, open := l.state.Open()
	return rev, !open && to == l.state.Stable, l.e.clash(l.name, rev.Settings)
}

// keptRevision finds a revision that is kept; the error says which are.
func (l *loop) keptRevision(id string) (deploy.Revision, error) {
	rev, ok := l.revisions[id]
	n := deploy.Number(id)
	switch {
	case ok && !l.tidying.leaving[id]:
		return rev, nil
	case n > 0 && n <= l.state.Revisions:
		return rev, &Error{Code: Refused, Message: fmt.Sprintf("%s of %s is gone: it is kept no longer (%s); deploy its version again. Kept are: %s", id, l.name, l.keepWords(), list(l.kept()))}
	}
	return rev, notFound("%s has no revision %q; kept are: %s", l.name, id, list(l.kept()))
}

// kept names the revisions with their versions, oldest first.
func (l *loop) kept() (out []string) {
	var revs []deploy.Revision
	for _, r := range l.revisions {
		if !l.tidying.leaving[r.ID] {
			revs = append(revs, r)
		}
	}
	slices.SortFunc(revs, func(a, b deploy.Revision) int { return deploy.Number(a.ID) - deploy.Number(b.ID) })
	for _, r := range revs {
		out = append(out, fmt.Sprintf("%s (%s)", r.ID, r.Version))
	}
	return out
}

// Retry begins a new rollout of the revision that failed last, from its first step.
func (e *Engine) Retry(ctx context.Context, service, who string) (Answer, error) {
	l, err := e.loop(service)
	if err != nil {
		return Answer{}, err
	}
	if err := e.visible(ctx, service); err != nil {
		return Answer{}, err
	}
	settings, err := l.failed(ctx)
	if err != nil {
		return Answer{}, err
	}
	doubts := e.doubts(ctx, service, settings)
	e.opening.Lock()
	defer e.opening.Unlock()
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
		rev, err := l.keptRevision(r.To)
		if err != nil {
			return err
		}
		if err := e.clash(service, rev.Settings); err != nil {
			return err
		}
		answer, err = l.open(rev, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "retry", Straight: r.Straight}, said{who, "retry of " + r.ID, doubts}, time.Now())
		return err
	})
	return answer, err
}

// failed returns the settings of the revision that the last rollout went to.
func (l *loop) failed(ctx context.Context) (settings deploy.Service, err error) {
	err = l.do(ctx, func() error {
		if r := l.state.Rollout; r != nil {
			settings, _ = l.settings(r.To)
		}
		return nil
	})
	return settings, err
}
