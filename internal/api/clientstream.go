package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/store"
)

// EventFilter says which events are wanted.
type EventFilter struct {
	Service string // empty: of all
	Rollout string // empty: of all
	After   uint64 // only those with a higher number
}

func (f EventFilter) query() url.Values {
	v := url.Values{"after": {strconv.FormatUint(f.After, 10)}}
	if f.Service != "" {
		v.Set("service", f.Service)
	}
	if f.Rollout != "" {
		v.Set("rollout", f.Rollout)
	}
	return v
}

// Past returns what has happened by now, oldest first.
func (c *Client) Past(ctx context.Context, f EventFilter) (events []store.Event, err error) {
	v := f.query()
	v.Set("past", "true")
	body, err := c.open(ctx, http.MethodGet, "/v1/events?"+v.Encode(), nil, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	_, err = read(body, func(e store.Event) bool { events = append(events, e); return true })
	return events, err
}

// Events yields what has happened and goes on with what happens, each event once, until ctx ends. A stream that breaks is
// opened again behind the last event; while no server answers, one error of code Unavailable is yielded for each attempt, and
// the caller may go on. Any other error ends the sequence.
func (c *Client) Events(ctx context.Context, f EventFilter) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		for ctx.Err() == nil {
			more, err := c.follow(ctx, &f, yield)
			if !more || ctx.Err() != nil {
				return
			}
			if err != nil {
				var e *Error
				gone := errors.As(err, &e) && e.Code == Unavailable
				if !yield(store.Event{}, err) || !gone {
					return
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(reconnect):
			}
		}
	}
}

// reconnect is the time between two attempts to open a stream.
const reconnect = 500 * time.Millisecond

// follow reads one stream until it breaks. more is false when the caller has enough.
func (c *Client) follow(ctx context.Context, f *EventFilter, yield func(store.Event, error) bool) (more bool, err error) {
	header := http.Header{}
	if f.After > 0 {
		header.Set("Last-Event-ID", strconv.FormatUint(f.After, 10))
	}
	body, err := c.open(ctx, http.MethodGet, "/v1/events?"+f.query().Encode(), nil, header)
	if err != nil {
		return true, err
	}
	defer body.Close()
	more, err = read(body, func(e store.Event) bool { f.After = e.Number; return yield(e, nil) })
	var broken *brokenStream
	if errors.As(err, &broken) {
		return more, nil // the next attempt says whether the server has gone
	}
	return more, err
}

// brokenStream is the end of a stream in the middle.
type brokenStream struct{ error }

// read takes the events out of a stream. more is false when take wants no more.
func read(r io.Reader, take func(store.Event) bool) (more bool, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), maxBody)
	for s.Scan() {
		data, ok := strings.CutPrefix(s.Text(), "data: ")
		if !ok {
			continue // its number stands in the data too; the rest are comments
		}
		var e store.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return true, fmt.Errorf("read event %q: %w", data, err)
		}
		if !take(e) {
			return false, nil
		}
	}
	if err := s.Err(); err != nil {
		return true, &brokenStream{err}
	}
	return true, nil
}

// LogFilter says which lines are wanted.
type LogFilter struct {
	Revision string // empty: of the instances that there are
	Instance string // empty: of all
	Tail     int    // the last lines; 0: all that are kept
	Since    string // RFC 3339, or how long ago; empty: no bound
	Follow   bool   // go on with what is printed from now on
}

// Logs reads the lines of a service's instances in the order of time, each as "TIME INSTANCE TEXT". The caller closes it.
func (c *Client) Logs(ctx context.Context, service string, f LogFilter) (io.ReadCloser, error) {
	v := url.Values{"tail": {strconv.Itoa(f.Tail)}, "follow": {strconv.FormatBool(f.Follow)}}
	for key, value := range map[string]string{"revision": f.Revision, "instance": f.Instance, "since": f.Since} {
		if value != "" {
			v.Set(key, value)
		}
	}
	return c.open(ctx, http.MethodGet, of(service, "logs")+"?"+v.Encode(), nil, nil)
}
