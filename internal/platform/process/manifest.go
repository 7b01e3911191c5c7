package process

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// manifestFile is manifest.json of a revision: the SHA-256 of every file of its artifact's copy, by path. Of a symbolic
// link it has where it leads to.
const manifestFile = "manifest.json"

const linksTo = "-> "

// describe writes the manifest of a copy that has just been made.
func (p *Platform) describe(copied, dir string) error {
	manifest := make(map[string]string)
	err := filepath.WalkDir(copied, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(copied, path)
		if err == nil {
			manifest[name], err = p.contentOf(path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("artifact: %w", err)
	}
	return platform.WriteJSON(filepath.Join(dir, manifestFile), manifest)
}

func (p *Platform) contentOf(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		target, err := os.Readlink(path)
		return linksTo + target, err
	}
	return p.sums.sum(path)
}

// intact compares the copy with its manifest. Files that were added are none of its business: programs leave caches
// beside themselves. A revision of an older naru has no manifest, and nothing is known against it.
func (p *Platform) intact(rev deploy.Revision) error {
	copied := p.artifact(rev.Service, rev.ID)
	if copied == "" {
		return nil
	}
	var manifest map[string]string
	if err := platform.ReadJSON(filepath.Join(p.revision(rev.Service, rev.ID), manifestFile), &manifest); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(manifest)) {
		path := filepath.Join(copied, name)
		switch now, err := p.contentOf(path); {
		case err != nil:
			return fmt.Errorf("%s of the artifact of %s %s cannot be read now: %w; deploy version %s again", path, rev.Service, rev.ID, err, rev.Version)
		case now != manifest[name]:
			return fmt.Errorf("%s of the artifact of %s %s has changed since its deploy (sha256 %.12s…, then %.12s…); deploy version %s again", path, rev.Service, rev.ID, now, manifest[name], rev.Version)
		}
	}
	return nil
}
