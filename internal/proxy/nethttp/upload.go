package nethttp

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
)

var (
	errBodyTooLarge = errors.New("the request body is larger than the service's limit")
	errRevoked      = errors.New("the attempt that this body was lent to is over")
)

// upload is the body of a request. It is lent to one attempt after the other, streamed, never kept: as
// long as nothing was read of it, the next attempt can have it whole.
type upload struct {
	request  *http.Request
	exchange *proxy.Exchange
	limit    int64 // 0: none
	read     atomic.Int64
	ended    atomic.Bool           // all of it was read
	deadline func(time.Time) error // for the next bytes of the connection; the zero time is none
	stall    time.Duration         // the longest wait for them; 0: no limit

	mu      sync.Mutex
	touched bool  // a read has begun: what it took from the client is gone
	closed  bool  // the visit is over, and the connection no longer its own
	err     error // why the client's side ended early
}

// consumed reports whether another attempt could not have the whole body.
func (u *upload) consumed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.touched
}

// leftover reports whether more of the body may be left than is read for the sake of the connection once it is answered.
func (u *upload) leftover() bool {
	n := u.request.ContentLength
	return n != 0 && !u.ended.Load() && (n < 0 || n-u.read.Load() > mostLeft)
}

// failure is what went wrong on the client's side, nil if nothing did.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// next reads from the client, one attempt at a time.
func (u *upload) next(p []byte) (int, error) {
	if u.ended.Load() { // http.Transport looks once more whether there is more, and may be late
		return 0, io.EOF
	}
	if !u.expect(u.stall) {
		return 0, errRevoked
	}
	u.exchange.ClientsTurn() // an upload that comes slowly is no instance that hangs
	n, err := u.request.Body.Read(p)
	u.exchange.InstancesTurn()
	if errors.Is(err, io.EOF) {
		u.ended.Store(true)
	}
	if errors.Is(err, io.EOF) {
		u.expect(0) // net/http goes on reading, to see whether the client goes away
	}
	total := u.read.Add(int64(n))
	if u.limit > 0 && total > u.limit {
		n, err = max(0, n-int(total-u.limit)), errBodyTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		u.mu.Lock()
		u.err = err
		u.mu.Unlock()
	}
	return n, err
}

// expect bounds the wait for the next bytes; 0: no bound. It fails once the visit is over: a reader that was left behind must
// not set a deadline for the request that follows on the connection, which would be cut off by it.
func (u *upload) expect(within time.Duration) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || u.stall <= 0 {
		return !u.closed
	}
	var at time.Time
	if within > 0 {
		at = time.Now().Add(within)
	}
	u.deadline(at)
	return true
}

// close ends the visit's part in the connection, and takes back what it has set there.
func (u *upload) close() {
	u.expect(0)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
}

// loan is an upload in the hands of one attempt. http.Transport may go on reading after it has given an
// error back, so an attempt that is over must be kept from taking what the next one needs.
type loan struct {
	from    *upload
	trailer http.Header // of the outgoing request, filled at the end of the body
	over    bool        // guarded by from.mu
}

// lend returns the body for one attempt.
func (u *upload) lend(trailer http.Header) *loan { return &loan{from: u, trailer: trailer} }

func (l *loan) Read(p []byte) (int, error) {
	l.from.mu.Lock()
	if l.over {
		l.from.mu.Unlock()
		return 0, errRevoked
	}
	l.from.touched = true
	l.from.mu.Unlock()
	n, err := l.from.next(p)
	if errors.Is(err, io.EOF) {
		for name, values := range l.from.request.Trailer {
			l.trailer[name] = values
		}
	}
	return n, err
}

// Close leaves the client's body open for the next attempt; net/http closes it after the visit.
func (l *loan) Close() error { return nil }

// revoke ends the loan.
func (l *loan) revoke() {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.over = true
}
