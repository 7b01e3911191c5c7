package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks to the [Control] of a proxy on the unix socket at Path. Every
// call makes a connection of its own: there is nothing to close.
type Client struct {
	Path string
}

// Put sends a table and returns the state after it. A table that is older than
// the proxy's or contradicts itself is refused with the proxy's reason.
func (c Client) Put(ctx context.Context, t Table) (State, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return State{}, fmt.Errorf("write table %d: %w", t.Version, err)
	}
	return c.state(ctx, http.MethodPut, "/table", bytes.NewReader(body))
}

// State asks what the proxy knows now.
func (c Client) State(ctx context.Context) (State, error) {
	return c.state(ctx, http.MethodGet, "/state", nil)
}

// Watch yields the state at once, after every change and at least every 250 ms,
// or 100 ms while a canary is open.
// It ends with an error when the proxy goes away or ctx is done.
func (c Client) Watch(ctx context.Context) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		res, err := c.do(ctx, http.MethodGet, "/watch", nil)
		if err != nil {
			yield(State{}, err)
			return
		}
		defer res.Body.Close()
		lines := json.NewDecoder(res.Body)
		for {
			var st State
			if err := lines.Decode(&st); err != nil {
				yield(State{}, fmt.Errorf("watch proxy: %w", errors.Join(ctx.Err(), err)))
				return
			}
			if !yield(st, nil) {
				return
			}
		}
	}
}

// Metrics is what the proxy measures, in Prometheus' text format.
func (c Client) Metrics(ctx context.Context) ([]byte, error) {
	res, err := c.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// Stop asks the proxy to end: its listeners close, and requests in flight may
// finish within timeout; 0 is at once. It returns before the proxy has ended.
func (c Client) Stop(ctx context.Context, timeout time.Duration) error {
	res, err := c.do(ctx, http.MethodPost, "/stop?"+url.Values{"timeout": {timeout.String()}}.Encode(), nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (c Client) state(ctx context.Context, method, path string, body io.Reader) (State, error) {
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return State{}, err
	}
	defer res.Body.Close()
	var st State
	if err := json.NewDecoder(res.Body).Decode(&st); err != nil {
		return State{}, fmt.Errorf("read state of proxy: %w", err)
	}
	return st, nil
}

// do returns answers of success only; the caller closes their bodies.
func (c Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://proxy"+path, body)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialControl(ctx, c.Path) },
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask proxy at %s: %w", c.Path, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("ask proxy at %s: %s: %w", c.Path, res.Status, err)
	}
	return nil, fmt.Errorf("proxy at %s refused %s: %s", c.Path, path, strings.TrimSpace(string(text)))
}
