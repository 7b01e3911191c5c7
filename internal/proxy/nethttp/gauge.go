package nethttp

import (
	"sync"
	"sync/atomic"
)

// gauge counts what is running. Unlike a sync.WaitGroup it may grow while someone waits.
type gauge struct {
	running atomic.Int64
	mu      sync.Mutex // guards waiting
	waiting []chan struct{}
}

func (g *gauge) enter() { g.running.Add(1) }

func (g *gauge) leave() {
	if g.running.Add(-1) == 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.release()
	}
}

// idle returns a channel that is closed once nothing runs.
func (g *gauge) idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	g.waiting = append(g.waiting, c) // before looking: the last one to leave looks here after it has left
	if g.running.Load() == 0 {
		g.release()
	}
	return c
}

func (g *gauge) release() {
	for _, c := range g.waiting {
		close(c)
	}
	g.waiting = nil
}
