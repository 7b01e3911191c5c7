package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain lets the test binary stand in for naru where naru starts itself, and for the program that is deployed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "proxy", "shim":
			os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		case "app":
			app(os.Args[2], os.Args[3])
		}
	}
	os.Setenv("TZ", "UTC") // the golden files show times
	os.Unsetenv("NARU_ADMIN")
	os.Unsetenv("NARU_TOKEN_FILE")
	goleak.VerifyTestMain(m)
}

// app is a small program of a version: "sick" is never healthy, "crash" ends at once.
func app(version, addr string) {
	if version == "crash" {
		fmt.Println("no such table: carts")
		os.Exit(7)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && version == "sick" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintln(w, version)
	})}
	go server.ListenAndServe()
	fmt.Println("version", version, "listens")
	<-ctx.Done()
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(bounded)
	os.Exit(0)
}

// ran is a command line that has ended.
type ran struct {
	status   int
	out, err string
}

func run(ctx context.Context, args ...string) ran {
	var out, errs bytes.Buffer
	status := Main(ctx, args, strings.NewReader(""), &out, &errs)
	return ran{status, out.String(), errs.String()}
}

// last is the last line of the output.
func (r ran) last() string {
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	return lines[len(lines)-1]
}

// screen is an output that may be looked at while it is written to.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./internal/cli -update writes it", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got); go test ./internal/cli -update writes it anew:\n%s", path, d)
	}
}

// site is a running serve with a file that deploys this test binary, under light load.
type site struct {
	t     *testing.T
	file  string
	admin string
}

// openSite serves until the test ends. The settings are those of the service web, with its strategy.
func openSite(t *testing.T, settings string) *site {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, file: filepath.Join(t.TempDir(), "naru.yaml"), admin: freeAddress(t)}
	public := freeAddress(t)
	text := fmt.Sprintf(`server: {http: [%q], admin: %q, ports: 30000-31999}
services:
  web:
    instances: 2
    process: {command: [%q, app, "${VERSION}", "127.0.0.1:${PORT}"]}
    health: {http: /healthz, interval: 100ms, timeout: 1s, start_timeout: 2s}
    drain_timeout: 2s
%s
`, public, s.admin, exe, settings)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var log screen
	serving.Go(func() {
		if status := Main(context.Background(), []string{"serve", "-f", s.file}, strings.NewReader(""), io.Discard, &log); status != 0 {
			t.Errorf("serve ended with %d", status)
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		if down := run(context.Background(), "down", "--now", "-f", s.file); down.status != 0 {
			t.Errorf("down: %+v", down)
		}
		serving.Wait()
		http.DefaultClient.CloseIdleConnections()
		if t.Failed() {
			t.Logf("serve said:\n%s", log.String())
		}
	})
	until(t, func() bool { return s.run("status").status == 0 })
	serving.Go(func() { visit(ctx, public) })
	return s
}

// visit asks an address again and again, as a user would.
func visit(ctx context.Context, addr string) {
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		q, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/", nil)
		if err != nil {
			return
		}
		if answer, err := client.Do(q); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
}

// run runs a command against the site.
func (s *site) run(args ...string) ran {
	return run(s.t.Context(), append(args, "--admin", s.admin)...)
}

func (s *site) deploy(args ...string) ran {
	return s.run(append([]string{"deploy", "-f", s.file}, args...)...)
}

// must fails the test when a command has not ended as it should.
func (s *site) must(r ran, status int) ran {
	s.t.Helper()
	if r.status != status {
		s.t.Fatalf("exit status %d, want %d\n%s%s", r.status, status, r.out, r.err)
	}
	return r
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited 20 s in vain")
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
