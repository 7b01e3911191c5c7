package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// witness watches, from the side of the instances, who is claimed.
type witness struct {
	mu      sync.Mutex
	stopped map[*Backend]bool // closed and seen with nothing in flight
	broken  []string
}

// claimed is called by every request after it got a backend.
func (w *witness) claimed(b *Backend) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped[b] {
		w.broken = append(w.broken, b.ID()+" was claimed after its drain had ended")
	}
	if n := b.inFlight(); n < 1 || n > 1000 {
		w.broken = append(w.broken, fmt.Sprintf("%s is claimed and has %d in flight", b.ID(), n))
	}
}

// Requests claim and release while tables swap, backends close, reopen and
// leave, and connections are refused. Whoever is closed and has nothing in
// flight stays unused, every count returns to zero, and every request is
// answered and counted.
func TestSwapAndDrainLoseNothing(t *testing.T) {
	r := New(Options{})
	run(t, r)
	w := &witness{stopped: map[*Backend]bool{}}
	specs := fleet(0)
	apply(t, r, 1, canary(5000, specs...))

	var users sync.WaitGroup
	var began, answered atomic.Uint64
	end := make(chan struct{})
	for range 8 {
		users.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				began.Add(1)
				if err := w.visit(t.Context(), r); err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				answered.Add(1)
			}
		})
	}
	version := uint64(1)
	for generation := 1; generation <= 60; generation++ {
		version = w.replace(t, r, version, generation)
	}
	close(end)
	users.Wait()

	for _, text := range w.broken {
		t.Error(text)
	}
	var counted, failures uint64
	for _, s := range r.State().Services {
		for _, m := range s.Meters {
			counted += m.Requests
			failures += m.ByNaru + m.ByApp
		}
		for _, b := range s.Backends {
			if b.InFlight != 0 {
				t.Errorf("%s is left with %d in flight", b.ID, b.InFlight)
			}
		}
	}
	if began.Load() != answered.Load() || counted != answered.Load() || failures != 0 {
		t.Errorf("%d began, %d answered, %d counted, %d failed", began.Load(), answered.Load(), counted, failures)
	}
	t.Logf("%d requests over %d tables", answered.Load(), version)
}

// visit is one request, which now and then is refused or long.
func (w *witness) visit(ctx context.Context, r *Router) error {
	x, err := r.Begin(get())
	if err != nil {
		return err
	}
	for {
		b, err := x.Acquire(ctx)
		if err != nil {
			return err
		}
		w.claimed(b)
		switch rand.IntN(200) {
		case 0:
			time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // the work of the instance
		case 1:
			if rand.IntN(50) == 0 && !x.Retry(Failure{Kind: Dial}) {
				return errors.New("a refused dial was not repeated")
			} else if x.backend == nil {
				continue
			}
		}
		break
	}
	x.Done(Outcome{Status: 200})
	x.Done(Outcome{Status: 500})
	return nil
}

// fleet is two backends of either revision, of a generation.
func fleet(generation int) []BackendSpec {
	var specs []BackendSpec
	for _, s := range append(backendsOf("r1", 2), backendsOf("r2", 2)...) {
		s.ID = fmt.Sprintf("%s-g%d", s.ID, generation)
		s.Health.Interval = 5 * time.Millisecond
		specs = append(specs, s)
	}
	return specs
}

// replace brings a new generation in, disables the old one, waits until it has
// nothing in flight, notes it as stopped, and takes it out of the table. Some
// are opened again first.
func (w *witness) replace(t *testing.T, r *Router, version uint64, generation int) uint64 {
	t.Helper()
	table := func(old []BackendSpec) {
		version++
		apply(t, r, version, canary(rand.IntN(fullShare+1), append(fleet(generation), old...)...))
	}
	old := fleet(generation - 1)
	table(old)
	shut := make([]BackendSpec, len(old))
	for i, s := range old {
		shut[i] = s.disabled()
	}
	table(shut)
	if generation%3 == 0 {
		table(old)
		table(shut)
	}
	closing := map[*Backend]bool{}
	r.mu.Lock()
	for _, b := range r.services["chat"].backends {
		if b.closed() {
			closing[b] = true
		}
	}
	r.mu.Unlock()
	for len(closing) > 0 {
		changed := r.Changed()
		for b := range closing {
			if n := b.inFlight(); n == 0 {
				w.mu.Lock()
				w.stopped[b] = true
				w.mu.Unlock()
				delete(closing, b)
			}
		}
		if len(closing) > 0 {
			select {
			case <-changed:
			case <-time.After(10 * time.Second):
				t.Fatal("the end of a drain was not told")
			}
		}
	}
	table(nil)
	return version
}
