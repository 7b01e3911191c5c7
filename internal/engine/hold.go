package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/naru-deploy/naru/internal/deploy"
)

// doubts are why revisions that have to end before another begins could not be started again.
type doubts map[string]error

// Irreplaceable says why a revision that has to end before another begins could not be started again, or nothing. That stops
// no deploy, since there may be no other way on; but people should know.
func (e *Engine) Irreplaceable(ctx context.Context, service, from, to string) (why string) {
	l, err := e.loop(service)
	if err != nil {
		return ""
	}
	return l.doubt(ctx, from).irreplaceable(from, to) // of a service that ends nothing is said
}

// doubts looks at what serves, where it has to end before what is asked for begins. Like every look that may take its time, it is
// taken beside the loop and before anything is opened: nobody else waits for it.
func (e *Engine) doubts(ctx context.Context, service string, asked deploy.Service) doubts {
	l, err := e.loop(service)
	if err != nil {
		return nil
	}
	var serving []string
	_ = l.do(ctx, func() error { // a service that ends begins nothing either
		alone := asked.Exclusive || l.alone()
		for _, revision := range []string{l.state.Stable, l.inForce()} {
			if alone && !slices.Contains(serving, revision) {
				serving = append(serving, revision)
			}
		}
		return nil
	})
	return l.doubt(ctx, serving...)
}

// doubt asks the platform for revisions.
func (l *loop) doubt(ctx context.Context, revisions ...string) doubts {
	var kept []deploy.Revision
	_ = l.do(ctx, func() error {
		for _, id := range revisions {
			if rev, ok := l.revisions[id]; ok {
				kept = append(kept, rev)
			}
		}
		return nil
	})
	found := doubts{}
	for _, rev := range kept {
		if err := l.e.o.Platform.Readiness(rev); err != nil {
			found[rev.ID] = err
		}
	}
	return found
}

func (d doubts) irreplaceable(from, to string) string {
	if err := d[from]; err != nil {
		return fmt.Sprintf("when %s does not become healthy, nothing will serve, because %s could not be started again: %v", to, from, err)
	}
	return ""
}

// warned notes that beforehand in a rollout.
func (d doubts) warned(r deploy.Rollout) *deploy.Rollout {
	if r.From != "" && r.Forth[len(r.Forth)-1].Picture.Hold {
		if why := d.irreplaceable(r.From, r.To); why != "" {
			r.Notes = append(r.Notes, why)
		}
	}
	return &r
}
