package nethttp

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/naru-deploy/naru/internal/proxy"
)

const (
	// dialTimeout is generous: instances are near.
	dialTimeout = 3 * time.Second
	// poolIdle is below the 5 s after which common application servers close an idle connection: a
	// request that is sent while they do so is lost, and unless it is idempotent cannot be repeated.
	poolIdle = 4 * time.Second
	// maxIdle is how many connections to one instance are kept for the next requests.
	maxIdle = 1024
	// continueWait is how long an instance may think about Expect: 100-continue. It must answer (RFC 9110
	// section 10.1.1); one that does not is sent the body then.
	continueWait = 5 * time.Second
	// maxResponseHead bounds what is read of an instance's response head, in bytes.
	maxResponseHead = 1 << 20
)

// pool holds the connections to one backend.
type pool struct {
	http1 *http.Transport
	h2c   *http.Transport // HTTP/2 with prior knowledge, for gRPC
	shut  atomic.Bool
}

func newPool(address string) *pool {
	var http1, h2c http.Protocols
	http1.SetHTTP1(true)
	h2c.SetUnencryptedHTTP2(true)
	return &pool{http1: newTransport(address, http1), h2c: newTransport(address, h2c)}
}

// newTransport makes a transport that knows one address, and neither the environment's proxies nor
// compression.
func newTransport(address string, protocols http.Protocols) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, &dialError{err}
			}
			return &backendConn{Conn: c}, nil
		},
		Protocols:              &protocols,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        poolIdle,
		ExpectContinueTimeout:  continueWait,
		MaxResponseHeaderBytes: maxResponseHead,
	}
}

// pick chooses the protocol: gRPC needs HTTP/2 to the end, everything else is sent as HTTP/1.1, which every
// application server speaks.
func (p *pool) pick(grpc bool) *http.Transport {
	if grpc {
		return p.h2c
	}
	return p.http1
}

// settle is called after each attempt: the connection of one that ended after the backend was closed has
// just become idle.
func (p *pool) settle() {
	if p.shut.Load() {
		p.closeIdle()
	}
}

func (p *pool) closeIdle() {
	p.http1.CloseIdleConnections()
	p.h2c.CloseIdleConnections()
}

// pools finds the pool of a backend. The zero value is ready for use.
type pools struct {
	// by is keyed by weak.Pointer[proxy.Backend]: a pool that a request makes at the very moment its
	// backend is removed must not keep it for ever.
	by sync.Map
}

func (ps *pools) of(b *proxy.Backend) *pool {
	key := weak.Make(b)
	if p, ok := ps.by.Load(key); ok {
		return p.(*pool)
	}
	p, loaded := ps.by.LoadOrStore(key, newPool(b.Address()))
	if !loaded {
		runtime.AddCleanup(b, func(key weak.Pointer[proxy.Backend]) { ps.by.Delete(key) }, key)
	}
	return p.(*pool)
}

// drop closes the idle connections of a backend that was closed, and later those in use. An instance that
// is told to stop often waits for the last of them.
func (ps *pools) drop(b *proxy.Backend) {
	if p, ok := ps.by.LoadAndDelete(weak.Make(b)); ok {
		p.(*pool).close()
	}
}

func (p *pool) close() {
	p.shut.Store(true)
	p.closeIdle()
}

func (ps *pools) close() {
	for _, p := range ps.by.Range {
		p.(*pool).close()
	}
}

// dialError marks an attempt that never got a connection.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// backendConn counts what was written, so that a failed attempt knows whether any of it left.
type backendConn struct {
	net.Conn
	written atomic.Int64
}

func (c *backendConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}
