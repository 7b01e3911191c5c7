//go:build linux

package process

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/platform"
)

// Logs reads what an instance printed, also after its end while its revision is kept. Every line begins with the
// moment at which it was printed, in UTC with nine decimals, so lines of several instances sort as text. A reader that
// follows goes on when the instance is started again, and ends when the context does or the log is removed.
func (p *Platform) Logs(ctx context.Context, id string, o platform.LogOptions) (io.ReadCloser, error) {
	if err := checkName(id); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(p.dir, "revisions", "*", "*", "logs", id, logFile))
	if err != nil {
		return nil, fmt.Errorf("logs of %s: %w", id, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("logs of %s: nothing is kept of it: %w", id, os.ErrNotExist)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &logReader{ctx: ctx, cancel: cancel, dir: filepath.Dir(found[0]), follow: o.Follow}
	if err := r.seek(o); err != nil {
		return nil, fmt.Errorf("logs of %s: %w", id, errors.Join(err, r.Close()))
	}
	return r, nil
}

// logReader reads the files of a rotated log as one.
type logReader struct {
	ctx    context.Context // of the call of Logs: it bounds the following
	cancel context.CancelFunc
	dir    string
	follow bool

	mu   sync.Mutex
	file *os.File // nil once closed
}

// followPause is how long a reader that follows waits before it looks for more.
const followPause = 50 * time.Millisecond

// Read returns what is there, and waits for more only when it follows.
func (r *logReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.file == nil || r.ctx.Err() != nil {
			return 0, io.EOF
		}
		if n, err := r.file.Read(b); n > 0 || err != io.EOF {
			return n, err
		}
		next, err := r.next()
		if err != nil {
			return 0, err
		}
		if next == nil {
			if !r.follow || !r.pause() {
				return 0, io.EOF
			}
			continue
		}
		// The file was written to until the moment of its rotation, so its end is read once more.
		if n, err := r.file.Read(b); n > 0 || err != io.EOF {
			_ = next.Close()
			return n, err
		}
		_ = r.file.Close()
		r.file = next
	}
}

// pause reports false when there will be nothing more.
func (r *logReader) pause() bool {
	if _, err := os.Stat(r.dir); missing(err) {
		return false
	}
	select {
	case <-r.ctx.Done():
		return false
	case <-time.After(followPause):
		return true
	}
}

// Close ends a Read that waits.
func (r *logReader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// next opens the file that follows the current one, or the oldest when the current one was deleted; nil when the
// current one is the last.
func (r *logReader) next() (*os.File, error) {
	paths, err := logFiles(r.dir)
	if err != nil {
		return nil, err
	}
	current, err := r.file.Stat()
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && os.SameFile(info, current)
	})
	if at+1 >= len(paths) {
		return nil, nil
	}
	file, err := os.Open(paths[at+1])
	if missing(err) {
		return nil, nil // rotated or deleted since; the next look finds it
	}
	return file, err
}

// logFiles returns the files of a log, oldest first. The names of those that were rotated carry the moment of that.
func logFiles(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "output-*.log"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	current := filepath.Join(dir, logFile)
	if _, err := os.Stat(current); err == nil {
		paths = append(paths, current)
	}
	return paths, nil
}

// place is the beginning of a line in a log.
type place struct {
	path   string
	offset int64
}

// seek opens the file in which the wanted part begins. It reads the log once, 50 MB at most, and keeps the
// places of as many lines as are wanted.
func (r *logReader) seek(o platform.LogOptions) error {
	paths, err := logFiles(r.dir)
	if err != nil || len(paths) == 0 {
		return cmp.Or(err, os.ErrNotExist)
	}
	start := place{path: paths[0]}
	if o.Tail > 0 || !o.Since.IsZero() {
		if start, err = find(paths, o); err != nil {
			return err
		}
	}
	if r.file, err = os.Open(start.path); err != nil {
		return err
	}
	_, err = r.file.Seek(start.offset, io.SeekStart)
	return err
}

// find returns the place of the first wanted line; when none is wanted, the end of the log.
func find(paths []string, o platform.LogOptions) (place, error) {
	var wanted []place // of the last lines, at most o.Tail; of all, when that is zero, only the first
	end := place{path: paths[len(paths)-1]}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return place{}, err
		}
		size, err := scan(file, func(line []byte, offset int64) {
			if before(line, o.Since) && len(wanted) == 0 {
				return
			}
			if o.Tail > 0 || len(wanted) == 0 {
				wanted = append(wanted, place{path, offset})
			}
			if o.Tail > 0 && len(wanted) > o.Tail {
				wanted = wanted[1:]
			}
		})
		_ = file.Close()
		if err != nil {
			return place{}, err
		}
		end = place{path, size}
	}
	if len(wanted) == 0 {
		return end, nil
	}
	return wanted[0], nil
}

// scan calls visit with every line and its offset, and returns how much it has read. A line that is still being
// written counts as one.
func scan(r io.Reader, visit func(line []byte, offset int64)) (int64, error) {
	lines := bufio.NewReaderSize(r, 2*lineLimit) // longer than any line of a log
	var offset int64
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			visit(line, offset)
			offset += int64(len(line))
		}
		if err == io.EOF {
			return offset, nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return offset, err
		}
	}
}

// before reports whether a line was printed before a moment. A line without a time belongs to the one before it.
func before(line []byte, since time.Time) bool {
	if since.IsZero() {
		return false
	}
	word, _, _ := bytes.Cut(line, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(word))
	return err != nil || at.Before(since)
}
