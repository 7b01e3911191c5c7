package nethttp

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
)

var errHeadTimeout = errors.New("the instance did not begin to answer in time")

// attempt is one try to have a request answered by one backend.
type attempt struct {
	visit  *visit
	pool   *pool
	ctx    context.Context
	cancel context.CancelCauseFunc
	body   *loan // nil: the request has none
	clock  headClock

	mu      sync.Mutex // guards what the hooks of httptrace write, which run on goroutines of the transport
	conn    *backendConn
	reused  bool
	start   int64 // conn.written when the attempt was given conn
	begun   bool  // the first byte of the response has come
	settled bool  // the attempt has ended one way or the other: no informational response any more
}

// try sends the request to b and returns the response with its body still to be read, or why there is
// none. The caller ends the attempt.
func (v *visit) try(b *proxy.Backend) (*attempt, *http.Response, error) {
	for {
		a := &attempt{visit: v, pool: v.server.pools.of(b)}
		a.ctx, a.cancel = context.WithCancelCause(v.request.Context())
		a.clock = headClock{limit: v.exchange.Limits().ResponseTimeout, expired: func() { a.cancel(errHeadTimeout) }}
		resp, err := a.roundTrip(b.Address())
		if err == nil {
			return a, resp, nil
		}
		stale := a.unsent() && !v.upload.consumed() && v.request.Context().Err() == nil
		if !stale {
			return a, nil, err
		}
		// An idle connection that the instance had closed before anything was sent on it was no attempt.
		// It is out of the pool now, so this ends with a fresh connection at the latest.
		a.end()
	}
}

func (a *attempt) roundTrip(address string) (*http.Response, error) {
	resp, err := a.pool.pick(a.visit.grpc).RoundTrip(a.request(address))
	a.mu.Lock()
	a.settled = true
	a.mu.Unlock()
	if inTime := a.clock.stop(); err == nil && !inTime {
		resp.Body.Close()
		return nil, errHeadTimeout
	}
	return resp, err
}

// end gives back what the attempt holds. What still runs of it is cancelled.
func (a *attempt) end() {
	if a.body != nil {
		a.body.revoke()
	}
	a.cancel(context.Canceled)
	a.pool.settle()
}

// request builds what is sent. The target is passed on byte for byte.
func (a *attempt) request(address string) *http.Request {
	in := a.visit.request
	out := &http.Request{
		Method: in.Method, URL: target(in, address), Host: in.Host, Header: a.visit.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if in.ContentLength != 0 && in.Body != nil && in.Body != http.NoBody {
		out.Trailer = make(http.Header, len(in.Trailer))
		for name := range in.Trailer {
			out.Trailer[name] = nil
		}
		a.body = a.visit.upload.lend(out.Trailer)
		out.Body, out.ContentLength = a.body, in.ContentLength
		if in.ContentLength < 0 {
			out.TransferEncoding = []string{"chunked"} // net/http would wait for the first bytes to decide
		}
	}
	return out.WithContext(httptrace.WithClientTrace(a.ctx, a.trace()))
}

// target is the URL to send to address. URL.Opaque keeps net/http from escaping the path anew; it cannot
// begin with two slashes.
func target(in *http.Request, address string) *url.URL {
	u := *in.URL
	u.Scheme, u.Host, u.User, u.Fragment = "http", address, nil, ""
	if raw := in.RequestURI; strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") {
		u.Opaque, _, _ = strings.Cut(raw, "?")
	}
	return &u
}

func (a *attempt) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.reused = info.Reused
			if a.conn, _ = info.Conn.(*backendConn); a.conn != nil {
				a.start = a.conn.written.Load()
			}
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { a.clock.start() },
		GotFirstResponseByte: func() { a.mu.Lock(); a.begun = true; a.mu.Unlock() },
		Got1xxResponse:       a.inform,
	}
}

// inform passes on an informational response, such as 103. 100 is not: the client is asked for its body
// when the transport begins to read it.
func (a *attempt) inform(code int, header textproto.MIMEHeader) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	// net/http writes 100 from the goroutine that reads the body, and would do so at the same time.
	asking := a.visit.request.Header.Get("Expect") != ""
	if a.settled || asking || code == http.StatusContinue || !a.visit.request.ProtoAtLeast(1, 1) {
		return nil
	}
	h := a.visit.writer.Header()
	for name, values := range header {
		h[name] = values
	}
	stripHopByHop(h)
	a.visit.writer.WriteHeader(code)
	clear(h)
	return nil
}

// unsent reports whether the attempt had a used connection and none of the request left on it. HTTP/2
// shares its connections and repeats such requests by itself.
func (a *attempt) unsent() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.visit.grpc && a.reused && a.conn != nil && a.conn.written.Load() == a.start
}

// failure describes to the core why the attempt came to nothing.
func (a *attempt) failure(err error) proxy.Failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := proxy.Failure{Kind: proxy.Reset, BodyConsumed: a.visit.upload.consumed(), Reused: a.reused, Err: err}
	var dial *dialError
	switch {
	case errors.As(err, &dial):
		f.Kind = proxy.Dial
	case errors.Is(err, errHeadTimeout), context.Cause(a.ctx) == errHeadTimeout: // the clock may have struck and not cancelled yet
		f.Kind, f.Err = proxy.Timeout, errHeadTimeout
	case a.begun:
		f.Kind = proxy.Broken
	}
	return f
}

// headClock bounds the time from the end of the request to the head of the response, as long uploads
// are no fault of the instance.
type headClock struct {
	limit   time.Duration // 0: none
	expired func()

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// start begins to wait, anew when the transport sends the request once more.
func (c *headClock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit <= 0 || c.stopped {
		return
	}
	if c.timer != nil {
		c.timer.Reset(c.limit)
		return
	}
	c.timer = time.AfterFunc(c.limit, c.expired)
}

// stop ends the waiting and reports whether it was in time.
func (c *headClock) stop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	return c.timer == nil || c.timer.Stop()
}
