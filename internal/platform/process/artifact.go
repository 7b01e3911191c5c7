//go:build linux

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/naru-deploy/naru/internal/platform"
)

// copyArtifact copies a file or folder to DIR/artifact/NAME. The copy appears whole or not at all.
func (p *Platform) copyArtifact(ctx context.Context, source, dir string) error {
	source, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	if _, err := os.Stat(source); err != nil {
		if missing(err) {
			err = fmt.Errorf("%s does not exist; build it or correct process.artifact", source)
		}
		return fmt.Errorf("artifact: %w", err)
	}
	// A link may lead into the folder of a release; what counts is what it leads to now.
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return fmt.Errorf("artifact: %w", err)
	}
	if strings.HasPrefix(p.dir+"/", strings.TrimSuffix(real, "/")+"/") {
		return fmt.Errorf("artifact: %s contains naru's own state folder %s; name a folder that does not", source, p.dir)
	}
	temp, err := os.MkdirTemp(dir, ".artifact-*")
	if err != nil {
		return fmt.Errorf("artifact: %w", err)
	}
	err = copyTree(ctx, real, filepath.Join(temp, filepath.Base(source)))
	if err == nil {
		err = errors.Join(removeTree(filepath.Join(dir, "artifact")), os.Rename(temp, filepath.Join(dir, "artifact")))
	}
	if err == nil {
		err = platform.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("artifact: copy %s: %w", source, errors.Join(err, removeTree(temp)))
	}
	return nil
}

// copyTree copies files, folders and symbolic links with their modes, and makes each of them durable.
func copyTree(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case 0:
		return copyFile(from, to, info.Mode().Perm())
	case fs.ModeDir:
		return copyDir(ctx, from, to, info.Mode().Perm())
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	return fmt.Errorf("%s is neither a file nor a folder nor a symbolic link", from)
}

func copyDir(ctx context.Context, from, to string, mode fs.FileMode) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyTree(ctx, filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	if err := platform.SyncDir(to); err != nil {
		return err
	}
	return os.Chmod(to, mode) // last: a folder that may not be written could not be filled
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = errors.Join(out.Chmod(mode), out.Sync()) // the umask does not apply to Chmod
	}
	return errors.Join(err, out.Close())
}
