package nethttp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/naru-deploy/naru/internal/proxy"
)

func TestKeepAliveBothSides(t *testing.T) {
	var connections atomic.Int64
	b := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }),
		ConnState: func(_ net.Conn, st http.ConnState) {
			if st == http.StateNew {
				connections.Add(1)
			}
		},
	}
	l := listen(t)
	go b.Serve(l)
	t.Cleanup(func() { b.Close() })
	s := newSite(t, l.Addr().String())
	c := s.dial()
	in := bufio.NewReader(c)
	for range 50 {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections to the instance for 50 requests of one client", n)
	}
}

func TestIdleConnectionsToAClosedBackendEndAtOnce(t *testing.T) {
	ended := make(chan struct{}, 2)
	arrived, hold := make(chan struct{}), make(chan struct{})
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				ended <- struct{}{}
				return
			}
			if r.URL.Path == "/slow" {
				close(arrived)
				<-hold
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}))
	slow := make(chan error, 1)
	go func() {
		_, _, err := s.do(request(t, "GET", s.url("/slow"), nil))
		slow <- err
	}()
	<-arrived
	s.get("/")
	began := time.Now()
	s.drainNow()
	<-ended // the idle one
	close(hold)
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	<-ended // and the busy one, as soon as it is idle
	if took := time.Since(began); took >= poolIdle {
		t.Errorf("took %v: they were left to time out", took)
	}
}

func TestLongHeadsAreRefused(t *testing.T) {
	s := newSite(t, unused(t))
	c := s.dial()
	go fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("x", 100<<10))
	rest, _ := io.ReadAll(c)
	hasPrefix(t, string(rest), "HTTP/1.1 431 ")
}

func TestClientsThatStall(t *testing.T) {
	stopped := make(chan struct{}, 1)
	s := newSiteWith(t, Options{}, func(s *Server) { s.stall = 100 * time.Millisecond }, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			io.Copy(io.Discard, r.Body)
			return
		}
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				stopped <- struct{}{}
				return
			}
		}
	}))
	c := s.dial()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbegun and then nothing")
	rest, _ := io.ReadAll(c)
	hasPrefix(t, string(rest), "HTTP/1.1 408 ")
	c = s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // and nothing is read
	<-stopped
	s.idle()
	if m := s.total(2); m.Failed+m.ByNaru+m.ByApp != 0 || m.Aborted != 1 {
		t.Errorf("metered %+v", m)
	}
	s.stallFreeRequest()
}

// stallFreeRequest sends a request whose answer takes longer than the client may stall: the clock must
// not run while naru itself waits for the instance.
func (s *site) stallFreeRequest() {
	s.t.Helper()
	slow := serve(s.t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(300 * time.Millisecond): // what is measured, not a wait for something
		case <-r.Context().Done():
		}
		io.WriteString(w, "late")
	})
	s.route.Backends = append(s.route.Backends[:0:0], ready("r1", 1, slow))
	s.apply()
	resp, body, err := s.do(request(s.t, "POST", s.url("/"), strings.NewReader("all of it")))
	if err != nil || body != "late" {
		s.t.Errorf("%v %q %v", resp, body, err)
	}
}

func TestShutdown(t *testing.T) {
	release := make(chan struct{})
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-release
			io.WriteString(w, "done")
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/socket":
			chat(w, r)
		}
	}))
	idle := s.dial()
	idleIn := bufio.NewReader(idle)
	roundTrip := func() *http.Response {
		io.WriteString(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(idleIn, nil)
		if err != nil {
			t.Fatalf("a request on a connection that was open: %v", err)
		}
		return resp
	}
	if resp := roundTrip(); resp.Close {
		t.Fatal("the connection is not kept")
	}
	slow := make(chan string, 1)
	go func() {
		_, body, err := s.do(request(t, "GET", s.url("/slow"), nil))
		slow <- fmt.Sprint(body, err)
	}()
	events, err := s.client.Do(request(t, "GET", s.url("/events"), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	socket := s.websocket("/socket")
	eventually(t, "all to be in flight", func() bool { return s.inFlight() == 3 })

	shut := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		shut <- s.server.Shutdown(ctx)
	}()
	<-s.server.leaving
	if resp := roundTrip(); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("during shutdown: %v, close %v", resp.Status, resp.Close)
	}
	if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("websocket: %v", err)
	}
	if got, err := io.ReadAll(events.Body); err != nil || string(got) != "data: 1\n\n" {
		t.Errorf("events: %q %v", got, err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("the listener is still open")
	}
	select {
	case err := <-shut:
		t.Fatalf("Shutdown did not wait for the slow request: %v", err)
	default:
	}
	close(release)
	if got := <-slow; got != "done<nil>" {
		t.Errorf("slow request: %s", got)
	}
	if err := <-shut; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	<-s.ended
	if m := s.total(5); m.ByNaru+m.ByApp+m.Failed+m.Aborted != 0 || m.WebSocketClosed != 1 {
		t.Errorf("metered %+v", m)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	s := newSite(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	failed := make(chan error, 1)
	go func() {
		_, _, err := s.do(request(t, "GET", s.url("/"), nil))
		failed <- err
	}()
	eventually(t, "the request to be in flight", func() bool { return s.inFlight() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.server.Shutdown(ctx); err == nil {
		t.Error("Shutdown returned nil although a request was cut")
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
	<-s.ended
	if m := s.total(1); m.ByNaru != 1 || m.Aborted != 0 {
		t.Errorf("a cut by naru is metered as %+v", m)
	}
}

func TestPreviewListener(t *testing.T) {
	s := newSite(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "stable") }))
	s.route.Backends = append(s.route.Backends, ready("r2", 0, serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "green") })))
	s.route.Preview = &proxy.Preview{Revision: "r2", Listen: true}
	s.apply()
	var url string
	eventually(t, "the preview address", func() bool { url = s.router.State().Services[0].Preview; return url != "" })
	hasPrefix(t, url, "http://127.0.0.1:")
	for range 10 {
		if _, body, err := s.do(request(t, "GET", url, nil)); err != nil || body != "green" {
			t.Fatalf("preview: %q %v", body, err)
		}
		if _, body := s.get("/"); body != "stable" {
			t.Fatalf("users: %q", body)
		}
	}
	s.route.Preview = nil
	s.apply()
	eventually(t, "the preview to end", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil && s.router.State().Services[0].Preview == ""
	})
	if resp, _, err := s.do(request(t, "GET", url, nil)); err == nil && resp.StatusCode != 404 {
		t.Errorf("an open preview connection is answered %v", resp.Status)
	}
}

func TestInheritedListener(t *testing.T) {
	l := listen(t)
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	inherited, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	s := newSite(t, serve(t, work))
	s.server.accepting.Go(func() { s.server.accept(inherited, s.server.takePlain) })
	defer inherited.Close()
	if resp, _, err := s.do(request(t, "GET", "http://"+inherited.Addr().String(), nil)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
}

// issue writes a certificate for the names, and its key, and returns the certificate.
func issue(t *testing.T, cert, key string, names ...string) *x509.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// secureSite is a site with an https listener whose certificates lie in dir.
func secureSite(t *testing.T, certificates *Certificates, backends ...string) (*site, string) {
	l := listen(t)
	return newSiteWith(t, Options{HTTPS: []net.Listener{l}, Certificates: certificates}, nil, backends...), l.Addr().String()
}

func TestCertificatesByNameAndReload(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	issue(t, in("a.crt"), in("a.key"), "a.example")
	issue(t, in("b.crt"), in("b.key"), "b.example")
	issue(t, in("w.crt"), in("w.key"), "*.w.example")
	certificates, err := LoadCertificates(
		KeyPair{Host: "a.example", Cert: in("a.crt"), Key: in("a.key")},
		KeyPair{Cert: in("b.crt"), Key: in("b.key")},
		KeyPair{Host: "*.w.example", Cert: in("w.crt"), Key: in("w.key")})
	if err != nil {
		t.Fatal(err)
	}
	_, addr := secureSite(t, certificates, serve(t, work))
	shown := func(name string) *x509.Certificate {
		t.Helper()
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0]
	}
	for name, want := range map[string]string{"a.example": "a.example", "A.EXAMPLE": "a.example", "b.example": "b.example", "x.w.example": "*.w.example", "other.example": "a.example", "": "a.example"} {
		if got := shown(name).Subject.CommonName; got != want {
			t.Errorf("asked for %q, shown %q, want %q", name, got, want)
		}
	}

	fresh := issue(t, in("a.crt"), in("a.key"), "a.example")
	if err := os.WriteFile(in("b.crt"), []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := shown("b.example")
	if err := certificates.Reload(); err == nil || !strings.Contains(err.Error(), in("b.crt")) || strings.Contains(err.Error(), in("a.crt")) {
		t.Errorf("Reload: %v, want an error that names %s", err, in("b.crt"))
	}
	if !shown("a.example").Equal(fresh) {
		t.Error("the good file was not taken")
	}
	if !shown("b.example").Equal(old) {
		t.Error("the bad file did not leave the old certificate")
	}
	if _, err := LoadCertificates(KeyPair{Cert: in("b.crt"), Key: in("b.key")}); err == nil {
		t.Error("a bad file is accepted at the start")
	}
}

func TestProtocols(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	roots := x509.NewCertPool()
	roots.AddCert(issue(t, cert, key, "a.example"))
	certificates, err := LoadCertificates(KeyPair{Cert: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	s, secure := secureSite(t, certificates, serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Proto, r.Header.Get("X-Forwarded-Proto"), n)
	}))
	s.route.Affinity = proxy.Affinity{By: proxy.ByCookie, Sticky: true}
	s.apply()
	for _, tt := range []struct {
		name, url, proto, want string
		secure                 bool
		set                    func(*http.Protocols)
	}{
		{"HTTP/1.1 over TLS", "https://" + secure, "HTTP/1.1", "HTTP/1.1 https 100000", true, func(p *http.Protocols) { p.SetHTTP1(true) }},
		{"HTTP/2 over TLS", "https://" + secure, "HTTP/2.0", "HTTP/1.1 https 100000", true, func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }},
		{"HTTP/2 with prior knowledge", s.url("/"), "HTTP/2.0", "HTTP/1.1 http 100000", false, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var protocols http.Protocols
			tt.set(&protocols)
			transport := &http.Transport{Protocols: &protocols, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "a.example"}}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for range 3 {
				resp, err := client.Post(tt.url, "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.Proto != tt.proto || string(body) != tt.want {
					t.Errorf("%s answered %q, %v; want %s %q", resp.Proto, body, err, tt.proto, tt.want)
				}
				if c := resp.Cookies(); len(c) != 1 || c[0].Secure != tt.secure {
					t.Errorf("cookies %v", c)
				}
			}
		})
	}
	t.Run("WebSocket over TLS", func(t *testing.T) {
		w := newSocketSite(t, certificates)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "a.example"}}
		defer transport.CloseIdleConnections()
		c, _, err := websocket.Dial(t.Context(), "https://"+w, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(t.Context()); err != nil || string(got) != "hello" {
			t.Fatalf("%q %v", got, err)
		}
	})
}

func newSocketSite(t *testing.T, certificates *Certificates) (secure string) {
	_, secure = secureSite(t, certificates, serve(t, chat))
	return secure
}

func TestBrokenResponseOverHTTP2(t *testing.T) {
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n")
	}))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(s.url("/"))
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Fatal("the response looks complete")
	}
}

// A connection that was opened ahead of its use waits as one between two requests does; a head that has begun must come to
// its end in time.
func TestConnectionsOpenedAhead(t *testing.T) {
	const head = 100 * time.Millisecond
	s := newSiteWith(t, Options{}, func(s *Server) { s.http.ReadHeaderTimeout = head }, serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") }))
	ahead, slow := s.dial(), s.dial()
	io.WriteString(slow, "GET / HTTP/1.1\r\nHo")
	if _, err := io.ReadAll(slow); err != nil { // ended, by a word or without one
		t.Errorf("half a head: %v", err)
	}
	time.Sleep(3 * head)
	for range 2 {
		io.WriteString(ahead, "GET / HTTP/1.1\r\nHost: web\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(ahead), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(body) != "here" {
			t.Errorf("%s %q, %v", resp.Status, body, err)
		}
		time.Sleep(3 * head)
	}
}
