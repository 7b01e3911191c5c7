package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	maxTable = 64 << 20 // bytes
	// watchQuiet is how long after a state the next one may follow, so that a
	// hundred changes at once are one message; watchBeat is when it must.
	// A judge looks as often as it is told.
	watchQuiet = 20 * time.Millisecond
	watchBeat  = 250 * time.Millisecond
	judgeBeat  = 100 * time.Millisecond // while a canary is open
	// stopTimeout is what POST /stop waits for requests if it is not told.
	stopTimeout = 30 * time.Second
)

// Control is the control API of a router, to be served on a unix socket: PUT
// /table, GET /state, GET /watch (a stream of states as JSON lines), GET /metrics
// and POST /stop. [Client] speaks it.
type Control struct {
	router *Router
	stop   func(timeout time.Duration)
	mux    *http.ServeMux
}

// NewControl makes the control API of r. stop is called, and must not block,
// when the process is asked to end: after the requests in flight, but at the
// latest after timeout, which is 0 for at once.
func NewControl(r *Router, stop func(timeout time.Duration)) *Control {
	c := &Control{router: r, stop: stop, mux: http.NewServeMux()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(r))
	// Of this process itself: naru_proxy_go_goroutines, naru_proxy_process_open_fds and so on.
	prometheus.WrapRegistererWithPrefix("naru_proxy_", registry).MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c.mux.HandleFunc("PUT /table", c.putTable)
	c.mux.HandleFunc("GET /state", c.getState)
	c.mux.HandleFunc("GET /watch", c.getWatch)
	c.mux.HandleFunc("POST /stop", c.postStop)
	c.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return c
}

// Serve answers on l until ctx is done, then closes l and ends all watches.
func (c *Control) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler:           c.mux,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
	}
	closed := make(chan error, 1)
	end := context.AfterFunc(ctx, func() {
		// Watches end with ctx; the others answer within milliseconds.
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		closed <- errors.Join(s.Shutdown(bounded), s.Close())
	})
	err := s.Serve(l)
	if !end() {
		return <-closed // ctx is done: Serve only says that it was closed
	}
	return fmt.Errorf("serve control socket: %w", err)
}

func (c *Control) putTable(w http.ResponseWriter, req *http.Request) {
	var t Table
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxTable)).Decode(&t); err != nil {
		http.Error(w, fmt.Sprintf("read table: %v", err), http.StatusBadRequest)
		return
	}
	if err := c.router.Apply(t); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	c.getState(w, req)
}

func (c *Control) getState(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// The only error is a client that has gone.
	_ = json.NewEncoder(w).Encode(c.router.State())
}

func (c *Control) getWatch(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl")
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	for {
		changed := c.router.Changed()
		next := time.Now().Add(c.router.beat())
		if lines.Encode(c.router.State()) != nil || out.Flush() != nil {
			return
		}
		if !pause(req.Context(), watchQuiet, nil) || !pause(req.Context(), time.Until(next), changed) {
			return
		}
	}
}

// beat is how often a watch is told the state at least.
func (r *Router) beat() time.Duration {
	if r.routing.Load().judged {
		return judgeBeat
	}
	return watchBeat
}

// pause waits for d or until wake closes; it tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (c *Control) postStop(w http.ResponseWriter, req *http.Request) {
	timeout := stopTimeout
	if v := req.FormValue("timeout"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			http.Error(w, fmt.Sprintf("timeout %q is not a duration such as 30s", v), http.StatusBadRequest)
			return
		}
		timeout = d
	}
	if req.FormValue("now") == "1" {
		timeout = 0
	}
	w.WriteHeader(http.StatusAccepted)
	c.stop(timeout)
}
