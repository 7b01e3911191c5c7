package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
)

// Limits on what a client may cost before it is known what it wants.
const (
	headTimeout    = 10 * time.Second // to the end of a request head, or of the TLS handshake
	idleTimeout    = 75 * time.Second // between requests
	stallTimeout   = 60 * time.Second // without any progress of a body that the client should send or take
	maxHeaderBytes = 64 << 10
)

// lastCall is how long a leaving server goes on answering on idle connections, each answer carrying
// Connection: close. A request that was on its way when the decision fell still finds its connection.
const lastCall = 500 * time.Millisecond

// Options are what a [Server] is made of.
type Options struct {
	Router *proxy.Router
	Log    *slog.Logger // nil: nothing is logged
	// HTTP and HTTPS are open listeners; the server closes them.
	HTTP, HTTPS []net.Listener
	// Certificates serve HTTPS, and must be given with it.
	Certificates *Certificates
	// TrustedProxies may say on whose behalf they ask: their X-Forwarded-For and Forwarded are believed
	// and added to. From everyone else these headers are replaced.
	TrustedProxies []netip.Prefix
}

// Server answers users' requests by way of a router's instances.
type Server struct {
	router  *proxy.Router
	log     *slog.Logger
	plain   []net.Listener
	secure  []net.Listener
	tls     *tls.Config
	trusted trustedProxies
	pools   pools
	feed    *feed
	http    *http.Server
	visits  gauge
	stall   time.Duration

	base       context.Context // of every request; done when connections are cut
	cut        context.CancelFunc
	leaving    chan struct{} // closed when Shutdown begins
	leave      sync.Once
	gone       chan struct{} // closed when Shutdown is done
	ended      chan struct{} // closed when Run returns
	accepting  sync.WaitGroup
	handshakes sync.WaitGroup
}

// New makes a server that does nothing yet.
func New(o Options) (*Server, error) {
	if len(o.HTTPS) > 0 && o.Certificates == nil {
		return nil, errors.New("https listeners without certificates: give cert and key")
	}
	s := &Server{
		router: o.Router, log: o.Log, plain: o.HTTP, secure: o.HTTPS, trusted: o.TrustedProxies,
		feed: newFeed(), stall: stallTimeout, leaving: make(chan struct{}), gone: make(chan struct{}), ended: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Certificates != nil {
		s.tls = &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12, GetCertificate: o.Certificates.choose}
	}
	s.base, s.cut = context.WithCancel(context.Background())
	s.http = s.newHTTP()
	s.router.OnClose(s.pools.drop)
	return s, nil
}

func (s *Server) newHTTP() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		Protocols:         &protocols,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: idleTimeout, WriteByteTimeout: stallTimeout},
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return s.base },
		ConnContext:       withConn,
	}
}

// Run serves until ctx is done, which cuts every connection, or until Shutdown has ended. It returns
// nil then, and only when every goroutine it started has ended.
func (s *Server) Run(ctx context.Context) error {
	defer close(s.ended)
	for _, l := range s.plain {
		s.accepting.Go(func() { s.accept(l, s.takePlain) })
	}
	for _, l := range s.secure {
		s.accepting.Go(func() { s.accept(l, s.takeTLS) })
	}
	s.accepting.Go(s.keepPreviews)
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.feed) }()

	var failure error
	select {
	case <-ctx.Done():
	case <-s.gone:
	case err := <-served:
		served <- nil
		if !errors.Is(err, http.ErrServerClosed) {
			failure = fmt.Errorf("serve HTTP: %w", err)
			break
		}
		select { // Shutdown has begun, and requests may still run
		case <-ctx.Done():
		case <-s.gone:
		}
	}
	s.closeListeners()
	s.cut()
	s.http.Close()
	s.feed.Close() // when Serve had not begun yet
	s.accepting.Wait()
	s.handshakes.Wait()
	<-served
	<-s.visits.idle()
	s.pools.close()
	return failure
}

// Shutdown ends the server without failing a request: listeners close, connections end after the
// request they carry, WebSockets are told 1001 and event streams end between two events. When ctx is done
// before all that, what is left is cut, and the error says so.
func (s *Server) Shutdown(ctx context.Context) error {
	first := false
	s.leave.Do(func() { first = true; close(s.leaving) })
	if !first {
		select {
		case <-s.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(s.gone)
	s.closeListeners()
	pause(ctx, lastCall)
	err := s.http.Shutdown(ctx)
	if err == nil {
		select {
		case <-s.visits.idle(): // net/http does not count upgraded connections
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("shut down: requests still running were cut: %w", err)
	}
	return nil
}

func (s *Server) closeListeners() {
	s.leave.Do(func() { close(s.leaving) })
	for _, l := range s.plain {
		l.Close()
	}
	for _, l := range s.secure {
		l.Close()
	}
}

// isLeaving reports whether connections should end after the request they carry.
func (s *Server) isLeaving() bool {
	select {
	case <-s.leaving:
		return true
	default:
		return false
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// connKey is the context key of a request's *conn. HTTP/2 over TLS has none.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	switch c := c.(type) {
	case *conn:
		return context.WithValue(ctx, connKey{}, c)
	case tlsConn:
		return context.WithValue(ctx, connKey{}, c.conn)
	}
	return ctx
}
