package nethttp

import (
	"crypto/tls"
	"errors"
	"net"
)

// conn is a client's connection that may carry HTTP/1.
type conn struct {
	net.Conn
	preview string // the service whose preview listener accepted it
	framing framing
	tunnel  bool // upgraded: what is read is not HTTP any more
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
