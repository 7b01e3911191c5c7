package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// closedBit is the top bit of Backend.word; the rest counts requests in flight.
const closedBit = 1 << 63

// Backend is one instance as the data plane knows it. It outlives tables: the
// same identity in the next table is the same Backend, with its requests in
// flight and its health.
type Backend struct {
	id, revision, address string
	svc                   *service

	// word is the in-flight count and, in its top bit, whether the backend is
	// closed: claiming and closing exclude one another in one atomic.
	word atomic.Uint64
	idle func() // called when the last request of a closed backend is done

	spec    atomic.Pointer[BackendSpec] // as the newest table has it
	changed chan struct{}               // cap 1: tells the prober of a new spec

	// Guarded by Router.mu: what only tables and probes change.
	health vitality
	listed uint64 // version of the newest table that names it
	stop   func() // ends the prober; nil: none runs

	mu      sync.Mutex // guards what follows
	streams map[*stream]struct{}
	closure closure // zero while the backend is open
}

// closure is when and until when a backend was closed.
type closure struct{ at, by time.Time }

// ID is the instance's name, such as chat-r7-2.
func (b *Backend) ID() string { return b.id }

// Revision is the revision that the instance runs, such as r7.
func (b *Backend) Revision() string { return b.revision }

// Address is the instance's host:port.
func (b *Backend) Address() string { return b.address }

// acquire claims the backend for one more request, unless it is closed.
func (b *Backend) acquire() bool {
	for {
		w := b.word.Load()
		if w&closedBit != 0 {
			return false
		}
		if b.word.CompareAndSwap(w, w+1) {
			return true
		}
	}
}

// release ends one claim.
func (b *Backend) release() {
	if b.word.Add(^uint64(0)) == closedBit {
		b.idle()
	}
}

// close refuses all further claims and tells whether it was open.
func (b *Backend) close() bool { return b.word.Or(closedBit)&closedBit == 0 }

// open admits claims again and tells whether it was closed.
func (b *Backend) open() bool { return b.word.And(^uint64(closedBit))&closedBit != 0 }

func (b *Backend) closed() bool  { return b.word.Load()&closedBit != 0 }
func (b *Backend) inFlight() int { return int(b.word.Load() &^ closedBit) }
