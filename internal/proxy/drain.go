package proxy

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// drainSpread is the longest stretch over which long-lived connections are
	// asked to leave. All at once would bring all users back at once.
	drainSpread = 5 * time.Second
	// drainMargin is left between the last of them and the stop of the instance.
	drainMargin = 500 * time.Millisecond
)

// stream is a long-lived exchange on a backend.
type stream struct {
	backend *Backend
	goAway  chan struct{}
	once    sync.Once
	timer   *time.Timer // nil: stays; guarded by Backend.mu
}

// Streaming says that the exchange is long-lived (an upgrade, an event stream):
// its latency ends at the response head, and a drain fires GoAway. Call it once,
// after Acquire, before Head or at once after it.
func (x *Exchange) Streaming() {
	if x.backend == nil || x.stream != nil {
		return
	}
	x.stream = x.backend.addStream()
	x.settleHead()
}

// GoAway is closed when a long-lived connection must end, because its instance
// drains. It is nil, and never fires, before Streaming.
func (x *Exchange) GoAway() <-chan struct{} {
	if x.stream == nil {
		return nil
	}
	return x.stream.goAway
}

// ClosedByDrain counts a WebSocket that the engine ended with 1001.
func (x *Exchange) ClosedByDrain() { x.metered().wsClosed.Add(1) }

func (x *Exchange) endStream() {
	if x.stream != nil {
		x.stream.backend.dropStream(x.stream)
		x.stream = nil
	}
}

func (b *Backend) addStream() *stream {
	s := &stream{backend: b, goAway: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.streams == nil {
		b.streams = map[*stream]struct{}{}
	}
	b.streams[s] = struct{}{}
	if !b.closure.at.IsZero() {
		// Claimed just before the backend closed.
		from, length := b.closure.window()
		s.leave(from.Add(time.Duration(rand.Float64() * float64(length))))
	}
	return s
}

func (b *Backend) dropStream(s *stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.streams, s)
	s.stay()
}

func (b *Backend) streaming() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.streams)
}

// drain gives every stream its moment to leave, evenly over the last seconds
// before DrainBy or, if the table gives none, before the timeout ends. Called
// again, it gives them new moments if that end has changed.
func (b *Backend) drain(now time.Time, timeout time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := closure{at: now, by: b.spec.Load().DrainBy}
	if !b.closure.at.IsZero() {
		c.at = b.closure.at
	}
	if c.by.IsZero() {
		c.by = c.at.Add(timeout)
	}
	if b.closure.at.Equal(c.at) && b.closure.by.Equal(c.by) {
		return
	}
	b.closure = c
	from, length := c.window()
	i, n := 0, len(b.streams)
	for s := range b.streams {
		s.stay()
		s.leave(from.Add(length * time.Duration(2*i+1) / time.Duration(2*n)))
		i++
	}
}

// undrain lets the streams stay: the backend was opened again.
func (b *Backend) undrain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closure = closure{}
	for s := range b.streams {
		s.stay()
	}
}

// window is when streams leave: drainSpread or half of the drain time, whichever
// is less, ending drainMargin before the drain does.
func (c closure) window() (from time.Time, length time.Duration) {
	length = max(0, min(drainSpread, c.by.Sub(c.at)/2))
	return c.by.Add(-drainMargin - length), length
}

// leave closes goAway at the given moment, at once if it is past.
func (s *stream) leave(at time.Time) {
	s.timer = time.AfterFunc(time.Until(at), func() { s.once.Do(func() { close(s.goAway) }) })
}

// stay takes leave back, unless it has happened.
func (s *stream) stay() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
