package engine

import (
	"context"
	"fmt"
	"reflect"

	"github.com/naru-deploy/naru/internal/deploy"
)

// examine refuses a version whose secrets are missing, before anything moves. Of the revisions that are what is asked for, as far
// as their settings tell, it says what has changed outside them: those are to be replaced all the same.
func (e *Engine) examine(ctx context.Context, q DeployRequest) (changed map[string][]string, err error) {
	state, err := e.State(ctx, q.Service)
	if err != nil {
		return nil, err
	}
	kept, err := e.o.Store.Revisions(q.Service)
	if err != nil {
		return nil, err
	}
	asked := deploy.Revision{Service: q.Service, Version: q.Version, Settings: q.Settings}
	candidate := state.Stable
	if r, open := state.Open(); open && !r.Returning {
		candidate = r.To
	}
	for _, rev := range kept {
		rev.Settings = rev.Settings.Normalise()
		if rev.ID == candidate && rev.Version == q.Version && reflect.DeepEqual(rev.Settings, q.Settings) {
			asked = rev
		}
	}
	found, problems := e.o.Platform.Examine(ctx, asked)
	moved, err := e.o.Platform.Moved(ctx, asked)
	switch {
	case err != nil:
		problems = append(problems, deploy.Problem{Path: "docker.image", Message: err.Error()})
	case moved:
		found = append(found, "docker.image")
	}
	if len(problems) > 0 {
		return nil, faulty(q.Service, problems)
	}
	return map[string][]string{asked.ID: found}, nil
}

// Lacks says what a deploy of a version would be refused for now: what its settings point to and is not there. No command is run.
func (e *Engine) Lacks(service, version string, settings deploy.Service) (notes []string) {
	_, problems := e.o.Platform.Glance(deploy.Revision{Service: service, Version: version, Settings: settings})
	for _, p := range problems {
		notes = append(notes, fmt.Sprintf("a deploy would be refused now: %s: %s", p.Path, p.Message))
	}
	return notes
}

// examineBack finds the revision that a rollback has to start, and refuses one that could not be started, before anything moves. It is
// asked beside the loop, because commands, registries and engines may take their time: meanwhile the loop goes on, and others begin
// what they like. Empty: what is only taken back needs nothing, for stable runs.
func (l *loop) examineBack(ctx context.Context, revision string) (asked string, d doubts, err error) {
	var rev deploy.Revision
	var needed bool
	var kept []string
	err = l.do(ctx, func() error {
		if _, back := l.takenBack(revision); back {
			return nil
		}
		found, serves, err := l.target(revision)
		rev, needed, kept = found, !serves, l.kept()
		return err
	})
	if err != nil || !needed {
		return "", nil, err
	}
	if err := l.e.visible(ctx, l.name); err != nil {
		return "", nil, err
	}
	if _, problems := l.e.o.Platform.Examine(ctx, rev); len(problems) > 0 {
		return "", nil, &Error{Code: Refused, Message: fmt.Sprintf("%s cannot be started now: %v", rev.ID, faulty(l.name, problems))}
	}
	if err := l.e.o.Platform.Readiness(rev); err != nil {
		return "", nil, &Error{Code: Refused, Message: fmt.Sprintf("nothing has begun, because %s is not ready: %v; kept are: %s", rev.ID, err, list(kept))}
	}
	return rev.ID, l.e.doubts(ctx, l.name, rev.Settings), nil
}
