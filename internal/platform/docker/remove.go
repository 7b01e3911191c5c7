package docker

import (
	"context"
	"fmt"
	"os"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// Remove deletes the revision's record and logs, and its image when naru has fetched it and nobody else uses it; one that
// was here before is only given up to be pruned. It refuses while an instance of it
// runs; instances that have exited are forgotten with it.
func (p *Platform) Remove(ctx context.Context, rev deploy.Revision) error {
	if err := platform.CheckNames(rev.Service, rev.ID); err != nil {
		return err
	}
	unlock, err := p.busy.Lock(ctx, rev.Service+"/"+rev.ID)
	if err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	defer unlock()
	dir := p.revision(rev.Service, rev.ID)
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return nil
	}
	if err := platform.Vacate(ctx, p, rev); err != nil {
		return err
	}
	if err := p.release(ctx, rev); err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	return nil
}

// release gives up the image of a revision and removes its folder.
func (p *Platform) release(ctx context.Context, rev deploy.Revision) error {
	var r record
	if platform.ReadJSON(p.recordFile(rev.Service, rev.ID), &r) != nil {
		return p.abandon(ctx, rev.Service, rev.ID)
	}
	r.Pulled = r.Pulled || p.fetched(rev.Service, rev.ID, r.ID)
	if err := p.giveUp(ctx, rev.Service, rev.ID, r); err != nil {
		return err
	}
	return p.dropRevision(rev.Service, rev.ID)
}
