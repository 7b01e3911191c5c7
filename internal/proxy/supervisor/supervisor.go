// Package supervisor keeps the data plane running beside the controller: it starts the proxy process, adopts one that
// is there already, starts another when it has died, tells it the table, and passes on what it observes.
//
// The proxy lives in a session of its own and outlives the controller. The listening sockets are opened here and handed
// down, and stay open here as well: while a dead proxy is replaced, new connections wait in the kernel's queue
// instead of being refused.
package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
)

// Socket is the name of the proxy's control socket within its folder.
const Socket = "proxy.sock"

// Options say how the proxy is started.
type Options struct {
	Dir     string                     // the proxy's folder: socket, log
	Command []string                   // the proxy's program and arguments
	Sockets func() ([]*os.File, error) // listening sockets for a new proxy, from descriptor 3 on; kept open by the caller
	Changed func()                     // called when the proxy has said something new
	Expect  []string                   // services whose route must be known before the first table is sent
	Log     *slog.Logger
}

// Supervisor is the controller's side of the data plane.
type Supervisor struct {
	o      Options
	client proxy.Client
	push   chan struct{}

	mu      sync.Mutex
	routes  map[string]proxy.Route
	missing map[string]bool
	left    map[string]bool // services whose routes clash with another's
	version uint64
	state   proxy.State
	reached bool
	closing bool
	child   *child // the proxy that we started ourselves; nil for an adopted one
}

// New makes a supervisor that does nothing before Run.
func New(o Options) *Supervisor {
	s := &Supervisor{o: o, client: proxy.Client{Path: filepath.Join(o.Dir, Socket)}, push: make(chan struct{}, 1), routes: map[string]proxy.Route{}, missing: map[string]bool{}, left: map[string]bool{}}
	for _, name := range o.Expect {
		s.missing[name] = true
	}
	return s
}

// Client reaches the proxy's control socket.
func (s *Supervisor) Client() proxy.Client { return s.client }

// Route makes a service's route part of the table. A route that says nothing new costs nothing.
func (s *Supervisor) Route(r proxy.Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.missing, r.Service)
	if old, ok := s.routes[r.Service]; ok && reflect.DeepEqual(old, r) {
		return
	}
	s.routes[r.Service] = r
	s.renew()
}

// Unroute takes a service out of the table, or says that none is to be expected of it.
func (s *Supervisor) Unroute(service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, routed := s.routes[service]; routed || s.missing[service] {
		delete(s.missing, service)
		delete(s.routes, service)
		s.renew()
	}
}

// renew is called with the lock held: the table has changed.
func (s *Supervisor) renew() {
	s.version++
	s.wake()
}

func (s *Supervisor) wake() {
	select {
	case s.push <- struct{}{}:
	default:
	}
}

// State is the last word of the proxy and whether it can be reached now.
func (s *Supervisor) State() (proxy.State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.reached
}

// Run keeps a proxy running until the context ends; the proxy goes on.
func (s *Supervisor) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.tell(ctx) })
	wg.Go(func() { s.keep(ctx) })
	wg.Go(func() { s.trim(ctx) })
	wg.Wait()
	return nil
}

// tell sends the table whenever it has changed or a proxy does not have it.
func (s *Supervisor) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.push:
		}
		t, ready := s.table()
		if !ready {
			continue // Route or the next word of the proxy wakes again
		}
		put, cancel := context.WithTimeout(ctx, 5*time.Second)
		state, err := s.client.Put(put, t)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				s.o.Log.Warn("send table to the proxy", "version", t.Version, "error", err)
				wait(ctx, 100*time.Millisecond)
				s.wake()
			}
			continue
		}
		s.hear(state)
	}
}

// hear takes over what the proxy says, and tells it the table when it lacks it.
func (s *Supervisor) hear(state proxy.State) {
	s.mu.Lock()
	if state.Epoch == s.state.Epoch && (state.Version < s.state.Version || state.Time.Before(s.state.Time)) {
		s.mu.Unlock()
		return // an older word, overtaken: what is counted would seem to fall
	}
	adopted := s.state.Epoch == "" || state.Epoch != s.state.Epoch
	if adopted && state.Version >= s.version {
		s.version = state.Version + 1 // a proxy that outlived an earlier controller: our table is newer than its
	}
	s.state, s.reached = state, true
	behind := adopted || state.Version < s.version // also a table without any route must be said once
	s.mu.Unlock()
	if behind {
		s.wake()
	}
	if s.o.Changed != nil {
		s.o.Changed()
	}
}

// keep watches the proxy, and starts one when none answers.
func (s *Supervisor) keep(ctx context.Context) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		if s.watch(ctx) {
			pause = 0
		}
		s.mu.Lock()
		s.reached = false
		closing, old := s.closing, s.child
		s.mu.Unlock()
		if ctx.Err() != nil || closing {
			return
		}
		if old.alive() {
			wait(ctx, 20*time.Millisecond) // it is starting, or its socket broke: it is asked again
			continue
		}
		wait(ctx, pause)
		pause = min(2*time.Second, 2*pause+50*time.Millisecond)
		if err := s.spawn(); err != nil {
			s.o.Log.Error("start the proxy", "error", err)
		}
	}
}

// watch follows the proxy until it cannot be reached, and reports whether it could.
func (s *Supervisor) watch(ctx context.Context) (reached bool) {
	for state, err := range s.client.Watch(ctx) {
		if err != nil {
			return reached
		}
		reached = true
		s.hear(state)
	}
	return reached
}

// Stop ends the proxy for good: its listeners close, requests in flight finish within the timeout.
func (s *Supervisor) Stop(ctx context.Context, timeout time.Duration) error {
	s.mu.Lock()
	s.closing = true
	pid := s.state.PID
	s.mu.Unlock()
	err := s.client.Stop(ctx, timeout)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for alive(pid) && ctx.Err() == nil {
		wait(ctx, 20*time.Millisecond)
	}
	return ctx.Err()
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
