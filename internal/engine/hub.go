package engine

import (
	"context"
	"sync"

	"github.com/naru-deploy/naru/internal/store"
)

// hub hands events to whoever watches. A watcher that does not keep up is cut off; it comes back with the number of
// the last event that it has seen.
type hub struct {
	mu     sync.Mutex
	subs   map[chan store.Event]bool
	closed bool
}

func newHub() *hub { return &hub{subs: map[chan store.Event]bool{}} }

func (h *hub) subscribe(ctx context.Context) <-chan store.Event {
	ch := make(chan store.Event, 256)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(ch)
		return ch
	}
	h.subs[ch] = true
	context.AfterFunc(ctx, func() { h.drop(ch) })
	return ch
}

func (h *hub) drop(ch chan store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[ch] {
		delete(h.subs, ch)
		close(ch)
	}
}

func (h *hub) send(events []store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		for ch := range h.subs {
			select {
			case ch <- e:
			default:
				delete(h.subs, ch)
				close(ch)
			}
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for ch := range h.subs {
		delete(h.subs, ch)
		close(ch)
	}
}
