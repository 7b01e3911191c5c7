package websocket

import (
	"io"
	"net"
	"sync"
)

// half is one direction of a relay: what is read from one peer is written to dst.
type half struct {
	dst    net.Conn
	turned chan struct{} // closed when a close frame has been sent in this direction, whoever made it

	mu       sync.Mutex // held while writing, so that a farewell never lands inside a frame
	follow   Follower
	farewell []byte // waits for the end of the current frame
	leaving  bool   // a farewell was asked for
	told     bool   // the farewell was written; what the peer sends after it is dropped
	bytes    int64
}

func newHalf(dst net.Conn) *half {
	return &half{dst: dst, turned: make(chan struct{})}
}

// forward passes on what was read. It returns io.EOF when nothing more is worth reading: the
// connection is being ended and the peer's own close frame has come.
func (h *half) forward(p []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	pass := p
	for rest := p; len(rest) > 0; {
		n, whole := h.follow.Next(rest)
		rest = rest[n:]
		if whole && h.farewell != nil && !h.follow.Closed() {
			pass = p[:len(p)-len(rest)]
			if err := h.write(pass); err != nil {
				return err
			}
			if err := h.say(); err != nil {
				return err
			}
			pass = nil
		}
	}
	if !h.told && len(pass) > 0 {
		if err := h.write(pass); err != nil {
			return err
		}
	}
	if !h.follow.Closed() || !h.leaving {
		return nil
	}
	if !h.told && h.farewell != nil { // the peer closed by itself before the farewell found its place
		h.farewell = nil
		close(h.turned)
	}
	return io.EOF
}

// leave writes the farewell at once when the stream stands between two frames, otherwise after the
// current one.
func (h *half) leave(farewell []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = true
	if h.follow.Closed() {
		close(h.turned)
		return nil
	}
	h.farewell = farewell
	if h.follow.Between() {
		return h.say()
	}
	return nil
}

// say writes the farewell.
func (h *half) say() error {
	farewell := h.farewell
	h.farewell = nil
	if err := h.write(farewell); err != nil {
		return err
	}
	h.told = true
	close(h.turned)
	return nil
}

func (h *half) write(p []byte) error {
	n, err := h.dst.Write(p)
	h.bytes += int64(n)
	return err
}

// settle returns what the direction came to: the bytes written, whether a farewell was among them, and
// whether the stream ended inside a frame.
func (h *half) settle() (bytes int64, told, torn bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes, h.told, !h.told && !h.follow.Between()
}
