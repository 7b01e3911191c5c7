package websocket

import (
	"crypto/rand"
	"encoding/binary"
)

// GoingAway is the status of an endpoint that leaves (RFC 6455 section 7.4.1).
const GoingAway = 1001

const (
	opcodeClose = 0x8
	finBit      = 0x80
	maskBit     = 0x80

	// Payload lengths above 125 are written in the 2 or 8 bytes that follow (RFC 6455 section 5.2).
	length16 = 126
	length64 = 127

	maskSize         = 4
	maxControlLength = 125
)

// Follower follows the frames of one direction of a WebSocket and knows whether the stream stands
// between two of them. It looks at lengths only and takes every opcode and extension as it comes.
// The zero value stands before the first frame.
type Follower struct {
	head   [10]byte // as much of the current frame's header as has passed, without the mask
	have   int      // bytes of the header that have passed, the mask included
	left   uint64   // payload bytes that are still to pass; valid once the header is complete
	inBody bool     // the header is complete
	closed bool     // a close frame has passed whole
}

// Next takes the bytes of p up to the end of the current frame and returns how many these are. whole
// says that the frame ended there; otherwise all of p belongs to it and more is to come.
func (f *Follower) Next(p []byte) (n int, whole bool) {
	for !f.inBody {
		if n == len(p) {
			return n, false
		}
		if f.have < len(f.head) {
			f.head[f.have] = p[n]
		}
		f.have++
		n++
		f.inBody = f.have >= 2 && f.have == f.headLength()
		if f.inBody {
			f.left = f.payloadLength()
		}
	}
	take := min(f.left, uint64(len(p)-n))
	f.left -= take
	n += int(take)
	if f.left > 0 {
		return n, false
	}
	f.closed = f.closed || f.head[0]&0x0f == opcodeClose
	f.have, f.inBody = 0, false
	return n, true
}

// Between reports whether the stream stands between two frames: here, and only here, another frame
// may be put in (RFC 6455 section 5.4 allows control frames inside a fragmented message too).
func (f *Follower) Between() bool { return f.have == 0 }

// Closed reports whether a close frame has passed: nothing may follow it (RFC 6455 section 5.5.1).
func (f *Follower) Closed() bool { return f.closed }

// headLength is valid once two bytes of the header are known.
func (f *Follower) headLength() int {
	n := 2
	switch f.head[1] &^ maskBit {
	case length16:
		n += 2
	case length64:
		n += 8
	}
	if f.head[1]&maskBit != 0 {
		n += maskSize
	}
	return n
}

func (f *Follower) payloadLength() uint64 {
	switch n := f.head[1] &^ maskBit; n {
	case length16:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case length64:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}

// CloseFrame returns a close frame with the status code and the reason, which is cut to the 123 bytes
// that fit. Frames to a server must be masked (RFC 6455 section 5.3), frames to a client must not be.
func CloseFrame(code uint16, reason string, masked bool) []byte {
	payload := binary.BigEndian.AppendUint16(nil, code)
	payload = append(payload, reason...)
	payload = payload[:min(len(payload), maxControlLength)]
	frame := []byte{finBit | opcodeClose, byte(len(payload))}
	if masked {
		var mask [maskSize]byte
		rand.Read(mask[:]) // never fails since Go 1.24
		for i := range payload {
			payload[i] ^= mask[i%maskSize]
		}
		frame[1] |= maskBit
		frame = append(frame, mask[:]...)
	}
	return append(frame, payload...)
}
