package engine

import (
	"context"
	"fmt"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Irreplaceable says why a revision that has to end before another begins could not be started again, or nothing. That stops
// no deploy, since there may be no other way on; but people should know.
func (e *Engine) Irreplaceable(ctx context.Context, service, from, to string) (why string) {
	l, err := e.loop(service)
	if err != nil {
		return ""
	}
	_ = l.do(ctx, func() error { why = l.irreplaceable(from, to); return nil }) // of a service that ends nothing is said
	return why
}

func (l *loop) irreplaceable(from, to string) string {
	rev, ok := l.revisions[from]
	if !ok {
		return ""
	}
	if err := l.e.o.Platform.Readiness(rev); err != nil {
		return fmt.Sprintf("when %s does not become healthy, nothing will serve, because %s could not be started again: %v", to, from, err)
	}
	return ""
}

// warned notes that beforehand in a rollout.
func (l *loop) warned(r deploy.Rollout) *deploy.Rollout {
	if r.From != "" && r.Forth[len(r.Forth)-1].Picture.Hold {
		if why := l.irreplaceable(r.From, r.To); why != "" {
			r.Notes = append(r.Notes, why)
		}
	}
	return &r
}
