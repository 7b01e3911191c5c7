package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform"
)

// followPause is how long a reader that follows waits before it looks for another container of the instance.
const followPause = 100 * time.Millisecond

// Logs reads what an instance printed, also after its end while its revision is kept: first what is kept of containers that
// are gone, then what the engine has. Every line begins with the moment at which it was printed, in UTC with nine decimals, so
// lines of several instances sort as text. A reader that follows goes on when the instance is started again, and ends when
// the context does or the log is removed.
func (p *Platform) Logs(ctx context.Context, id string, o platform.LogOptions) (io.ReadCloser, error) {
	if err := platform.CheckNames(id); err != nil {
		return nil, err
	}
	c, there, err := p.source(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("logs of %s: %w", id, err)
	}
	if !there {
		return nil, fmt.Errorf("logs of %s: nothing is kept of it: %w", id, os.ErrNotExist)
	}
	ctx, cancel := context.WithCancel(ctx)
	read, write := io.Pipe()
	r := &logReader{PipeReader: read, cancel: cancel}
	r.done.Go(func() {
		t := &teller{p: p, id: id, out: write, after: o.Since.Add(-1)}
		if o.Since.IsZero() {
			t.after = time.Time{}
		}
		err := t.past(ctx, c, o)
		if o.Follow && err == nil {
			err = t.follow(ctx)
		}
		if errors.Is(err, io.ErrClosedPipe) || ctx.Err() != nil {
			err = nil
		}
		_ = write.CloseWithError(err) // nil: the end of the file
	})
	// A writer that waits for its reader ends with the context as well.
	r.stop = context.AfterFunc(ctx, func() { _ = write.Close() })
	return r, nil
}

// logReader is the reading end; closing it ends the goroutine that writes.
type logReader struct {
	*io.PipeReader
	cancel context.CancelFunc
	stop   func() bool
	done   sync.WaitGroup
}

func (r *logReader) Close() error {
	r.cancel()
	err := r.PipeReader.Close()
	r.done.Wait()
	return err
}

// teller writes an instance's log in the order in which it was printed.
type teller struct {
	p     *Platform
	id    string
	out   *io.PipeWriter
	after time.Time // lines up to this moment are written, or not wanted
	err   error     // of the writing
}

// tell writes a line unless it was, and reports whether more is wanted.
func (t *teller) tell(line []byte) bool {
	at := stamp(line, t.after.Add(1))
	if !at.After(t.after) {
		return true
	}
	t.after = at
	_, t.err = t.out.Write(line)
	return t.err == nil
}

// past writes what has been printed so far, or only the last lines of it.
func (t *teller) past(ctx context.Context, c *seen, o platform.LogOptions) error {
	var kept, fresh [][]byte
	from := t.after
	collect := func(into *[][]byte) func([]byte) bool {
		return func(line []byte) bool {
			if stamp(line, from.Add(1)).After(from) {
				*into = append(*into, append([]byte(nil), line...))
				if len(*into) > o.Tail {
					*into = (*into)[1:]
				}
			}
			return true
		}
	}
	if o.Tail <= 0 {
		return t.pass(ctx, c, false)
	}
	for _, name := range t.p.keptFiles(t.id) {
		if err := eachLine(name, collect(&kept)); err != nil {
			return err
		}
	}
	if c != nil {
		err := t.p.printed(ctx, c.container, client.ContainerLogsOptions{Since: since(t.after), Tail: strconv.Itoa(o.Tail)}, collect(&fresh))
		if err != nil {
			return err
		}
	}
	all := append(kept, fresh...)
	for _, line := range all[max(0, len(all)-o.Tail):] {
		if !t.tell(line) {
			return t.err
		}
	}
	return nil
}

// pass writes what is kept and then what the container has, until it ends if that is wanted.
func (t *teller) pass(ctx context.Context, c *seen, follow bool) error {
	for _, name := range t.p.keptFiles(t.id) {
		if err := eachLine(name, t.tell); err != nil || t.err != nil {
			return errors.Join(err, t.err)
		}
	}
	if c == nil {
		return nil
	}
	err := t.p.printed(ctx, c.container, client.ContainerLogsOptions{Since: since(t.after), Follow: follow}, t.tell)
	return errors.Join(err, t.err)
}

// follow goes on with whatever container the instance has next. An engine that is away is waited for.
func (t *teller) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		c, there, err := t.p.source(ctx, t.id)
		if err == nil && !there {
			return nil // it was removed
		}
		if err == nil {
			_ = t.pass(ctx, c, true)
		}
		if t.err != nil {
			return t.err
		}
		pause(ctx, followPause)
	}
	return nil
}

// source returns the instance's container, and whether it has a log at all.
func (p *Platform) source(ctx context.Context, id string) (c *seen, there bool, err error) {
	if !p.knows(id) {
		return nil, false, nil
	}
	for _, name := range p.keptFiles(id) {
		if _, err := os.Stat(name); err == nil {
			there = true
		}
	}
	c, err = p.find(ctx, id)
	if err != nil && there {
		return nil, true, nil // what is kept can be read without the engine
	}
	return c, there || c != nil, err
}
