package nethttp

import (
	"net/http"
	"net/textproto"
	"strings"
)

// hopByHop are the header fields that mean something on one connection only and are never passed on
// (RFC 9110 section 7.6.1; the two of proxy authentication are those of section 11.7).
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Proxy-Authenticate", "Proxy-Authorization",
}

// stripHopByHop removes them from h, and those that Connection names.
func stripHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// hasToken reports whether a comma-separated header field lists token, in any case of letters.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			t, _, _ = strings.Cut(t, ";")
			if strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}

// upgrade is the protocol that a message wants to switch to, empty if none. Switching to HTTP/2 by
// Upgrade is obsolete (RFC 9113 section 3.1) and not passed on.
func upgrade(h http.Header) string {
	if !hasToken(h["Connection"], "upgrade") {
		return ""
	}
	if p := h.Get("Upgrade"); !strings.EqualFold(p, "h2c") {
		return p
	}
	return ""
}

// requestHeader is what an instance is sent of r's header.
func (s *Server) requestHeader(r *http.Request) http.Header {
	h := r.Header.Clone()
	stripHopByHop(h)
	if hasToken(r.Header["Te"], "trailers") {
		h.Set("Te", "trailers") // gRPC servers insist on it
	}
	if p := upgrade(r.Header); p != "" && r.ProtoMajor == 1 {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", p)
	}
	if !r.ProtoAtLeast(1, 1) {
		h.Del("Expect") // RFC 9110 section 10.1.1: HTTP/1.0 clients do not wait
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // or net/http adds its own
	}
	s.trusted.announce(h, r)
	return h
}

// responseHeader fills dst with what the client is sent of an instance's response head.
func responseHeader(dst http.Header, resp *http.Response) {
	for name, values := range resp.Header {
		dst[name] = values
	}
	stripHopByHop(dst)
	for name := range resp.Trailer {
		dst.Add("Trailer", name)
	}
	if _, ok := dst["Content-Type"]; !ok {
		dst["Content-Type"] = nil // or net/http guesses one
	}
}

// responseTrailer makes net/http send the trailers of a response whose body has been read to its end.
// Only then are they known; names that were not announced are sent all the same.
func responseTrailer(dst http.Header, resp *http.Response) {
	clear(dst) // the head is sent; of what is left there net/http would repeat names that were announced
	for name, values := range resp.Trailer {
		dst[http.TrailerPrefix+name] = values
	}
}
