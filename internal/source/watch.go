package source

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// State is what is known of one source since it is watched.
type State struct {
	Source         deploy.Source
	Canary, Stable *float64  // of the latest question; nil: no data, no answer, or not asked
	Known          bool      // the latest numbers say whether the bounds are kept
	Err            string    // why the latest question has no answer; empty: it has
	At             time.Time // of the latest answer, whatever it was; zero: none yet
	Breaches       int       // broken bounds in a row: no data and no answer neither count nor begin anew
}

// Watcher asks sources at their intervals, each in a goroutine of its own.
type Watcher struct {
	canary, stable Question
	changed        func()
	cancel         context.CancelFunc
	asking         sync.WaitGroup

	mu     sync.Mutex
	states []State // in the order of the sources
}

// Watch asks the sources about the canary, and those that compare about stable as well, at once and then at their
// intervals, until the context ends or Stop is called. changed is called after every answer, from several goroutines; it
// must not wait for Stop. Stop has to be called in any case.
func Watch(ctx context.Context, sources []deploy.Source, o Options, canary, stable Question, changed func()) *Watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &Watcher{canary: canary, stable: stable, changed: changed, cancel: cancel, states: make([]State, len(sources))}
	askers := make([]*Asker, len(sources))
	for i, s := range sources {
		w.states[i].Source = s
		var err error
		if askers[i], err = New(s, o); err != nil {
			w.states[i].Err, w.states[i].At = err.Error(), time.Now()
		}
	}
	for i, a := range askers { // from the first of them on, states belongs to several goroutines
		if a != nil {
			w.asking.Go(func() { w.follow(ctx, a, i, sources[i]) })
		}
	}
	return w
}

// Readings returns what is known now, in the order of the sources.
func (w *Watcher) Readings() []State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.states)
}

// Stop ends the asking, and with it what commands are running, and waits for that.
func (w *Watcher) Stop() {
	w.cancel()
	w.asking.Wait()
}

// follow asks one source. A question that takes longer than the interval delays the next one.
func (w *Watcher) follow(ctx context.Context, a *Asker, i int, s deploy.Source) {
	ticker := time.NewTicker(s.Interval.D())
	defer ticker.Stop()
	for {
		canary, stable := a.Ask(ctx, w.canary), Reading{}
		if s.Compares() && w.stable.Revision != "" {
			stable = a.Ask(ctx, w.stable)
		}
		if ctx.Err() != nil { // an answer that was broken off says nothing
			return
		}
		w.note(i, canary, stable)
		w.changed()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// note takes an answer down.
func (w *Watcher) note(i int, canary, stable Reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.states[i]
	s.Canary, s.Stable, s.Err, s.At = canary.value(), stable.value(), canary.Err, canary.At
	if s.Err == "" {
		s.Err = stable.Err
	}
	if stable.At.After(s.At) {
		s.At = stable.At
	}
	broken, known := compare(s.Source, s.Canary, s.Stable)
	s.Known = known
	switch {
	case broken:
		s.Breaches++
	case known:
		s.Breaches = 0
	}
}

// value is the number of a reading, or nil.
func (r Reading) value() *float64 {
	if !r.Known {
		return nil
	}
	return &r.Value
}
