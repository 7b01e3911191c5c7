package nethttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/proxy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a proxy in front of backends that the test plays.
type site struct {
	t       *testing.T
	router  *proxy.Router
	server  *Server
	addr    string // of the plain listener
	version uint64
	route   proxy.Route
	client  *http.Client
	ended   chan struct{} // closed when Run has returned
}

// newSite starts a proxy whose one service "web" has the given backends, all of revision r1.
func newSite(t *testing.T, backends ...string) *site {
	return newSiteWith(t, Options{}, nil, backends...)
}

// newSiteWith makes the server from o and, if adjust is not nil, changes it before it runs.
func newSiteWith(t *testing.T, o Options, adjust func(*Server), backends ...string) *site {
	t.Helper()
	s := &site{t: t, router: proxy.New(proxy.Options{ID: "test"}), ended: make(chan struct{})}
	l := listen(t)
	s.addr = l.Addr().String()
	o.Router, o.HTTP = s.router, []net.Listener{l}
	var err error
	if s.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	if adjust != nil {
		adjust(s.server)
	}
	s.route = proxy.Route{
		Service: "web", Stable: "r1", Groups: []proxy.Group{{Revision: "r1", Share: 10000}},
		HoldTimeout: 5 * time.Second, DrainTimeout: 5 * time.Second,
	}
	for i, address := range backends {
		s.route.Backends = append(s.route.Backends, ready("r1", i, address))
	}
	s.apply()
	s.run()
	s.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// ready is a backend that is healthy because the controller says so.
func ready(revision string, i int, address string) proxy.BackendSpec {
	yes := true
	id := "web-" + revision + "-" + string(rune('a'+i))
	return proxy.BackendSpec{ID: id, Revision: revision, Address: address, Enabled: true, Health: proxy.HealthSpec{Kind: proxy.HealthExternal}, Ready: &yes}
}

func (s *site) run() {
	ctx, cancel := context.WithCancel(context.Background())
	routed := make(chan struct{})
	go func() { defer close(routed); s.router.Run(ctx) }()
	go func() {
		defer close(s.ended)
		if err := s.server.Run(ctx); err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		<-s.ended
		<-routed
	})
}

// apply publishes s.route.
func (s *site) apply() {
	s.t.Helper()
	s.version++
	route := s.route
	route.Version = s.version
	route.Backends = append([]proxy.BackendSpec(nil), s.route.Backends...)
	if err := s.router.Apply(proxy.Table{Version: s.version, Routes: []proxy.Route{route}}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) url(path string) string { return "http://" + s.addr + path }

// do sends a request and returns the response with its body read.
func (s *site) do(r *http.Request) (*http.Response, string, error) {
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func (s *site) get(path string) (*http.Response, string) {
	s.t.Helper()
	resp, body, err := s.do(request(s.t, "GET", s.url(path), nil))
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, body
}

// idle waits until no request is under way. A request is let go of after all of it has been counted.
func (s *site) idle() {
	s.t.Helper()
	eventually(s.t, "requests to end", func() bool {
		for _, b := range s.router.State().Services[0].Backends {
			if b.InFlight > 0 {
				return false
			}
		}
		return true
	})
}

// total adds up the meters of the service once they show n requests.
func (s *site) total(n uint64) proxy.Meter {
	s.t.Helper()
	var sum proxy.Meter
	eventually(s.t, "requests to be counted", func() bool {
		sum = proxy.Meter{}
		for _, m := range s.router.State().Services[0].Meters {
			sum.Requests += m.Requests
			sum.Failed += m.Failed
			sum.ByNaru += m.ByNaru
			sum.ByApp += m.ByApp
			sum.Retried += m.Retried
			sum.Aborted += m.Aborted
			sum.Held += m.Held
			sum.WebSocketClosed += m.WebSocketClosed
			sum.Upgraded += m.Upgraded
			sum.In += m.In
			sum.Out += m.Out
		}
		return sum.Requests >= n
	})
	return sum
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serve starts a backend and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	b := httptest.NewServer(h)
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b.Listener.Addr().String()
}

// serveRaw starts a backend that speaks on bare connections, one after the other or at once.
func serveRaw(t *testing.T, speak func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); speak(c) }()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dial opens a bare connection to the proxy on which no read blocks for ever.
func (s *site) dial() *net.TCPConn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func hasPrefix(t *testing.T, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) {
		t.Fatalf("got %.300q, want it to begin with %q", got, want)
	}
}
