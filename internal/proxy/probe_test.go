package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// probed is a route with one backend, probed often.
func probed(address string, h HealthSpec) Route {
	h.Interval, h.Timeout = 5*time.Millisecond, 200*time.Millisecond
	return chat(BackendSpec{ID: "a", Revision: "r1", Address: address, Enabled: true, Health: h})
}

func healthIs(t *testing.T, r *Router, want, reason string) {
	t.Helper()
	var got BackendState
	eventually(t, want+" "+reason, func() bool {
		got = onlyService(t, r).Backends[0]
		return got.Health == want && strings.Contains(got.Reason, reason)
	})
}

func TestProbeHTTP(t *testing.T) {
	var status atomic.Int32
	var agents atomic.Int32
	status.Store(200)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/healthz" && req.UserAgent() == probeAgent {
			agents.Add(1)
		}
		if status.Load() == 302 {
			w.Header().Set("Location", "http://127.0.0.1:1/")
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer s.Close()
	r := New(Options{})
	run(t, r)
	apply(t, r, 1, probed(s.Listener.Addr().String(), HealthSpec{Kind: HealthHTTP, Path: "/healthz"}))
	healthIs(t, r, Healthy, "")
	status.Store(503)
	healthIs(t, r, Unhealthy, "503 Service Unavailable")
	status.Store(302) // is not followed
	healthIs(t, r, Healthy, "")
	status.Store(404)
	healthIs(t, r, Unhealthy, "404")
	if agents.Load() == 0 {
		t.Error("no probe asked for /healthz as " + probeAgent)
	}

	// A table that asks for something else is heeded at once, however long the
	// interval was.
	status.Store(200)
	healthIs(t, r, Healthy, "")
	s.Close()
	healthIs(t, r, Unhealthy, "refused")
}

func TestProbeThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := New(Options{})
	run(t, r)
	route := probed(l.Addr().String(), HealthSpec{Kind: HealthHTTP, Path: "/"})
	route.Backends[0].Health.Timeout = 20 * time.Millisecond
	apply(t, r, 1, route)
	healthIs(t, r, Unhealthy, "deadline")
	// The table may change its mind: connecting is enough. An interval of an
	// hour shows that the prober was told.
	route.Backends[0].Health = HealthSpec{Kind: HealthTCP, Interval: time.Hour}
	apply(t, r, 2, route)
	healthIs(t, r, Healthy, "")
	route.Backends[0].Health = HealthSpec{Kind: HealthHTTP, Interval: 5 * time.Millisecond, Timeout: 20 * time.Millisecond}
	apply(t, r, 3, route)
	healthIs(t, r, Unhealthy, "deadline")
}

func TestProbeTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{})
	run(t, r)
	route := probed(l.Addr().String(), HealthSpec{Kind: HealthTCP})
	route.Backends[0].Enabled = false // probed all the same
	apply(t, r, 1, route)
	healthIs(t, r, Healthy, "")
	l.Close()
	healthIs(t, r, Unhealthy, "refused")
}

// Docker's own proxy listens for a container in which nobody listens yet.
func TestProbeTCPOfAStandIn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var keep atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if keep.Load() {
				defer c.Close()
			} else {
				c.Close()
			}
		}
	}()
	defer func() { l.Close(); <-done }()
	r := New(Options{})
	run(t, r)
	apply(t, r, 1, probed(l.Addr().String(), HealthSpec{Kind: HealthTCP}))
	healthIs(t, r, Unhealthy, "accepted and dropped")
	keep.Store(true)
	healthIs(t, r, Healthy, "")
}

func TestProbeGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	checks := health.NewServer()
	healthpb.RegisterHealthServer(s, checks)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() { s.Stop(); <-served }()

	r := New(Options{})
	run(t, r)
	apply(t, r, 1, probed(l.Addr().String(), HealthSpec{Kind: HealthGRPC}))
	healthIs(t, r, Healthy, "")
	checks.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	healthIs(t, r, Unhealthy, "NOT_SERVING")

	apply(t, r, 2, probed(l.Addr().String(), HealthSpec{Kind: HealthGRPC, Service: "chat.Chat"}))
	healthIs(t, r, Unhealthy, "unknown service") // the server's words
	checks.SetServingStatus("chat.Chat", healthpb.HealthCheckResponse_SERVING)
	healthIs(t, r, Healthy, "")
}

func TestProbeGRPCOfAnHTTPServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	r := New(Options{})
	run(t, r)
	apply(t, r, 1, probed(s.Listener.Addr().String(), HealthSpec{Kind: HealthGRPC}))
	healthIs(t, r, Unhealthy, "")
}

func TestHealthResponse(t *testing.T) {
	for _, c := range []struct{ frame, says string }{
		{"\x00\x00\x00\x00\x02\x08\x01", ""},
		{"\x00\x00\x00\x00\x02\x08\x02", "NOT_SERVING"},
		{"\x00\x00\x00\x00\x02\x08\x03", "SERVICE_UNKNOWN"},
		{"\x00\x00\x00\x00\x02\x08\x09", "status 9"},
		{"\x00\x00\x00\x00\x00", "UNKNOWN"},
		{"", "well-formed"},
		{"\x01\x00\x00\x00\x02\x08\x01", "well-formed"},
		{"\x00\x00\x00\x00\x03\x08\x01", "well-formed"},
		{"\x00\x00\x00\x00\x01\x08", "unknown message"},
		{"\x00\x00\x00\x00\x02\x10\x01", "unknown message"},
	} {
		err := healthResponse([]byte(c.frame))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.frame, err, c.says)
		}
	}
}

func TestVitality(t *testing.T) {
	failed := errors.New("refused")
	for _, c := range []struct {
		name   string
		probes []error
		want   string
	}{
		{"never", nil, Unknown},
		{"one failure says nothing", []error{failed}, Unknown},
		{"two do", []error{failed, failed}, Unhealthy},
		{"one success is enough", []error{failed, failed, nil}, Healthy},
		{"one lost packet", []error{nil, failed}, Healthy},
		{"now and then", []error{nil, failed, nil, failed}, Healthy},
		{"twice in a row", []error{nil, failed, failed}, Unhealthy},
	} {
		v := vitality{state: Unknown}
		for _, err := range c.probes {
			v = v.probed(err)
		}
		if v.state != c.want {
			t.Errorf("%s: %s, want %s", c.name, v.state, c.want)
		}
	}
}

// A probe that began under the old table is no answer to the new one.
func TestLateProbeIsIgnored(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, chat(external("a", "r1", true)))
	b := r.services["chat"].backends[identity{"a", external("a", "", true).Address, "r1"}]
	asked := b.spec.Load()
	apply(t, r, 2, chat(external("a", "r1", false)))
	r.report(b, asked, nil)
	if got := onlyService(t, r).Backends[0].Health; got != Unhealthy {
		t.Errorf("%s after a late success", got)
	}
}

func TestRunEndsAndStartsAgain(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, probed("127.0.0.1:1", HealthSpec{Kind: HealthTCP}))
	for range 2 {
		t.Run("", func(t *testing.T) {
			run(t, r)
			healthIs(t, r, Unhealthy, "refused")
			apply(t, r, r.State().Version+1)
			apply(t, r, r.State().Version+1, probed("127.0.0.1:1", HealthSpec{Kind: HealthTCP}))
			healthIs(t, r, Unhealthy, "refused")
		})
	}
}
