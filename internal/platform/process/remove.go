//go:build linux

package process

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// Remove deletes the revision's artifact, record and logs. It refuses while an instance of it runs; instances that
// have exited are forgotten with it.
func (p *Platform) Remove(ctx context.Context, rev deploy.Revision) error {
	if err := platform.CheckNames(rev.Service, rev.ID); err != nil {
		return err
	}
	unlock, err := p.busy.Lock(ctx, rev.Service+"/"+rev.ID)
	if err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	defer unlock()
	if err := platform.Vacate(ctx, p, rev); err != nil {
		return err
	}
	dir := p.revision(rev.Service, rev.ID)
	if err := removeTree(dir); err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	p.sums.forget(dir)
	_ = os.Remove(filepath.Dir(dir)) // only when it was the service's last revision
	return nil
}

// removeTree is os.RemoveAll for trees with folders that may not be written, as a copied artifact may have.
func removeTree(dir string) error {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil && !missing(err) {
		return err
	}
	return os.RemoveAll(dir)
}
