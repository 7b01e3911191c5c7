//go:build linux

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Remove deletes the revision's artifact, record and logs. It refuses while an instance of it runs; instances that
// have exited are forgotten with it.
func (p *Platform) Remove(ctx context.Context, rev deploy.Revision) error {
	if err := errors.Join(checkName(rev.Service), checkName(rev.ID)); err != nil {
		return err
	}
	unlock, err := p.busy.Lock(ctx, rev.Service+"/"+rev.ID)
	if err != nil {
		return fmt.Errorf("remove %s %s: %w", rev.Service, rev.ID, err)
	}
	defer unlock()
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
