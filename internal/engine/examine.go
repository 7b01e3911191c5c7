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

// examineBack refuses a rollback whose secrets are missing, before anything moves. It is asked beside the loop, because commands
// may take their time. What is only taken back needs none: stable runs.
func (l *loop) examineBack(ctx context.Context, revision string) error {
	var rev deploy.Revision
	err := l.do(ctx, func() error {
		r, open := l.state.Open()
		if target, err := l.destination(revision); err == nil && target != l.state.Stable && (!open || r.Passed || target != r.From) {
			rev = l.revisions[target]
		}
		return nil
	})
	if err != nil || rev.ID == "" {
		return err
	}
	if _, problems := l.e.o.Platform.Examine(ctx, rev); len(problems) > 0 {
		return &Error{Code: Refused, Message: fmt.Sprintf("%s cannot be started now: %v", rev.ID, faulty(l.name, problems))}
	}
	return nil
}
