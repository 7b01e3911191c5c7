package nethttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// eventWait bounds the wait for the end of the event that a stream is in the middle of.
const eventWait = time.Second

// errStreamLeft ends the reading of an event stream that must go.
var errStreamLeft = errors.New("the event stream was ended for a drain")

// copyEvents streams server-sent events. When the instance drains or the server leaves, the response
// ends after an event, as if the instance had ended it: browsers then connect anew.
func (v *visit) copyEvents(a *attempt, resp *http.Response) error {
	e := &events{cut: func() { a.cancel(errStreamLeft) }, blind: resp.Header.Get("Content-Encoding") != ""}
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { v.watchEvents(e, over) })
	defer watch.Wait()
	defer close(over)

	if err := v.flush(); err != nil {
		return err
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := resp.Body.Read(buf[:])
		part, last := e.pass(buf[:n])
		if len(part) > 0 {
			if err := v.write(part, true); err != nil {
				return err
			}
		}
		if last || errors.Is(err, io.EOF) || context.Cause(a.ctx) == errStreamLeft {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// watchEvents asks the stream to end when it must.
func (v *visit) watchEvents(e *events, over <-chan struct{}) {
	select {
	case <-v.exchange.GoAway():
	case <-v.server.leaving:
	case <-over:
		return
	}
	e.leave()
	late := time.NewTimer(eventWait)
	defer late.Stop()
	select {
	case <-over:
	case <-late.C:
		e.cut()
	}
}

// events follows server-sent events (HTML standard, section 9.2.6) and knows whether the stream stands
// between two of them. Lines end with CR, LF or both; an empty line ends an event; a line that begins
// with a colon is a comment and belongs to none.
type events struct {
	cut   func() // ends the reading
	blind bool   // encoded: events cannot be seen, any place is as good

	mu      sync.Mutex
	leaving bool
	over    bool // nothing more is passed on
	line    int  // bytes of the current line
	open    bool // an event has begun
	afterCR bool // an LF now belongs to the line end before
}

// pass takes what was read and returns what of it the client is sent. last says that the response ends
// with it.
func (e *events) pass(p []byte) (part []byte, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return nil, true
	}
	for i, c := range p {
		e.step(c)
		if e.leaving && !e.open {
			e.over = true
			return p[:i+1], true
		}
	}
	return p, false
}

// leave ends the stream at once if it stands between two events, otherwise after the current one.
func (e *events) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leaving = true
	if !e.open {
		e.over = true
		e.cut()
	}
}

func (e *events) step(c byte) {
	if e.blind {
		return
	}
	switch {
	case c == '\n' && e.afterCR:
		e.afterCR = false
	case c == '\n' || c == '\r':
		if e.line == 0 {
			e.open = false
		}
		e.line, e.afterCR = 0, c == '\r'
	default:
		if e.line == 0 && c != ':' {
			e.open = true
		}
		e.line, e.afterCR = e.line+1, false
	}
}
