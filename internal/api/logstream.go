package api

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/platform"
)

// logStream writes the logs of several instances as one. Every line of a log begins with the moment at which it was
// printed, in a form that sorts as text.
type logStream struct {
	engine *engine.Engine
	q      *logQuery
	since  time.Time
	w      io.Writer
	rc     *http.ResponseController
	seen   map[string]string // instance: moment of its last line written
}

// logLine is a line of an instance; stamp is its moment.
type logLine struct{ stamp, instance, text string }

func (l logLine) String() string { return l.stamp + " " + l.instance + " " + l.text + "\n" }

// Ways in which a stream of logs goes on.
const (
	longestLine = 256 << 10              // platforms cut lines long before
	logPause    = 100 * time.Millisecond // lines printed within it are put in order before they are sent
	logLook     = time.Second            // between two looks for instances that are new
)

// past writes what the instances have printed by now, merged.
func (o logStream) past(ctx context.Context, ids []string) error {
	var all []logLine
	for _, id := range ids {
		lines, err := o.read(ctx, id)
		if err != nil {
			return err
		}
		all = append(all, lines...)
	}
	slices.SortStableFunc(all, byTime)
	if n := o.q.Tail; n > 0 && len(all) > n {
		all = all[len(all)-n:]
	}
	return o.write(all)
}

// read returns the lines of one instance; one that has printed nothing has none.
func (o logStream) read(ctx context.Context, id string) (lines []logLine, err error) {
	r, err := o.engine.Logs(ctx, id, platform.LogOptions{Tail: o.q.Tail, Since: o.since})
	if errors.Is(err, fs.ErrNotExist) && o.q.Instance == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	err = scan(r, id, func(l logLine) bool { lines = append(lines, l); return true })
	if len(lines) > 0 {
		o.seen[id] = lines[len(lines)-1].stamp
	}
	return lines, err
}

// scan hands over the lines of a log until it ends or take does not want more.
func scan(r io.Reader, id string, take func(logLine) bool) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), longestLine)
	for s.Scan() {
		stamp, text, _ := strings.Cut(s.Text(), " ")
		if !take(logLine{stamp, id, text}) {
			return nil
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read the log of %s: %w", id, err)
	}
	return nil
}

func byTime(a, b logLine) int {
	return cmp.Or(cmp.Compare(a.stamp, b.stamp), cmp.Compare(a.instance, b.instance))
}

func (o logStream) write(lines []logLine) error {
	for _, l := range lines {
		if _, err := io.WriteString(o.w, l.String()); err != nil {
			return err
		}
	}
	return o.rc.Flush()
}

// follow writes what is printed from now on, by instances that start later as well, until ctx ends or the reader goes.
func (o logStream) follow(ctx context.Context, ids func() []string) {
	ctx, cancel := context.WithCancel(ctx)
	lines := make(chan logLine)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	followed := map[string]bool{}
	look := func() {
		for _, id := range ids() {
			if after := o.seen[id]; !followed[id] {
				followed[id] = true
				readers.Go(func() { o.tail(ctx, id, after, lines) })
			}
		}
	}
	look()
	looks, pauses := time.NewTicker(logLook), time.NewTicker(logPause)
	defer looks.Stop()
	defer pauses.Stop()
	var waiting []logLine
	for {
		select {
		case <-ctx.Done():
			return
		case <-looks.C:
			look()
		case l := <-lines:
			waiting = append(waiting, l)
		case <-pauses.C:
			slices.SortStableFunc(waiting, byTime)
			if len(waiting) > 0 && o.write(waiting) != nil {
				return
			}
			waiting = nil
		}
	}
}

// tail sends the lines of one instance that come after a moment. An instance that has no log yet is waited for; any other
// error ends its part, and the others go on.
func (o logStream) tail(ctx context.Context, id, after string, lines chan<- logLine) {
	since, _ := time.Parse(time.RFC3339Nano, after) // none: everything, for it started while we followed
	r, err := o.engine.Logs(ctx, id, platform.LogOptions{Since: since, Follow: true})
	for errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(logLook):
			r, err = o.engine.Logs(ctx, id, platform.LogOptions{Since: since, Follow: true})
		}
	}
	if err != nil {
		return
	}
	defer r.Close()
	_ = scan(r, id, func(l logLine) bool {
		if l.stamp <= after {
			return true
		}
		select {
		case lines <- l:
			return true
		case <-ctx.Done():
			return false
		}
	})
}
