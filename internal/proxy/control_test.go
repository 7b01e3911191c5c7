package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve runs the control API of r on a socket until the test ends.
func serve(t *testing.T, r *Router, path string) (Client, <-chan time.Duration) {
	t.Helper()
	l, err := ListenControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	stops := make(chan time.Duration, 1)
	c := NewControl(r, func(d time.Duration) { stops <- d })
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- c.Serve(ctx, l) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	return Client{Path: path}, stops
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "proxy.sock") }

func TestControlTable(t *testing.T) {
	r := New(Options{ID: "p1"})
	c, _ := serve(t, r, socketPath(t))
	ready := true
	want := Table{Version: 7, Routes: []Route{{
		Service: "chat", Version: 3, Hosts: []string{"a.org"}, Path: "/x", Stable: "r1", Canary: "r2",
		Groups:       []Group{{Revision: "r1", Share: 9000}, {Revision: "r2", Share: 1000, Match: []Match{{Header: "X", Value: "1"}, {Cookie: "c"}}}},
		Proportional: true, Full: 5, MaxOverload: 2, Hold: true, HoldTimeout: time.Second, DrainTimeout: time.Minute, Hang: time.Hour,
		Affinity: Affinity{By: ByHeader, Header: "X-User", Sticky: true}, Rollout: "1", Retries: Retries{Attempts: 1, Budget: 0.1},
		Limits: Limits{Body: 1, ResponseTimeout: time.Second}, Balance: "random",
		Preview: &Preview{Revision: "r2", Hosts: []string{"g.org"}, Listen: true},
		Backends: []BackendSpec{{
			ID: "a", Revision: "r1", Address: "127.0.0.1:1", Enabled: true, DrainBy: time.Unix(1, 0).UTC(),
			Health: HealthSpec{Kind: HealthExternal, Path: "/", Service: "s", Interval: 1, Timeout: 2}, Ready: &ready,
		}},
	}}}
	st, err := c.Put(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, r.routing.Load().table); d != "" {
		t.Errorf("the table changed on its way:\n%s", d)
	}
	if st.ID != "p1" || st.Version != 7 || st.PID != os.Getpid() || len(st.Epoch) != 16 || len(st.Services) != 1 || st.Services[0].Version != 3 {
		t.Errorf("%+v", st)
	}
	if _, err := c.Put(t.Context(), Table{Version: 6}); err == nil || !strings.Contains(err.Error(), "older than table 7") {
		t.Errorf("an older table: %v", err)
	}
	if New(Options{}).State().Epoch == st.Epoch {
		t.Error("two routers have one epoch")
	}
}

func TestControlState(t *testing.T) {
	r := New(Options{})
	c, _ := serve(t, r, socketPath(t))
	apply(t, r, 1, chat(external("a", "r1", true)))
	x := begin(t, r, get())
	acquire(t, x)
	x.Done(Outcome{Status: 500, In: 1, Out: 2})
	want := r.State()
	got, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Time.Before(want.Time) || got.Time.After(time.Now()) {
		t.Errorf("a snapshot of %v", got.Time)
	}
	got.Time = want.Time
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Histogram{})); d != "" {
		t.Errorf("the state changed on its way:\n%s", d)
	}
}

func TestControlWatch(t *testing.T) {
	r := New(Options{})
	c, _ := serve(t, r, socketPath(t))
	version, beats := uint64(0), 0
	for st, err := range c.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if st.Version != version {
			t.Fatalf("table %d, want %d", st.Version, version)
		}
		if version == 5 {
			if beats++; beats == 3 { // comes although nothing changes
				break
			}
			continue
		}
		version++
		apply(t, r, version)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range c.Watch(ctx) {
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

// A judge looks as often as it is told.
func TestWatchIsQuickerWhileACanaryIsOpen(t *testing.T) {
	for _, c := range []struct {
		name  string
		route Route
		beat  time.Duration
	}{{"rest", chat(), 250 * time.Millisecond}, {"canary", canary(500), 100 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Options{})
				apply(t, r, 1, c.route)
				ctx, cancel := context.WithTimeout(t.Context(), 2050*time.Millisecond)
				defer cancel()
				began, out := time.Now(), httptest.NewRecorder()
				NewControl(r, nil).getWatch(out, httptest.NewRequestWithContext(ctx, "GET", "/watch", nil))
				n := 0
				for lines := json.NewDecoder(out.Body); lines.More(); n++ {
					var st State
					if err := lines.Decode(&st); err != nil {
						t.Fatal(err)
					}
					if at := st.Time.Sub(began); at != time.Duration(n)*c.beat {
						t.Errorf("state %d after %v", n, at)
					}
				}
				if want := 1 + int(2*time.Second/c.beat); n != want {
					t.Errorf("%d states, want %d", n, want)
				}
			})
		})
	}
}

func TestControlStop(t *testing.T) {
	c, stops := serve(t, New(Options{}), socketPath(t))
	for _, want := range []time.Duration{0, 90 * time.Second} {
		if err := c.Stop(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got := <-stops; got != want {
			t.Errorf("stop within %v, want %v", got, want)
		}
	}
	for query, want := range map[string]time.Duration{"": stopTimeout, "?now=1": 0, "?timeout=5s&now=1": 0} {
		res, err := c.do(t.Context(), "POST", "/stop"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := <-stops; got != want {
			t.Errorf("%q: stop within %v, want %v", query, got, want)
		}
	}
	if err := c.Stop(t.Context(), -time.Second); err == nil {
		t.Error("a negative timeout was accepted")
	}
}

func TestControlRefusesNonsense(t *testing.T) {
	c, _ := serve(t, New(Options{}), socketPath(t))
	if _, err := c.do(t.Context(), "PUT", "/table", strings.NewReader("{")); err == nil || !strings.Contains(err.Error(), "read table") {
		t.Errorf("%v", err)
	}
	if _, err := c.do(t.Context(), "DELETE", "/table", nil); err == nil {
		t.Error("DELETE was accepted")
	}
}

func TestControlSocket(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 120), "e")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(deep, "proxy.sock")

	// What a killed process leaves behind.
	l, err := ListenControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*controlListener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	c, _ := serve(t, New(Options{}), path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := ListenControl(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second listener: %v", err)
	}
	if _, err := ListenControl(t.Context(), filepath.Join(deep, "none", "s")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	file := filepath.Join(deep, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := ListenControl(t.Context(), file); err == nil {
		l.Close()
		t.Error("a file that is no socket was replaced")
	}
}

func TestClientWithoutProxy(t *testing.T) {
	c := Client{Path: socketPath(t)}
	if _, err := c.State(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	l, err := ListenControl(t.Context(), c.Path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*controlListener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := c.State(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	for _, err := range c.Watch(t.Context()) {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("watch: %v", err)
		}
	}
}

func TestEmptyListsAreListsInJSON(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, chat())
	text, err := json.Marshal(r.State())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("%s", text)
	}
}
