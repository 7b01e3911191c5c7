package process

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/naru-deploy/naru/internal/platform"
)

// Holdings lists what is kept of the revisions of a service, or of all when service is empty.
func (p *Platform) Holdings(_ context.Context, service string) ([]platform.Holding, error) {
	dirs, err := p.revisions(service)
	var out []platform.Holding
	for _, dir := range dirs {
		h := platform.Holding{Service: filepath.Base(filepath.Dir(dir)), Revision: filepath.Base(dir), What: "record and logs", Bytes: platform.Size(dir)}
		if _, err := os.Stat(filepath.Join(dir, "artifact")); err == nil {
			h.What = "artifact, record and logs"
		}
		out = append(out, h)
	}
	return out, err
}

// revisions returns the folders of revisions.
func (p *Platform) revisions(service string) ([]string, error) {
	if service == "" {
		service = "*"
	} else if err := checkName(service); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(p.dir, "revisions", service, "*"))
}

// Sweep deletes folders of instances that never came to life, copies that were never finished, and logs of instances that
// have ended and printed nothing since a moment.
func (p *Platform) Sweep(ctx context.Context, logsBefore time.Time, dry bool) (out []platform.Leftover, err error) {
	folders, err := p.folders()
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		found, err := p.stillborn(ctx, f, dry)
		if err != nil {
			return out, err
		}
		out = append(out, found...)
	}
	dirs, err := p.revisions("")
	if err != nil {
		return out, err
	}
	for _, dir := range dirs {
		found, err := p.unfinished(ctx, dir, dry)
		out = append(out, found...)
		if err != nil {
			return out, err
		}
		found, err = p.oldLogs(dir, logsBefore, dry)
		out = append(out, found...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// stillborn finds an instance whose start or end a controller that was killed has left half done.
func (p *Platform) stillborn(ctx context.Context, f folder, dry bool) ([]platform.Leftover, error) {
	if v := p.look(f); v.exists() {
		return nil, nil
	}
	unlock, err := p.busy.Lock(ctx, f.id()) // while nobody starts it
	if err != nil {
		return nil, err
	}
	defer unlock()
	v := p.look(f)
	if _, err := os.Stat(string(f)); missing(err) || v.exists() {
		return nil, nil
	}
	found := []platform.Leftover{{Kind: "file", Name: string(f), Bytes: platform.Size(string(f)), Why: "of an instance that was never started, or is gone"}}
	if dry {
		return found, nil
	}
	if err := p.endGroup(ctx, v.state, time.Now()); err != nil {
		return nil, err
	}
	if err := p.forget(ctx, f); err != nil {
		return nil, err
	}
	return found, nil
}

// unfinished finds copies of an artifact that a controller which was killed has begun.
func (p *Platform) unfinished(ctx context.Context, dir string, dry bool) (out []platform.Leftover, err error) {
	halves, err := filepath.Glob(filepath.Join(dir, ".artifact-*"))
	if err != nil || len(halves) == 0 {
		return nil, err
	}
	unlock, err := p.busy.Lock(ctx, filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir)) // while nobody copies it
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, half := range halves {
		if _, err := os.Stat(half); missing(err) {
			continue // it was finished meanwhile
		}
		found := platform.Leftover{Kind: "file", Name: half, Bytes: platform.Size(half), Why: "a copy that was never finished"}
		if !dry {
			if err := removeTree(half); err != nil {
				return out, fmt.Errorf("remove %s: %w", half, err)
			}
		}
		out = append(out, found)
	}
	return out, nil
}

// oldLogs finds the logs of ended instances in which nothing was written since a moment.
func (p *Platform) oldLogs(dir string, before time.Time, dry bool) (out []platform.Leftover, err error) {
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "*"))
	if err != nil {
		return nil, err
	}
	for _, log := range logs {
		if _, err := os.Stat(filepath.Join(p.instances(), filepath.Base(log))); !missing(err) || !untouched(log, before) {
			continue
		}
		found := platform.Leftover{Kind: "log", Name: log, Bytes: platform.Size(log), Why: "old, of an instance that has ended"}
		if !dry {
			if err := os.RemoveAll(log); err != nil {
				return out, fmt.Errorf("remove %s: %w", log, err)
			}
		}
		out = append(out, found)
	}
	return out, nil
}

// untouched reports whether nothing in a folder was written since a moment.
func untouched(dir string, since time.Time) bool {
	old := true
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.ModTime().After(since) {
			old = false
		}
		return err
	})
	return old && err == nil
}
