package websocket

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// turnWait bounds the wait for the end of the frame that the server is in the middle of.
	turnWait = time.Second
	// replyWait bounds the wait for the client's answer to our close frame, during which its last
	// messages still reach the backend; then the backend is told, and has as long again.
	replyWait = 500 * time.Millisecond
	// lingerWait ends a connection of which one direction has ended and nothing comes in the other.
	lingerWait = 10 * time.Second
)

// Peer is one end of a relay.
type Peer struct {
	Conn   net.Conn
	Reader io.Reader // what was read ahead of Conn, then Conn; nil: Conn
}

func (p Peer) reader() io.Reader {
	if p.Reader != nil {
		return p.Reader
	}
	return p.Conn
}

// Relay carries bytes between a client and a backend until both have ended. It owns both connections.
// Any protocol may be carried; only GoAway takes the bytes for WebSocket frames.
type Relay struct {
	client, backend Peer
	down, up        *half // to the client, to the backend
	wg              sync.WaitGroup
	done            chan struct{}
	leave           sync.Once
	halfOpen        atomic.Bool // one direction has ended
	cut             atomic.Bool // Close was called, or one direction failed
	broken          atomic.Bool
}

// Result is what a relay came to.
type Result struct {
	In, Out int64 // bytes passed on to the backend and to the client
	Told    bool  // the client was sent 1001 by GoAway
	Broken  bool  // the backend's side ended by an error or inside a frame, before the client's
}

// Start begins to relay between client and backend, both of which have finished their handshake.
func Start(client, backend Peer) *Relay {
	r := &Relay{client: client, backend: backend, down: newHalf(client.Conn), up: newHalf(backend.Conn), done: make(chan struct{})}
	r.wg.Go(func() { r.carry(r.down, backend) })
	r.wg.Go(func() { r.carry(r.up, client) })
	return r
}

// Done is closed when both directions have ended and both connections are closed.
func (r *Relay) Done() <-chan struct{} { return r.done }

// Wait blocks until Done and returns the result.
func (r *Relay) Wait() Result {
	r.wg.Wait()
	in, _, _ := r.up.settle()
	out, told, _ := r.down.settle()
	return Result{In: in, Out: out, Told: told, Broken: r.broken.Load()}
}

// Close cuts both connections at once. Wait returns soon after.
func (r *Relay) Close() {
	r.cut.Store(true)
	r.client.Conn.Close()
	r.backend.Conn.Close()
}

// GoAway ends a WebSocket and returns when it has ended, after two seconds at most.
//
// The client is sent 1001 between two frames of the server. What it still has under way, its own close
// frame last, is passed on, so that the backend loses no message; a client that does not answer is
// answered for by a masked 1001 to the backend. What takes longer than its bound is cut.
func (r *Relay) GoAway() {
	r.leave.Do(func() {
		defer r.Close()
		r.client.Conn.SetWriteDeadline(time.Now().Add(turnWait))
		if r.down.leave(CloseFrame(GoingAway, "going away", false)) != nil || !r.within(turnWait, r.down.turned) {
			return
		}
		if r.within(replyWait, r.done) {
			return
		}
		r.backend.Conn.SetWriteDeadline(time.Now().Add(replyWait))
		if r.up.leave(CloseFrame(GoingAway, "going away", true)) == nil {
			r.within(replyWait, r.done)
		}
	})
	<-r.done
}

// within waits for an event, at most for d. It gives up when the relay ends by itself.
func (r *Relay) within(d time.Duration, event <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-event:
		return true
	case <-r.done:
		return false
	case <-timer.C:
		return false
	}
}

// carry copies from src into h until either ends, and then ends what depends on it.
func (r *Relay) carry(h *half, src Peer) {
	readErr, writeErr := r.copy(h, src)
	if !r.halfOpen.CompareAndSwap(false, true) { // the other direction ended before: this was the last
		r.client.Conn.Close()
		r.backend.Conn.Close()
		close(r.done)
		return
	}
	rest := r.backend // where the direction that still runs reads from
	if h == r.down {
		rest = r.client
		_, told, torn := h.settle()
		r.broken.Store(writeErr == nil && !told && !r.cut.Load() && (readErr != nil || torn))
	}
	// The end of one direction is passed on as such: programs may go on talking in the other.
	if readErr != nil || writeErr != nil || closeWrite(h.dst) != nil {
		r.Close()
		return
	}
	rest.Conn.SetReadDeadline(time.Now().Add(lingerWait))
}

// copy returns nil twice at the end of the stream.
func (r *Relay) copy(h *half, src Peer) (readErr, writeErr error) {
	var b buffer
	defer b.release()
	from := src.reader()
	for {
		n, err := from.Read(b.bytes())
		if n > 0 {
			if err := h.forward(b.bytes()[:n]); err != nil {
				return nil, ignoreEOF(err)
			}
			b.fit(n)
			if r.halfOpen.Load() {
				src.Conn.SetReadDeadline(time.Now().Add(lingerWait))
			}
		}
		if err != nil {
			return ignoreEOF(err), nil
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// closeWrite ends the writing side of a TCP, unix or TLS connection.
func closeWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
