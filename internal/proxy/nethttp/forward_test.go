package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-deploy/naru/internal/proxy"
)

func TestHopByHopHeadersStayOnTheirConnection(t *testing.T) {
	var got http.Header
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Connection", "X-Down-Private")
		w.Header().Set("X-Down-Private", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.Header().Set("X-End", "to-end")
	}))
	r := request(t, "GET", s.url("/"), nil)
	r.Header = http.Header{
		"Connection": {"keep-alive, X-Private", "x-other"}, "X-Private": {"1"}, "X-Other": {"1"}, "Keep-Alive": {"5"},
		"Proxy-Connection": {"keep-alive"}, "Te": {"gzip;q=1, trailers"}, "Upgrade": {"h2c"}, "X-End": {"to-end"}, "Cookie": {"a=b"},
	}
	resp, _, err := s.do(r)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Te": {"trailers"}, "X-End": {"to-end"}, "Cookie": {"a=b"}, "User-Agent": {"Go-http-client/1.1"},
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {s.addr},
		"Forwarded": {`for=127.0.0.1;host="` + s.addr + `";proto=http`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the instance was sent (-want +got):\n%s", diff)
	}
	resp.Header.Del("Date")
	if diff := cmp.Diff(http.Header{"Content-Length": {"0"}, "X-End": {"to-end"}}, resp.Header); diff != "" {
		t.Errorf("the client was sent (-want +got):\n%s", diff)
	}
}

func TestForwardedHeaders(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}
	sent := http.Header{
		"X-Forwarded-For": {"203.0.113.7, 198.51.100.1", "10.1.1.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example"},
		"Forwarded": {"for=203.0.113.7"},
	}
	tests := []struct {
		name, remote, client string
		want                 http.Header
	}{
		{"stranger", "192.0.2.1:99", "192.0.2.1", http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"a.example"},
			"Forwarded": {"for=192.0.2.1;host=a.example;proto=http"}}},
		{"stranger by IPv6", "[2001:db8::1]:99", "2001:db8::1", http.Header{
			"X-Forwarded-For": {"2001:db8::1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"a.example"},
			"Forwarded": {`for="[2001:db8::1]";host=a.example;proto=http`}}},
		{"trusted", "127.0.0.1:99", "198.51.100.1", http.Header{
			"X-Forwarded-For": {"203.0.113.7, 198.51.100.1, 10.1.1.1, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"shop.example"},
			"Forwarded": {"for=203.0.113.7, for=127.0.0.1;host=a.example;proto=http"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.remote, Host: "a.example", Header: sent}
			h := sent.Clone()
			trustedProxies(trusted).announce(h, r)
			if diff := cmp.Diff(tt.want, h); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := trustedProxies(trusted).client(r); got.String() != tt.client {
				t.Errorf("client %v, want %s", got, tt.client)
			}
		})
	}
}

func TestTargetAndHostArePassedOnUnchanged(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.RequestURI) }))
	for _, target := range []string{"/", "/a%2Fb", "/a|b?x=|&y", "//double//", "/%41?", "/a;b?c;d", "/?q=%zz", `/"quoted"`} {
		c := s.dial()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: Shop.Example:81\r\nConnection: close\r\n\r\n", target)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != "Shop.Example:81 "+target {
			t.Errorf("sent %q, arrived as %q", target, body)
		}
	}
}

func TestNothingIsMadeUp(t *testing.T) {
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		head, _ := http.ReadRequest(bufio.NewReader(c))
		if _, ok := head.Header["User-Agent"]; ok || head.Header.Get("Accept-Encoding") != "" {
			io.WriteString(c, "HTTP/1.1 500 Made Up\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
	}))
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	if got, ok := resp.Header["Content-Type"]; ok {
		t.Errorf("Content-Type %q was made up", got)
	}
}

func TestResponsesWithoutBody(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "1234")
		}
	}))
	c := s.dial() // one connection: whatever belongs to no response would show in the next
	in := bufio.NewReader(c)
	for range 2 {
		for _, tt := range []struct {
			method, path string
			status       int
			length       string
		}{{"HEAD", "/", 200, "1234"}, {"GET", "/204", 204, ""}, {"GET", "/304", 304, ""}} {
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", tt.method, tt.path)
			resp, err := http.ReadResponse(in, &http.Request{Method: tt.method})
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || resp.Header.Get("Content-Length") != tt.length || len(resp.TransferEncoding) > 0 {
				t.Errorf("%s %s: %d with length %q, coding %q", tt.method, tt.path, resp.StatusCode, resp.Header.Get("Content-Length"), resp.TransferEncoding)
			}
		}
	}
}

func TestUploadsAreStreamed(t *testing.T) {
	got := make(chan string, 1)
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 4)
		io.ReadFull(r.Body, buf)
		got <- string(buf) // before the rest has been sent
		hash := sha256.New()
		hash.Write(buf)
		io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%d %x", r.ContentLength, hash.Sum(nil))
	}))
	data := make([]byte, 10<<20)
	rand.NewChaCha8([32]byte{7}).Read(data)
	copy(data, "head")
	sum := sha256.Sum256(data)
	for _, length := range []int64{int64(len(data)), -1} {
		body, feed := io.Pipe()
		go func() {
			feed.Write(data[:4])
			if head := <-got; head != "head" {
				t.Errorf("the backend read %q", head)
			}
			feed.Write(data[4:])
			feed.Close()
		}()
		r := request(t, "POST", s.url("/"), body)
		r.ContentLength = length
		_, answer, err := s.do(r)
		if want := fmt.Sprintf("%d %s", length, hex.EncodeToString(sum[:])); err != nil || answer != want {
			t.Fatalf("answer %q (%v), want %q", answer, err, want)
		}
	}
	if m := s.total(2); m.In != 2*uint64(len(data)) || m.Failed != 0 {
		t.Errorf("metered %d bytes and %d failures", m.In, m.Failed)
	}
}

func TestEarlyAnswerDoesNotEatTheUpload(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		http.NewResponseController(w).Flush()
		n, err := io.Copy(w, r.Body)
		if n != 1<<20 || err != nil {
			t.Errorf("the backend read %d bytes and %v", n, err)
		}
	}))
	c := s.dial()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(data))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil) // answered before the body is sent
	if err != nil {
		t.Fatal(err)
	}
	go c.Write(data)
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("echo of %d bytes, %v", len(got), err)
	}
}

// A connection whose upload was answered before its end carries the next request all the same.
func TestEarlyAnswerKeepsTheConnection(t *testing.T) {
	early := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "early") })
	for name, c := range map[string]struct {
		backends []string
		status   int
	}{
		"by the instance": {[]string{early}, 200},
		"by naru":         {nil, 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.backends...)
			s.route.HoldTimeout = 0
			s.apply()
			conn := s.dial()
			answers := bufio.NewReader(conn)
			for range 20 {
				body := strings.Repeat("x", 100<<10)
				fmt.Fprintf(conn, "POST /up HTTP/1.1\r\nHost: web\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != c.status || resp.Close {
					t.Fatalf("%s, close %v, %v", resp.Status, resp.Close, err)
				}
			}
		})
	}
}

// One of which more is left than it is worth to read says that the connection ends, and ends it: nobody finds the rest of the
// body where the next request should stand.
func TestEarlyAnswerToALongUploadEndsTheConnection(t *testing.T) {
	for _, length := range []int{300 << 10, 500 << 10, 513 << 10, 2 << 20} {
		for _, chunked := range []bool{false, true} {
			s := newSite(t)
			s.route.HoldTimeout = 0
			s.apply()
			conn := s.dial()
			body := strings.Repeat("x", length)
			if chunked {
				fmt.Fprintf(conn, "POST /up HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", length)
			} else {
				fmt.Fprintf(conn, "POST /up HTTP/1.1\r\nHost: web\r\nContent-Length: %d\r\n\r\n", length)
			}
			answers := bufio.NewReader(conn)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				io.WriteString(conn, body) // it may be cut off
				if chunked {
					io.WriteString(conn, "\r\n0\r\n\r\n")
				}
			}()
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatalf("%d bytes: %v", length, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 503 || !resp.Close {
				t.Errorf("%d bytes, chunked %v: %s, close %v, %v", length, chunked, resp.Status, resp.Close, err)
			}
			if _, err := answers.ReadByte(); err == nil {
				t.Errorf("%d bytes, chunked %v: the connection says more", length, chunked)
			}
			conn.Close()
			<-sent
		}
	}
}

func TestBodyLimit(t *testing.T) {
	reached := make(chan int64, 4)
	s := newSite(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		reached <- n
	}))
	s.route.Limits.Body = 1000
	s.apply()
	for name, tt := range map[string]struct {
		size   int
		length int64
		status int
	}{"declared": {2000, 2000, 413}, "chunked": {200_000, -1, 413}, "just fits": {1000, 1000, 200}, "chunked, just fits": {1000, -1, 200}} {
		r := request(t, "POST", s.url("/"), io.MultiReader(bytes.NewReader(make([]byte, tt.size))))
		r.ContentLength = tt.length
		resp, body, err := s.do(r)
		if err != nil || resp.StatusCode != tt.status {
			t.Fatalf("%s: %v %v", name, resp, err)
		}
		if tt.status == 413 {
			hasPrefix(t, body, "naru: the request body is larger")
		}
	}
	if m := s.total(4); m.Failed+m.ByNaru+m.ByApp != 0 {
		t.Errorf("counted as failures: %+v", m)
	}
}

func TestTrailersBothWays(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Write(body)
		http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", r.Trailer.Get("X-Request-Sum")+"+"+r.Trailer.Get("X-Surprise"))
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "yes")
	}))
	for _, body := range []string{"hello", ""} {
		c := s.dial()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Request-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
		if body != "" {
			fmt.Fprintf(c, "%x\r\n%s\r\n", len(body), body)
		}
		io.WriteString(c, "0\r\nX-Request-Sum: 5\r\nX-Surprise: 6\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, announced := resp.Trailer["X-Sum"]; !announced {
			t.Error("X-Sum was not announced")
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != body {
			t.Fatalf("body %q, %v", got, err)
		}
		want := http.Header{"X-Sum": {"5+6"}, "X-Unannounced": {"yes"}}
		if diff := cmp.Diff(want, resp.Trailer); diff != "" {
			t.Errorf("trailer (-want +got):\n%s", diff)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(401)
			return
		}
		io.Copy(w, r.Body)
	}))
	ask := func(path string) (net.Conn, *bufio.Reader) {
		c := s.dial()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", path)
		return c, bufio.NewReader(c)
	}
	c, in := ask("/yes")
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 100 {
		t.Fatalf("want 100 first: %v %v", resp, err)
	}
	io.WriteString(c, "hello")
	if resp, err = http.ReadResponse(in, nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "hello" {
		t.Fatalf("body %q", body)
	}
	_, in = ask("/no")
	if resp, err = http.ReadResponse(in, nil); err != nil || resp.StatusCode != 401 {
		t.Fatalf("a refused body must not be asked for: %v %v", resp, err)
	}
}

func TestEarlyHints(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "page")
	}))
	var hint string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hint = fmt.Sprint(code, " ", h.Get("Link"))
		return nil
	}})
	resp, body, err := s.do(request(t, "GET", s.url("/"), nil).WithContext(ctx))
	if err != nil || body != "page" || resp.Header.Get("Link") != "" {
		t.Fatalf("%v %q %v", resp, body, err)
	}
	if hint != "103 </style.css>; rel=preload" {
		t.Errorf("hint %q", hint)
	}
}

func TestUnknownLengthIsFlushedAtOnce(t *testing.T) {
	next := make(chan struct{})
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		}
		control := http.NewResponseController(w)
		control.Flush() // the head alone
		for range 3 {
			<-next
			io.WriteString(w, "data: x\n\n")
			control.Flush()
		}
	}))
	for _, path := range []string{"/events", "/other"} {
		resp, err := s.client.Do(request(t, "GET", s.url(path), nil))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 9)
		for range 3 {
			next <- struct{}{} // nothing more is sent until this part has come through
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "data: x\n\n" {
				t.Fatalf("%s: %q %v", path, buf, err)
			}
		}
		if n, err := resp.Body.Read(buf); n != 0 || err != io.EOF {
			t.Fatalf("%s ends with %d bytes, %v", path, n, err)
		}
		resp.Body.Close()
	}
}

func TestNaruAnswersInOneLine(t *testing.T) {
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() })
	garbage := serveRaw(t, func(c net.Conn) { c.Read(make([]byte, 4096)); io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n\r\n") })
	silent := serveRaw(t, func(c net.Conn) { c.Read(make([]byte, 4096)) })
	for _, tt := range []struct {
		name, backend, method string
		status                int
		line                  string
	}{
		{"timeout", slow, "POST", 504, "naru: web: instance web-r1-a did not answer in time\n"},
		{"garbage", garbage, "POST", 502, "naru: web: instance web-r1-a answered with something that is not HTTP\n"},
		{"closed", silent, "POST", 502, "naru: web: instance web-r1-a closed the connection without an answer\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.backend)
			s.route.Limits.ResponseTimeout = 50 * time.Millisecond
			s.apply()
			resp, body, err := s.do(request(t, tt.method, s.url("/"), strings.NewReader("x")))
			if err != nil || resp.StatusCode != tt.status || body != tt.line {
				t.Fatalf("%v %q %v, want %d %q", resp, body, err, tt.status, tt.line)
			}
			if m := s.total(1); m.Failed != 1 || m.ByNaru != 1 || m.ByApp != 0 {
				t.Errorf("metered %+v", m)
			}
		})
	}
	t.Run("no instance", func(t *testing.T) {
		s := newSite(t)
		resp, body := s.get("/")
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || body != "naru: web: no healthy instance\n" {
			t.Fatalf("%v %q", resp, body)
		}
	})
	t.Run("no route", func(t *testing.T) {
		s := newSite(t)
		s.route.Path = "/only"
		s.apply()
		if resp, body := s.get("/else"); resp.StatusCode != 404 || body != "naru: no service is routed for this host and path\n" {
			t.Fatalf("%v %q", resp, body)
		}
	})
	t.Run("CONNECT", func(t *testing.T) {
		c := newSite(t).dial()
		io.WriteString(c, "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n")
		rest, _ := io.ReadAll(c)
		hasPrefix(t, string(rest), "HTTP/1.1 501 ")
	})
}

func TestResponseTimeoutStartsAfterTheUpload(t *testing.T) {
	s := newSite(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	s.route.Limits.ResponseTimeout = 100 * time.Millisecond
	s.apply()
	body, feed := io.Pipe()
	go func() {
		for range 6 {
			time.Sleep(50 * time.Millisecond) // a slow client, not a wait for something
			feed.Write([]byte("slow "))
		}
		feed.Close()
	}()
	if resp, _, err := s.do(request(t, "POST", s.url("/"), body)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
}

// Of two requests that get no head for longer than Hang, one waits for its client.
func TestSlowUploadIsNoHang(t *testing.T) {
	arrived := make(chan struct{}, 2)
	s := newSite(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	s.route.Canary, s.route.Hang = "r2", 200*time.Millisecond
	s.apply()
	decided := func(n uint64) {
		t.Helper()
		eventually(t, "requests to be decided", func() bool {
			ms := s.router.State().Services[0].Meters
			return len(ms) == 1 && ms[0].Decided >= n
		})
		if m := s.router.State().Services[0].Meters[0]; m.Decided != n || m.Ages.Count() != 2 || m.Requests != 0 {
			t.Errorf("want %d decided and 2 in flight: %+v", n, m)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	defer clients.Wait()
	send := func(method string, body io.Reader) {
		r := request(t, method, s.url("/"), body).WithContext(ctx)
		clients.Go(func() { s.do(r) }) // ends with the test
		<-arrived
	}
	body, feed := io.Pipe()
	defer feed.Close()
	send("POST", body)
	send("GET", nil)
	decided(1) // the younger
	feed.Close()
	decided(2)
	cancel()
	clients.Wait()
}

func TestUserCookie(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Add("Set-Cookie", "own=1") }))
	s.route.Affinity = proxy.Affinity{By: proxy.ByCookie, Sticky: true}
	s.apply()
	resp, _ := s.get("/")
	cookies := resp.Cookies()
	if len(cookies) != 2 || cookies[0].Name != "own" {
		t.Fatalf("cookies %v", cookies)
	}
	c := cookies[1]
	if c.Name != "naru_user" || len(c.Value) != 32 || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure {
		t.Errorf("cookie %v", c)
	}
	r := request(t, "GET", s.url("/"), nil)
	r.AddCookie(c)
	if resp, _, err := s.do(r); err != nil || len(resp.Cookies()) != 1 {
		t.Errorf("a known user is given another name: %v %v", resp.Cookies(), err)
	}
}
