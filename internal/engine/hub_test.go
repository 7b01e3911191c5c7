package engine

import (
	"context"
	"testing"

	"github.com/naru-deploy/naru/internal/store"
)

// A watcher that does not keep up is cut off instead of holding up the loop; one that left is forgotten.
func TestHubNeverWaits(t *testing.T) {
	h := newHub()
	ctx, cancel := context.WithCancel(t.Context())
	slow, gone := h.subscribe(t.Context()), h.subscribe(ctx)
	cancel()
	for range gone { // closed once the context's end is heard
	}
	for range 1000 {
		h.send([]store.Event{{}})
	}
	n := 0
	for range slow {
		n++
	}
	if n == 0 || n >= 1000 {
		t.Errorf("the slow one got %d events before it was cut off", n)
	}
	h.close()
	if _, open := <-h.subscribe(t.Context()); open {
		t.Error("a hub that is closed gives events")
	}
}
