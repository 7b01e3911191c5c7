package nethttp

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// conn is a client's connection that may carry HTTP/1.
type conn struct {
	net.Conn
	preview string // the service whose preview listener accepted it
	framing framing
	tunnel  bool // upgraded: what is read is not HTTP any more

	head   time.Duration // that a request head may take
	silent atomic.Bool   // no byte of the first request has come
}

// newConn is a client's connection to the service of a preview, or to all of them.
func newConn(c net.Conn, preview string, head time.Duration) *conn {
	made := &conn{Conn: c, preview: preview, head: head}
	made.silent.Store(true)
	return made
}

// SetReadDeadline gives a connection that has not been used yet as much time as one that waits for the next request.
// Clients open connections ahead of their needs, and find no use for them for a while: net/http would end them after the
// time that a head may take, at the moment at which the client may be sending its first request.
func (c *conn) SetReadDeadline(t time.Time) error {
	if unused := time.Now().Add(idleTimeout); c.silent.Load() && t.After(time.Now()) && t.Before(unused) {
		t = unused
	}
	return c.Conn.SetReadDeadline(t)
}

var errRefused = errors.New("the request before was refused")

// Read is never called by two goroutines at once: net/http takes care of that.
func (c *conn) Read(p []byte) (int, error) {
	if c.tunnel {
		return c.Conn.Read(p)
	}
	if c.framing.state == refused {
		return 0, errRefused
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.silent.CompareAndSwap(true, false) {
		c.Conn.SetReadDeadline(time.Now().Add(c.head))
	}
	return c.framing.inspect(p[:n]), err
}

// hijacked ends the inspection and returns the connection beneath.
func (c *conn) hijacked() net.Conn {
	c.tunnel = true
	return c.Conn
}

// tear makes the end of the connection a reset. Where a response is delimited by the end of the
// connection (HTTP/1.0), nothing else tells the client that it is not complete.
func (c *conn) tear() {
	raw := c.Conn
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
}

// tlsConn is a conn that tells net/http of its TLS state. It is a type of its own, because net/http takes
// every connection with this method for an encrypted one.
type tlsConn struct {
	*conn
	tls *tls.Conn
}

func (c tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
