package docker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// between stands between naru and the engine, and calls f with every request before the engine, the real one, gets it.
func (b *bench) between(f func(*http.Request)) (host string) {
	b.t.Helper()
	return b.through(f, nil)
}

// through is between that may also change what the engine answers.
func (b *bench) through(f func(*http.Request), change func(*http.Response) error) (host string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		b.t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(theEngine.Host, "unix://"))
	}}
	forward := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(q *httputil.ProxyRequest) {
		q.Out.URL.Scheme, q.Out.URL.Host = "http", "docker"
	}, ModifyResponse: change}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		f(q)
		forward.ServeHTTP(w, q)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	b.t.Cleanup(func() {
		server.Close()
		<-done
		transport.CloseIdleConnections()
	})
	return "unix://" + path
}

// twoPorts finds two ports, one after the other, that nobody has.
func twoPorts(t *testing.T) deploy.PortSpan {
	t.Helper()
	for low := testPorts.High - 1; low > testPorts.Low; low-- {
		one, first := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", low))
		other, second := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", low+1))
		for _, l := range []net.Listener{one, other} {
			if l != nil {
				l.Close()
			}
		}
		if first == nil && second == nil {
			return deploy.PortSpan{Low: low, High: low + 1}
		}
	}
	t.Fatal("no two ports are free")
	return deploy.PortSpan{}
}

// squat takes a port until the end of the test, if it can be had.
func (b *bench) squat(port int) (taken bool) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		b.t.Cleanup(func() { l.Close() })
	}
	return err == nil
}

// Somebody takes the port after naru has chosen it and before the engine publishes it: another one is chosen, and only when none
// is to be had is the start given up, with what to do.
func TestPortIsTakenInBetween(t *testing.T) {
	b := open(t)
	free := twoPorts(t)
	squatters := 0
	squat := func() {
		if b.squat(free.Low + squatters) {
			squatters++
		}
	}
	tries := 0
	p, err := New(Options{Dir: b.dir, Host: b.between(func(q *http.Request) {
		if !strings.HasSuffix(q.URL.Path, "/start") {
			return
		}
		if tries++; tries == 1 {
			squat()
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rev := revision(1, service(platformtest.Echo))
	if err := p.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	one := spec(rev, 1)
	one.Ports = free
	if err := p.Start(t.Context(), "chat-r1-1", one); err != nil {
		t.Fatal(err)
	}
	if i := b.listed("chat-r1-1"); i.State != deploy.Running || i.Address != fmt.Sprintf("127.0.0.1:%d", free.High) || tries != 2 {
		t.Errorf("after %d tries: %+v", tries, i)
	}
	err = p.Start(t.Context(), "chat-r1-2", func() deploy.InstanceSpec { s := spec(rev, 2); s.Ports = free; return s }())
	if err == nil {
		t.Fatal("two instances have one port")
	}
	contains(t, err.Error(), fmt.Sprintf("no free port in %s on 127.0.0.1", free), "widen server.ports")
}
