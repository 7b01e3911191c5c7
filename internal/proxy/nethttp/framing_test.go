package nethttp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAmbiguousLengthIsRefused(t *testing.T) {
	seen := make(chan string, 100)
	s := newSite(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.URL.Path }))
	smuggled := "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	before := map[string]string{
		"first on the connection": "",
		"after a GET":             "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n",
		"after a body":            "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"after chunks":            "POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n",
	}
	bad := map[string]string{
		"length, coding":       "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
		"coding, length":       "POST /bad HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\nX: y\r\ncontent-length: 4\r\n\r\n" + smuggled,
		"bare line feeds":      "POST /bad HTTP/1.1\nHost: a\nContent-Length: 4\nTransfer-Encoding: chunked\n\n" + smuggled,
		"length 0":             "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
		"folded value":         "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 4\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + smuggled,
		"differing lengths":    "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
		"a list of lengths":    "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello",
		"a signed length":      "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
		"space before a colon": "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
		"coding in HTTP/1.0":   "POST /bad HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
	}
	for when, first := range before {
		for name, head := range bad {
			t.Run(name+" "+when, func(t *testing.T) {
				c := s.dial()
				r := bufio.NewReader(c)
				if first != "" {
					io.WriteString(c, first)
					resp, err := http.ReadResponse(r, nil)
					if err != nil || resp.StatusCode != 200 {
						t.Fatalf("the request before: %v %v", resp, err)
					}
					io.Copy(io.Discard, resp.Body)
					<-seen
				}
				io.WriteString(c, head)
				rest, _ := io.ReadAll(r) // to the end: the connection must be closed
				hasPrefix(t, string(rest), "HTTP/1.1 400 ")
				if n := strings.Count(string(rest), "HTTP/1."); n != 1 {
					t.Fatalf("%d answers: %q", n, rest)
				}
			})
		}
	}
	if len(seen) > 0 {
		t.Fatalf("the backend was sent %s", <-seen)
	}
}

func TestOtherCodingsAreRefused(t *testing.T) {
	s := newSite(t, unused(t))
	for _, coding := range []string{"gzip, chunked", "identity", "xchunked", "chunked\r\nTransfer-Encoding: chunked"} {
		c := s.dial()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n0\r\n\r\n", coding)
		rest, _ := io.ReadAll(c)
		hasPrefix(t, string(rest), "HTTP/1.1 501 ")
	}
}

func TestMalformedChunksEndTheConnection(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	next := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, body := range []string{
		"5\nhello\r\n0\r\n\r\n", "x\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n", "-1\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "00000000000000000\r\n\r\n", "FFFFFFFFFFFFFFFFF\r\n\r\n",
	} {
		c := s.dial()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body+next)
		rest, _ := io.ReadAll(c)
		if n := strings.Count(string(rest), "HTTP/1."); n > 1 || strings.HasPrefix(string(rest), "HTTP/1.1 200") {
			t.Errorf("%q: %q", body, rest)
		}
	}
	if m := s.total(0); m.Failed+m.ByApp+m.ByNaru != 0 {
		t.Errorf("metered %+v", m)
	}
}

// FuzzFraming holds the inspection against net/http: on whatever bytes, both must see the same requests
// up to the first that is refused.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\nPOST /c HTTP/1.0\r\ncontent-length:\t2 \r\n\r\nab",
		"PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 3\n\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 ;x\r\na\r\n2;y\t\r\nab\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA b\r\n c: d\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 5\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(7))
	}
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		var fr framing
		var inspected []byte
		for piece := range slices.Chunk(bytes.Clone(stream), int(step)+1) {
			if fr.state == refused {
				break
			}
			inspected = append(inspected, piece[:fr.inspect(piece)]...)
		}
		source := bytes.NewReader(inspected)
		r := bufio.NewReader(source)
		offset := func() int { return len(inspected) - source.Len() - r.Buffered() }
		for {
			start := offset()
			req, err := http.ReadRequest(r)
			if err != nil || req.Method == "CONNECT" || req.Method == "PRI" {
				return
			}
			if head := inspected[start:offset()]; ambiguous(head) {
				t.Fatalf("accepted %q in %q", head, stream)
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				if endsBody(inspected[start:]) { // what follows would be taken for a request
					t.Fatalf("did not refuse what net/http does in %q: %v", stream, err)
				}
				return
			}
		}
	})
}

// endsBody reports whether the inspection sees the end of the body of the request at the front of stream.
func endsBody(stream []byte) bool {
	var f framing
	stream = bytes.Clone(stream)
	for i, body := 0, false; i < len(stream); i++ {
		f.inspect(stream[i : i+1])
		if body && f.state == inStartLine {
			return true
		}
		body = f.state == inChunks || f.state == inBody
	}
	return false
}

// ambiguous looks at one request head as a whole.
func ambiguous(head []byte) bool {
	lines := strings.Split(strings.ToLower(string(head)), "\n")
	names := func(name string) bool {
		return slices.ContainsFunc(lines[1:], func(l string) bool { return strings.HasPrefix(l, name+":") })
	}
	old := strings.HasSuffix(strings.TrimSuffix(lines[0], "\r"), "http/1.0")
	return names("transfer-encoding") && (old || names("content-length"))
}

func BenchmarkFraming(b *testing.B) {
	dump := []byte("GET /a/rather/usual/path?with=query HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n")
	var f framing
	b.SetBytes(int64(len(dump)))
	for b.Loop() {
		f.inspect(dump)
	}
}
