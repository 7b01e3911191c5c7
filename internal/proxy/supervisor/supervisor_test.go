package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/naru-deploy/naru/internal/proxy"
)

// The test binary plays the proxy's part when it is started with a folder: a real router and control socket, and
// an answer on the socket that it was handed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SUPERVISOR_TEST_PROXY"); dir != "" {
		if err := play(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func play(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := proxy.New(proxy.Options{ID: "test"})
	control, err := proxy.ListenControl(ctx, filepath.Join(dir, Socket))
	if err != nil {
		return err
	}
	front, err := net.FileListener(os.NewFile(3, "front"))
	if err != nil {
		return err
	}
	go http.Serve(front, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) }))
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	wg.Go(func() { proxy.NewControl(r, func(time.Duration) { cancel() }).Serve(ctx, control) })
	wg.Wait()
	return nil
}

type bench struct {
	t     *testing.T
	dir   string
	front net.Listener
	file  *os.File
}

func newBench(t *testing.T) *bench {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t, t.TempDir(), l, f}
	t.Setenv("SUPERVISOR_TEST_PROXY", b.dir)
	t.Cleanup(func() { l.Close(); f.Close() })
	return b
}

// run starts a supervisor and returns it with a function that ends it, leaving the proxy alone.
func (b *bench) run(expect ...string) (*Supervisor, func()) {
	s := New(Options{Dir: b.dir, Command: []string{"/proc/self/exe"}, Expect: expect, Log: slog.New(slog.DiscardHandler),
		Sockets: func() ([]*os.File, error) { return []*os.File{b.file}, nil }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	return s, func() { cancel(); <-done }
}

func (b *bench) until(what string, f func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(10 * time.Millisecond) { // another process is looked at
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(b.dir, "proxy.log"))
			b.t.Fatalf("%s: not in time; the proxy said: %s", what, log)
		}
	}
}

func route(name string, version uint64) proxy.Route {
	return proxy.Route{Service: name, Version: version, Hosts: []string{name + ".example.com"}, Path: "/"}
}

// applied reports whether the proxy follows a route.
func applied(s *Supervisor, name string, version uint64) bool {
	state, reached := s.State()
	for _, v := range state.Services {
		if v.Service == name && v.Version == version {
			return reached
		}
	}
	return false
}

func TestProxyIsStartedToldAdoptedAndReplaced(t *testing.T) {
	b := newBench(t)
	s, end := b.run("a", "b")
	s.Route(route("a", 1))
	b.until("reached", func() bool { _, ok := s.State(); return ok })
	if state, _ := s.State(); state.Version != 0 {
		t.Error("a table was sent while a service was still missing from it")
	}
	s.Route(route("b", 1))
	b.until("both routes", func() bool { return applied(s, "a", 1) && applied(s, "b", 1) })
	s.Route(route("a", 2))
	b.until("a new route", func() bool { return applied(s, "a", 2) })
	first, _ := s.State()
	end()

	s, end = b.run("a") // the next controller
	s.Route(route("a", 3))
	b.until("adopted", func() bool { return applied(s, "a", 3) && !applied(s, "b", 1) })
	adopted, _ := s.State()
	if adopted.PID != first.PID || adopted.Epoch != first.Epoch {
		t.Errorf("proxy %d was replaced by %d", first.PID, adopted.PID)
	}

	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get("http://" + b.front.Addr().String()) // it waits in the socket's queue for the next proxy
	if err != nil {
		t.Fatalf("refused while the proxy is replaced: %v", err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	b.until("replaced", func() bool { state, _ := s.State(); return applied(s, "a", 3) && state.PID != first.PID })
	last, _ := s.State()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx, time.Second); err != nil {
		t.Fatal(err)
	}
	if alive(last.PID) {
		t.Error("it goes on after Stop")
	}
	if err := s.Stop(ctx, time.Second); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	end()
}

// A service that takes no traffic has no route: it must not keep the others waiting for their table.
func TestNobodyWaitsForAServiceWithoutRoute(t *testing.T) {
	b := newBench(t)
	s, end := b.run("a", "worker")
	defer end()
	s.Route(route("a", 1))
	b.until("reached", func() bool { _, ok := s.State(); return ok })
	s.Unroute("worker")
	b.until("the route", func() bool { return applied(s, "a", 1) })
	if err := s.Stop(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
}

// The answer to a table and the watch come by two connections, and the older may be heard last.
func TestAnOlderWordIsNotHeard(t *testing.T) {
	now := time.Now()
	s := New(Options{})
	for i, c := range []struct {
		state proxy.State
		heard bool
	}{
		{proxy.State{Epoch: "a", Version: 2, Time: now}, true},
		{proxy.State{Epoch: "a", Version: 2, Time: now.Add(-time.Millisecond)}, false},
		{proxy.State{Epoch: "a", Version: 1, Time: now.Add(time.Millisecond)}, false},
		{proxy.State{Epoch: "a", Version: 2, Time: now.Add(time.Second)}, true},
		{proxy.State{Epoch: "b", Version: 1, Time: now}, true},
	} {
		c.state.PID = i + 1
		s.hear(c.state)
		if got, _ := s.State(); (got.PID == i+1) != c.heard {
			t.Errorf("state %d heard: %v", i, !c.heard)
		}
	}
}
