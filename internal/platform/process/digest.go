//go:build linux

package process

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// digests computes the SHA-256 of files and remembers it for as long as the file is untouched. The kernel sets the
// time of change (ctime) at every write, and no program can set it back.
type digests struct {
	mu    sync.Mutex
	known map[string]digest
}

type digest struct {
	stamp stamp
	sum   string
}

// stamp changes whenever a file's content may have.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

func stampOf(file *os.File) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return stamp{}, err
	}
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}, nil
}

// forget lets go of what is known of the files in a folder that is gone.
func (d *digests) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(path string, _ digest) bool { return strings.HasPrefix(path, dir+"/") })
}

// sum returns the SHA-256 of a file in hex.
func (d *digests) sum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	now, err := stampOf(file)
	if err != nil {
		return "", fmt.Errorf("stat %s: %w", path, err)
	}
	d.mu.Lock()
	known, ok := d.known[path]
	d.mu.Unlock()
	if ok && known.stamp == now {
		return known.sum, nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[string]digest)
	}
	d.known[path] = digest{now, sum} // the stamp of before: a write while it was read makes it stale
	return sum, nil
}
