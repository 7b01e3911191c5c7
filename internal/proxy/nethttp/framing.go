package nethttp

import (
	"bytes"
	"slices"
)

// framing follows the requests of an HTTP/1 connection as they are read, and refuses one whose length is
// ambiguous. net/http alone would take Transfer-Encoding and silently drop Content-Length; a proxy in front
// of naru that took the other one would then see different requests than naru does (request smuggling,
// RFC 9112 section 6.3).
//
// It also refuses every chunk that net/http would refuse: an error in a body need not make net/http close
// the connection, and what is left of the body would be the next request.
//
// To refuse is to put a line feed where net/http does not stand one, and to hand on nothing after it. In a
// head that makes net/http answer 400 and close the connection. The zero value stands before the first
// request.
type framing struct {
	state  framingState
	line   []byte // of the current line, as much as is needed to know it
	http10 bool

	hasLength, hasCoding bool
	length               uint64 // Content-Length, or what is left of the body or chunk
	connect              bool
	chunks               chunks
}

type framingState int

const (
	inStartLine framingState = iota
	inName                   // at the start of a header line
	inLength                 // in the value of Content-Length
	inValue                  // in another value
	inBody                   // length bytes are left
	inChunks                 // in a chunked body
	passing                  // no longer HTTP/1: a tunnel, or HTTP/2
	refused                  // nothing more is handed on
)

// longestLine is what is kept of a line: enough for "transfer-encoding" and for "HTTP/1.0" at the end.
const longestLine = 32

// inspect looks at bytes that were read and returns how many of them may be handed on to net/http.
func (f *framing) inspect(p []byte) (n int) {
	for n < len(p) && f.state != passing && f.state != refused {
		rest := p[n:]
		switch f.state {
		case inStartLine:
			n += f.startLine(rest)
		case inName:
			n += f.name(rest)
		case inLength:
			n += f.lengthValue(rest)
		case inValue:
			n += f.value(rest)
		case inBody:
			n += f.body(rest)
		case inChunks:
			n += f.chunked(rest)
		}
	}
	if f.state == passing {
		return len(p)
	}
	return n
}

// startLine keeps the method at the front of the line and the version at its end.
func (f *framing) startLine(p []byte) int {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		f.keepEnds(p)
		return len(p)
	}
	f.keepEnds(p[:i])
	line := bytes.TrimSuffix(f.line, []byte("\r"))
	f.line = f.line[:0]
	if len(line) > 0 { // empty lines before a request are tolerated (RFC 9112 section 2.2)
		*f = framing{line: f.line, state: inName}
		f.http10 = bytes.HasSuffix(line, []byte("HTTP/1.0"))
		f.connect = bytes.HasPrefix(line, []byte("CONNECT "))
		if bytes.HasPrefix(line, []byte("PRI * HTTP/2")) {
			f.state = passing
		}
	}
	return i + 1
}

// keepEnds adds part to a line of which the beginning and the end are kept.
func (f *framing) keepEnds(part []byte) {
	room := min(max(0, longestLine/2-len(f.line)), len(part))
	f.line = append(f.line, part[:room]...)
	part = part[room:]
	f.line = append(f.line, part[max(0, len(part)-longestLine/2):]...)
	if extra := len(f.line) - longestLine; extra > 0 {
		f.line = slices.Delete(f.line, longestLine/2, longestLine/2+extra)
	}
}

// name collects the name of a header field and judges it at the colon.
func (f *framing) name(p []byte) int {
	i := 0
	for i < len(p) && p[i] != ':' && p[i] != '\n' {
		i++
	}
	f.line = append(f.line, p[:min(i, longestLine-len(f.line))]...)
	if i == len(p) {
		return i
	}
	name := f.line
	f.line = f.line[:0]
	if p[i] == '\n' {
		if len(bytes.TrimSuffix(name, []byte("\r"))) == 0 {
			f.endHead()
		}
		return i + 1
	}
	f.state = inValue
	if bytes.EqualFold(name, []byte("content-length")) {
		f.state, f.hasLength, f.length = inLength, true, 0
	} else if bytes.EqualFold(name, []byte("transfer-encoding")) {
		f.hasCoding = true
	}
	// HTTP/1.0 knows no transfer codings; net/http would take such a body for the next request.
	if f.hasCoding && (f.hasLength || f.http10) {
		p[i] = '\n' // in place of the colon: no header line is without one
		f.state = refused
	}
	return i + 1
}

// lengthValue reads digits only: net/http refuses every value that holds anything else, and values
// that differ.
func (f *framing) lengthValue(p []byte) int {
	for i, c := range p {
		if c >= '0' && c <= '9' {
			f.length = f.length*10 + uint64(c-'0')
		} else if c == '\n' {
			f.state = inName
			return i + 1
		}
	}
	return len(p)
}

// value passes over the rest of a line.
func (f *framing) value(p []byte) int {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		return len(p)
	}
	f.state = inName
	return i + 1
}

func (f *framing) endHead() {
	switch {
	case f.connect:
		f.state = passing
	case f.hasCoding:
		f.state, f.chunks = inChunks, chunks{}
	case f.length > 0:
		f.state = inBody
	default:
		f.state = inStartLine
	}
}

func (f *framing) body(p []byte) int {
	n := min(uint64(len(p)), f.length)
	if f.length -= n; f.length == 0 {
		f.state = inStartLine
	}
	return int(n)
}

func (f *framing) chunked(p []byte) int {
	n, ok := f.chunks.next(p)
	switch {
	case !ok:
		p[n-1] = '\n'
		f.state = refused
	case f.chunks.state == chunksEnd:
		f.state = inStartLine
	}
	return n
}
