package engine

import (
	"context"

	"github.com/naru-deploy/naru/internal/deploy"
)

// number makes sure that the next revision is given a number of which the platform keeps nothing. Where an older store was brought
// back, or there is none, files of revisions that it does not know are there still; a new revision of the same number would be taken for
// prepared already, and run what another deploy has left. While serve runs nobody else makes any, so that one look is enough.
func (l *loop) number(ctx context.Context) error {
	looked := false
	if err := l.do(ctx, func() error { looked = l.numbered; return nil }); err != nil || looked {
		return err
	}
	held, err := l.e.o.Platform.Holdings(ctx, l.name)
	if err != nil { // what cannot be reached now cannot be deployed to either, and is asked the next time
		l.e.log.Warn("look for the numbers of revisions", "service", l.name, "error", err)
		return nil
	}
	return l.do(ctx, func() error {
		next := l.state
		for _, h := range held {
			next.Revisions = max(next.Revisions, deploy.Number(h.Revision))
		}
		if next.Revisions != l.state.Revisions {
			l.e.log.Warn("there are files of revisions that the store does not know; their numbers are passed over", "service", l.name, "next", deploy.RevisionID(next.Revisions+1))
			if err := l.commit(next); err != nil {
				return err
			}
		}
		l.numbered = true
		return nil
	})
}
