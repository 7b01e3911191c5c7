package websocket

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// frame builds one frame; opcode and flags as given in first.
func frame(first byte, payload []byte, masked bool) []byte {
	head := []byte{first}
	var mask byte
	if masked {
		mask = maskBit
	}
	switch n := len(payload); {
	case n < length16:
		head = append(head, mask|byte(n))
	case n <= 0xffff:
		head = binary.BigEndian.AppendUint16(append(head, mask|length16), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, mask|length64), uint64(n))
	}
	if masked {
		head = append(head, 0, 0, 0, 0) // a mask of zeros leaves the payload readable
	}
	return append(head, payload...)
}

func TestFollowerFindsEveryFrameEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		ends := map[int]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "frames") {
			size := rapid.SampledFrom([]int{0, 1, 125, 126, 127, 4000, 65535, 65536, 70000}).Draw(t, "size")
			first := rapid.SampledFrom([]byte{0x01, 0x00, 0x82, 0xc1, 0x89}).Draw(t, "first")
			stream = append(stream, frame(first, make([]byte, size), rapid.Bool().Draw(t, "masked"))...)
			ends[len(stream)] = true
		}
		var f Follower
		for at := 0; at < len(stream); {
			piece := stream[at:min(len(stream), at+rapid.IntRange(1, 9000).Draw(t, "piece"))]
			for len(piece) > 0 {
				n, whole := f.Next(piece)
				at, piece = at+n, piece[n:]
				if whole != ends[at] || whole != f.Between() {
					t.Fatalf("at %d: whole %v, between %v, want %v", at, whole, f.Between(), ends[at])
				}
			}
		}
		if f.Closed() {
			t.Fatal("closed without a close frame")
		}
	})
}

func TestFollowerSeesClose(t *testing.T) {
	var f Follower
	p := CloseFrame(GoingAway, "going away", true)
	for i := range p {
		if f.Closed() {
			t.Fatalf("closed after %d of %d bytes", i, len(p))
		}
		f.Next(p[i : i+1])
	}
	if !f.Closed() || !f.Between() {
		t.Fatal("the close frame was not seen")
	}
}

func TestCloseFrame(t *testing.T) {
	want := append([]byte{0x88, 12, 0x03, 0xe9}, "going away"...)
	if got := CloseFrame(GoingAway, "going away", false); !bytes.Equal(got, want) {
		t.Errorf("plain: % x, want % x", got, want)
	}
	got := CloseFrame(GoingAway, "going away", true)
	for i := range got[6:] {
		got[6+i] ^= got[2+i%4]
	}
	if got[1] != maskBit|12 || !bytes.Equal(got[6:], want[2:]) {
		t.Errorf("masked: % x", got)
	}
	if got := CloseFrame(GoingAway, strings.Repeat("x", 500), false); len(got) != 2+maxControlLength {
		t.Errorf("a long reason makes a frame of %d bytes", len(got))
	}
}
