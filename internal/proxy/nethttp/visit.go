package nethttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
)

// visit is one request on its way through the engine.
type visit struct {
	server   *Server
	writer   http.ResponseWriter
	request  *http.Request
	control  *http.ResponseController
	exchange *proxy.Exchange
	upload   *upload
	header   http.Header   // what instances are sent; read-only once made, as attempts share it
	grpc     bool          // goes to the instance by HTTP/2
	stall    time.Duration // the longest wait for the client to take what it is sent; 0: no limit
	outcome  proxy.Outcome
}

// serve is the handler of every request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.visits.enter()
	defer s.visits.leave()
	v := &visit{server: s, writer: w, request: r, control: http.NewResponseController(w), upload: &upload{request: r}}
	if r.Method == http.MethodConnect {
		w.Header().Set("Connection", "close") // what follows would not be HTTP
		v.refuse(http.StatusNotImplemented, "CONNECT asks for a forward proxy, which this is not")
		return
	}
	x, err := s.router.Begin(s.visitor(r))
	if err != nil {
		v.refuse(http.StatusNotFound, err.Error())
		return
	}
	v.exchange, v.upload.exchange = x, x
	v.upload.limit = x.Limits().Body
	if r.ProtoMajor == 1 { // deadlines of HTTP/2 streams do not wait for a read or write, they strike
		v.stall, v.upload.stall, v.upload.deadline = s.stall, s.stall, v.control.SetReadDeadline
	}
	v.header = s.requestHeader(r)
	v.grpc = isGRPC(r)
	answered := false
	defer func() { // after Done: the instance has no part in it any more
		if answered {
			v.finishUpload()
		}
		v.upload.close()
	}()
	// What stands here counts when the engine itself fails.
	v.outcome = proxy.Outcome{Answered: proxy.ByNaru, Broken: true}
	defer func() {
		v.outcome.In = v.upload.read.Load()
		x.Done(v.outcome)
	}()
	v.run()
	answered = true
}

// mostLeft is how much of a body is read that was answered before its end: as much as net/http itself would.
const mostLeft = 256 << 10

// finishUpload reads what is left of a body that was answered before its end, so that the connection can carry the
// next request. net/http would do so after the handler; where EnableFullDuplex was called it then finds itself reading
// the connection twice and drops it, and with it the request that the client has sent next.
//
// A body that is longer ends the connection, and the head of the answer says so: net/http would read on by itself, and where it
// comes to the end then, it looks after the client and reads the next request at the same time, which it takes for a fault
// of its own ("invalid concurrent Body.Read call").
func (v *visit) finishUpload() {
	r := v.request
	if r.ProtoMajor != 1 || r.ContentLength == 0 || v.writer.Header().Get("Connection") == "close" {
		return
	}
	if err := v.control.Flush(); err != nil { // the client waits for the answer, not we for the client
		return
	}
	_, _ = io.CopyN(io.Discard, v.upload.lend(http.Header{}), mostLeft) // where it breaks, the connection ends
}

// visitor is what the core must know of a request.
func (s *Server) visitor(r *http.Request) proxy.Visitor {
	v := proxy.Visitor{
		Host: r.Host, Path: r.URL.Path, Method: r.Method, Client: s.trusted.client(r),
		Upgrade: r.ProtoMajor == 1 && upgrade(r.Header) != "",
		Header:  r.Header.Get,
		Cookie: func(name string) string {
			if c, err := r.Cookie(name); err == nil {
				return c.Value
			}
			return ""
		},
	}
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		v.Preview = c.preview
	}
	return v
}

// isGRPC tells gRPC proper, which needs HTTP/2 to the end, from gRPC-Web, which does not.
func isGRPC(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && r.ProtoMajor == 2 && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// run makes attempts until one is answered, or none is left.
func (v *visit) run() {
	if v.upload.limit > 0 && v.request.ContentLength > v.upload.limit {
		v.refuse(http.StatusRequestEntityTooLarge, errBodyTooLarge.Error())
		return
	}
	if v.request.ProtoMajor == 1 && v.request.ContentLength != 0 {
		// Or net/http throws away what is left of the body when an instance answers before it has read
		// everything.
		v.control.EnableFullDuplex()
	}
	for {
		b, err := v.exchange.Acquire(v.request.Context())
		if err != nil {
			v.unavailable(err)
			return
		}
		a, resp, err := v.try(b)
		if err == nil {
			v.answer(a, resp)
			return
		}
		failure := a.failure(err)
		a.end()
		if v.clientFailed() {
			return
		}
		v.server.log.Debug("attempt failed", "service", v.exchange.Service(), "instance", b.ID(), "address", b.Address(), "kind", failure.Kind.String(), "error", err)
		if !v.exchange.Retry(failure) {
			v.failed(b, failure)
			return
		}
	}
}

// unavailable answers a request for which there is no instance.
func (v *visit) unavailable(err error) {
	switch {
	case errors.Is(err, proxy.ErrNoInstance), errors.Is(err, proxy.ErrTooManyHeld):
		v.writer.Header().Set("Retry-After", "1")
		v.refuse(http.StatusServiceUnavailable, v.exchange.Service()+": "+err.Error())
	case !v.clientFailed():
		v.refuse(http.StatusServiceUnavailable, v.exchange.Service()+": "+err.Error())
	}
}

// clientFailed reports whether it is the client's doing that an attempt came to nothing, and if so ends
// the visit: that says nothing about the instance.
func (v *visit) clientFailed() bool {
	switch err := v.upload.failure(); {
	case errors.Is(err, errBodyTooLarge):
		v.refuse(http.StatusRequestEntityTooLarge, err.Error())
		return true
	case errors.Is(err, os.ErrDeadlineExceeded): // before the context, which net/http cancels for it
		v.refuse(http.StatusRequestTimeout, "the request body stopped coming")
		return true
	case v.server.base.Err() != nil:
		v.abort(proxy.Outcome{Answered: proxy.ByNaru, Broken: true}) // cut at the end of Shutdown
	case v.request.Context().Err() != nil:
		// Returning would make net/http send 200 to a client that has only closed its writing side.
		v.abort(proxy.Outcome{Aborted: true})
	case err != nil:
		v.refuse(http.StatusBadRequest, "the request body could not be read to its end")
		v.outcome.Aborted = true
		return true
	}
	return false
}

// failed answers a request whose last attempt came to nothing.
func (v *visit) failed(b *proxy.Backend, f proxy.Failure) {
	who := v.exchange.Service() + ": instance " + b.ID()
	switch f.Kind {
	case proxy.Timeout:
		v.refuse(http.StatusGatewayTimeout, who+" did not answer in time")
	case proxy.Dial:
		v.refuse(http.StatusBadGateway, who+" could not be reached")
	case proxy.Reset:
		v.refuse(http.StatusBadGateway, who+" closed the connection without an answer")
	default:
		v.refuse(http.StatusBadGateway, who+" answered with something that is not HTTP")
	}
}

// refuse answers in naru's own name with one line.
func (v *visit) refuse(status int, why string) {
	h := v.writer.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	// What is left of a body that was given up would be taken for the next request.
	givenUp := status == http.StatusRequestEntityTooLarge || status == http.StatusRequestTimeout
	if v.request.ProtoMajor == 1 && (givenUp || v.upload.leftover() || v.server.isLeaving()) {
		h.Set("Connection", "close")
	}
	v.outcome = proxy.Outcome{Status: status, Answered: proxy.ByNaru}
	if v.exchange != nil {
		v.exchange.Head(status)
	}
	v.writer.WriteHeader(status)
	n, _ := v.writer.Write([]byte("naru: " + why + "\n"))
	v.outcome.Out = int64(n)
}

// abort ends the exchange with the client in a way that nobody takes for the end of a response. It does
// not return.
func (v *visit) abort(o proxy.Outcome) {
	v.outcome = o
	if c, ok := v.request.Context().Value(connKey{}).(*conn); ok && !v.request.ProtoAtLeast(1, 1) {
		c.tear()
	}
	panic(http.ErrAbortHandler)
}

// withdrawn reports whether the client has gone away.
func (v *visit) withdrawn() bool {
	return errors.Is(v.request.Context().Err(), context.Canceled) && v.server.base.Err() == nil
}
