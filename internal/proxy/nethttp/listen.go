package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// feed is the one listener that net/http serves from: connections of all real listeners come together
// here, so that there is one server to shut down, and listeners can be closed before it.
type feed struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newFeed() *feed {
	return &feed{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr is asked for by net/http, which only hands it on to handlers.
func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }

// offer hands a connection to net/http.
func (f *feed) offer(c net.Conn) {
	select {
	case f.conns <- c:
	case <-f.closed:
		c.Close()
	}
}

// accept takes connections until the listener is closed and hands each to use.
func (s *Server) accept(l net.Listener, use func(net.Conn)) {
	wait := 5 * time.Millisecond
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = 5 * time.Millisecond
			use(c)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		// Out of file descriptors, as a rule: connections in progress will give some back.
		s.log.Warn("accept failed; trying again", "address", l.Addr().String(), "error", err)
		select {
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		case <-s.leaving:
			return
		}
	}
}

func (s *Server) takePlain(c net.Conn) { s.feed.offer(newConn(c, "", s.http.ReadHeaderTimeout)) }

// takeTLS makes the handshake here and not in net/http, because only HTTP/2 may be given the bare
// *tls.Conn, while HTTP/1 goes through a conn.
func (s *Server) takeTLS(c net.Conn) {
	s.handshakes.Go(func() {
		t := tls.Server(c, s.tls)
		ctx, cancel := context.WithTimeout(s.base, headTimeout)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			s.log.Debug("TLS handshake failed", "client", c.RemoteAddr().String(), "error", err)
			c.Close()
			return
		}
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			s.feed.offer(t)
			return
		}
		s.feed.offer(tlsConn{conn: newConn(t, "", s.http.ReadHeaderTimeout), tls: t})
	})
}
