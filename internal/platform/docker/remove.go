package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Remove deletes the revision's record and logs, and its image when naru has fetched it and nobody else uses it; one that
// was here before is only given up to be pruned. It refuses while an instance of it
// runs; instances that have exited are forgotten with it.
func (p *Platform) Remove(ctx context.Context, rev deploy.Revision) error {
	if err := checkName(rev.Service, rev.ID); err != nil {
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
	instances, err := p.List(ctx, rev.Service)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if i.Revision == rev.ID && i.Live() {
			return fmt.Errorf("remove %s %s: instance %s is %s; stop it first", rev.Service, rev.ID, i.ID, i.State)
		}
	}
	for _, i := range instances {
		if i.Revision == rev.ID {
			if err := p.Stop(ctx, i.ID, 0); err != nil {
				return err
			}
		}
	}
	if err := p.giveUp(ctx, rev); err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	_ = os.Remove(filepath.Dir(dir)) // only when it was the service's last revision
	return nil
}
