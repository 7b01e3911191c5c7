package websocket

import "sync"

const (
	smallBuffer = 2 << 10
	largeBuffer = 32 << 10
)

// largeBuffers is shared by all relays.
var largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// buffer is small while a connection idles or chats, which most do for hours, and large while it moves
// much.
type buffer struct {
	small [smallBuffer]byte
	large *[largeBuffer]byte
}

func (b *buffer) bytes() []byte {
	if b.large != nil {
		return b.large[:]
	}
	return b.small[:]
}

// fit chooses the size for the next read by what the last one brought.
func (b *buffer) fit(n int) {
	switch {
	case b.large == nil && n == smallBuffer:
		b.large = largeBuffers.Get().(*[largeBuffer]byte)
	case n < smallBuffer:
		b.release()
	}
}

func (b *buffer) release() {
	if b.large != nil {
		largeBuffers.Put(b.large)
		b.large = nil
	}
}
