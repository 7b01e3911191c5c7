package nethttp

// chunks follows a chunked body (RFC 9112 section 7.1) and is at no point more tolerant than net/http. The
// zero value stands before the first chunk.
type chunks struct {
	state  chunksState
	size   uint64
	digits int // of size
	line   int // bytes of the line with the size, or of the trailer section
	excess int // bytes that carry no data, as net/http counts them against cheap attacks
}

type chunksState int

const (
	chunkSize      chunksState = iota
	chunkSpace                 // after the size: white space
	chunkExtension             // after the size and a semicolon
	chunkSizeLF                // the LF after the size
	chunkData                  // size bytes are left
	chunkDataCR                // the CR after the data
	chunkDataLF                // the LF after the data
	trailerStart               // the first byte of a line of the trailer section
	trailerName                // up to the colon
	trailerValue               // up to the CR
	trailerLF                  // the LF of a line
	trailerEndLF               // the LF of the empty line at the end
	chunksEnd                  // the body is over
)

// What net/http allows is 4 KiB and 16 KiB; it reads through a buffer that holds other things too.
const (
	longestChunkLine = 1 << 10
	longestTrailer   = 3 << 10
	mostExcess       = 15 << 10
)

// next takes bytes up to the end of the body and returns how many. ok is false when the last of them has
// no place where it stands.
func (c *chunks) next(p []byte) (n int, ok bool) {
	for n < len(p) && c.state != chunksEnd {
		if c.state == chunkData {
			n += c.data(p[n:])
			continue
		}
		n++
		if !c.step(p[n-1]) {
			return n, false
		}
	}
	return n, true
}

func (c *chunks) data(p []byte) int {
	n := min(uint64(len(p)), c.size)
	if c.size -= n; c.size == 0 {
		c.state = chunkDataCR
	}
	return int(n)
}

// step takes a byte that is not data.
func (c *chunks) step(b byte) bool {
	if c.state >= trailerStart {
		return c.trailer(b)
	}
	switch c.line++; c.state {
	case chunkSize:
		return c.sizeDigit(b)
	case chunkSpace:
		return c.sizeEnd(b) || b == ' ' || b == '\t'
	case chunkExtension:
		return c.sizeEnd(b) || b != '\n' && c.line < longestChunkLine
	case chunkSizeLF:
		return b == '\n' && c.begin()
	case chunkDataCR:
		c.state = chunkDataLF
		return b == '\r'
	default: // chunkDataLF
		c.state, c.size, c.digits, c.line = chunkSize, 0, 0, 0
		return b == '\n'
	}
}

func (c *chunks) sizeDigit(b byte) bool {
	if digit, ok := fromHex(b); ok {
		c.size, c.digits = c.size<<4|uint64(digit), c.digits+1
		return c.digits < 16
	}
	switch {
	case c.digits == 0:
		return false
	case b == ';':
		c.state = chunkExtension
		return true
	case b == ' ' || b == '\t':
		c.state = chunkSpace
		return true
	}
	return c.sizeEnd(b)
}

// sizeEnd takes the CR that ends the line with the size.
func (c *chunks) sizeEnd(b byte) bool {
	if b != '\r' {
		return false
	}
	c.state = chunkSizeLF
	return true
}

// begin starts the chunk whose size is known, or the trailer section after the last one.
func (c *chunks) begin() bool {
	c.excess += c.line - 16
	if c.size < mostExcess {
		c.excess -= 2 * int(c.size)
	} else {
		c.excess = 0
	}
	c.excess = max(0, c.excess)
	c.state = chunkData
	if c.size == 0 {
		c.state, c.line = trailerStart, 0
	}
	return c.excess <= mostExcess
}

func (c *chunks) trailer(b byte) bool {
	if c.line++; c.line > longestTrailer {
		return false
	}
	switch c.state {
	case trailerStart:
		if b == '\r' {
			c.state = trailerEndLF
			return true
		}
		c.state = trailerName
		return isToken(b)
	case trailerName:
		if b == ':' {
			c.state = trailerValue
			return true
		}
		return isToken(b)
	case trailerValue:
		if b == '\r' {
			c.state = trailerLF
			return true
		}
		return b >= ' ' && b != 0x7f || b == '\t'
	case trailerLF:
		c.state = trailerStart
	default: // trailerEndLF
		c.state = chunksEnd
	}
	return b == '\n'
}

func fromHex(b byte) (byte, bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10, true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// isToken tells the bytes of a field name (RFC 9110 section 5.6.2).
func isToken(b byte) bool {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		return true
	}
	switch b {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}
