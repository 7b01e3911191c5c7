package nethttp

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
)

// copyBuffers is shared by all responses.
var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// answer passes an instance's response on to the client.
func (v *visit) answer(a *attempt, resp *http.Response) {
	defer a.end()
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		v.upgrade(a, resp)
		return
	}
	h := v.writer.Header()
	responseHeader(h, resp)
	v.setCookie(h)
	if v.request.ProtoMajor == 1 && (v.upload.leftover() || v.server.isLeaving()) {
		h.Set("Connection", "close")
	}
	events := isEventStream(resp)
	v.exchange.Head(resp.StatusCode)
	if events {
		v.exchange.Streaming()
	}
	v.writer.WriteHeader(resp.StatusCode)
	v.outcome = proxy.Outcome{Status: resp.StatusCode}
	var err error
	if events {
		err = v.copyEvents(a, resp)
	} else {
		err = v.copyBody(resp)
	}
	v.conclude(resp, err)
}

// conclude ends a response of which everything, or nothing more, is to be had.
func (v *visit) conclude(resp *http.Response, err error) {
	switch {
	case err == nil:
		if len(resp.Trailer) > 0 {
			responseTrailer(v.writer.Header(), resp)
		}
	case v.server.base.Err() != nil:
		v.outcome.Answered, v.outcome.Broken = proxy.ByNaru, true
		v.abort(v.outcome)
	case v.withdrawn(), errors.As(err, new(*clientError)):
		v.outcome.Aborted = true
		v.abort(v.outcome)
	default:
		v.outcome.Broken = true
		v.server.log.Debug("response broke in the middle", "service", v.exchange.Service(), "error", err)
		v.abort(v.outcome)
	}
}

// clientError is a response that could not be written.
type clientError struct{ error }

// copyBody streams the body to the client. What has no length, and so may come at any moment, is sent on
// at once; what has one is buffered by net/http as it likes.
func (v *visit) copyBody(resp *http.Response) error {
	if resp.Body == http.NoBody || resp.ContentLength == 0 || v.request.Method == http.MethodHead {
		return nil // and no flush: a gRPC status in the head counts only if nothing follows
	}
	live := resp.ContentLength < 0 || v.grpc
	if live {
		if err := v.flush(); err != nil {
			return err
		}
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := resp.Body.Read(buf[:])
		if n > 0 {
			if err := v.write(buf[:n], live); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (v *visit) write(p []byte, live bool) error {
	if v.stall > 0 {
		v.control.SetWriteDeadline(time.Now().Add(v.stall))
	}
	n, err := v.writer.Write(p)
	v.outcome.Out += int64(n)
	if err != nil {
		return &clientError{err}
	}
	if live {
		return v.flush()
	}
	return nil
}

func (v *visit) flush() error {
	if err := v.control.Flush(); err != nil {
		return &clientError{err}
	}
	return nil
}

// setCookie gives a user the name by which affinity knows it again.
func (v *visit) setCookie(h http.Header) {
	value, set := v.exchange.Cookie()
	if !set {
		return
	}
	c := http.Cookie{
		Name: proxy.UserCookie, Value: value, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.request.TLS != nil,
	}
	h.Add("Set-Cookie", c.String())
}

// isEventStream tells server-sent events, which may last for hours.
func isEventStream(resp *http.Response) bool {
	if resp.ContentLength >= 0 || resp.Body == http.NoBody {
		return false
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && media == "text/event-stream"
}
