package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a [Router] is made of.
type Options struct {
	ID  string       // names this data plane among several
	Log *slog.Logger // nil: nothing is logged
}

// Router holds the current table and everything that outlives one: backends,
// meters, held requests. Its methods may be called from any goroutine.
type Router struct {
	id, epoch string
	began     time.Time
	log       *slog.Logger
	prober    *prober

	// routing is all that a request reads: one atomic load.
	routing atomic.Pointer[routing]
	changes broadcast

	mu       sync.Mutex // guards what follows; never held while calling out
	services map[string]*service
	onClose  []func(*Backend)
	watch    func(*Backend) // starts the prober of a backend; nil: Run is not running
}

// New makes a router without a table: every request is refused with [ErrNoService].
func New(o Options) *Router {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var epoch [8]byte
	rand.Read(epoch[:]) // never fails, see crypto/rand
	r := &Router{
		id: o.ID, epoch: hex.EncodeToString(epoch[:]), began: time.Now(), log: o.Log,
		prober: newProber(), services: map[string]*service{},
	}
	r.routing.Store(newRouting(Table{}))
	return r
}

// Changed returns a channel that closes at the next change that a controller
// wants to hear of at once: health, a table applied, a closed backend whose
// last request is done, a preview address. Take the channel first, then look.
func (r *Router) Changed() <-chan struct{} { return r.changes.next() }

// OnClose adds a function that is called, outside all locks, for every backend
// that was closed or left the table. Engines close their idle connections to it.
func (r *Router) OnClose(f func(*Backend)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onClose = append(r.onClose, f)
}

// Previews names the services that want a preview listener now, sorted. An
// engine looks again whenever Changed fires.
func (r *Router) Previews() []string {
	var wanted []string
	for name, rt := range r.routing.Load().services {
		if rt.spec.Preview != nil && rt.spec.Preview.Listen {
			wanted = append(wanted, name)
		}
	}
	slices.Sort(wanted)
	return wanted
}

// SetPreviewAddress reports where the preview listener of a service is
// (http://127.0.0.1:port), or with "" that it is gone.
func (r *Router) SetPreviewAddress(service, url string) {
	r.mu.Lock()
	s := r.services[service]
	if s != nil {
		s.preview = url
	}
	r.mu.Unlock()
	if s != nil {
		r.changes.notify()
	}
}
