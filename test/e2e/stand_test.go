// Package e2e drives the real binary with real programs, under open-loop load from many addresses, and counts every
// request that failed: none may.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/proxy/supervisor"
	"github.com/naru-deploy/naru/internal/traffic"
)

// bin holds the binaries under test: naru and the examples.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		// A stand mostly waits, for bake times and drains: more of them share the machine than it has cores.
		if set := flag.Lookup("test.parallel"); set.Value.String() == set.DefValue {
			set.Value.Set("6")
		}
		dir, err := os.MkdirTemp("", "naru-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		os.Setenv("GORACE", "atexit_sleep_ms=0") // naru is built with the race detector, which else waits a second at every end
		for _, name := range []string{"cmd/naru", "examples/chat", "examples/shop", "examples/social"} {
			build := exec.Command("go", "build", "-race="+strconv.FormatBool(name == "cmd/naru" && os.Getenv("NARU_E2E_RACE") != ""), "-o", filepath.Join(bin, filepath.Base(name)), "../../"+name)
			if out, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
				return 1
			}
		}
		return m.Run()
	}())
}

// stand is one naru with a state folder of its own.
type stand struct {
	t      *testing.T
	dir    string
	http   string // host:port of the data plane
	admin  string
	ports  string // of the instances: stands of other tests have others
	server string // further lines of the server section
	serve  *exec.Cmd
	log    *os.File
	ended  chan struct{}
	mu     sync.Mutex
	closed bool
}

// start writes the file, with HTTP and ADMIN filled in, and starts naru serve.
func start(t *testing.T, services string) *stand {
	t.Helper()
	s := stage(t, services)
	s.begin()
	return s
}

// stage writes the file and puts the example programs beside it; serve does not run yet.
func stage(t *testing.T, services string) *stand {
	t.Helper()
	s := &stand{t: t, dir: t.TempDir(), http: free(t), admin: free(t), ports: span()}
	for _, name := range []string{"chat", "shop", "social"} {
		if err := os.Symlink(filepath.Join(bin, name), filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.write(services)
	log, err := os.Create(filepath.Join(s.dir, "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	t.Cleanup(s.end)
	return s
}

func (s *stand) write(services string) {
	s.t.Helper()
	text := fmt.Sprintf("server:\n  http: [%q]\n  admin: %q\n  state: .naru\n  ports: %s\n%sservices:\n%s", s.http, s.admin, s.ports, s.server, strings.ReplaceAll(services, "BIN", bin))
	if err := os.WriteFile(filepath.Join(s.dir, "naru.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// begin starts serve and waits until its API answers.
func (s *stand) begin() {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "naru"), "serve", "-f", "naru.yaml")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.serve, s.ended = cmd, make(chan struct{})
	go func() { cmd.Wait(); close(s.ended) }()
	s.until(15*time.Second, "serve answers", func() error {
		select {
		case <-s.ended:
			s.t.Fatalf("serve ended: %s", s.logs())
		default:
		}
		res, err := http.Get("http://" + s.admin + "/healthz")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
}

// kill ends serve with SIGKILL and waits for its end.
func (s *stand) kill() {
	s.t.Helper()
	if err := s.serve.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.ended
}

// end takes everything down and makes sure that nothing of it is left.
func (s *stand) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if s.t.Failed() {
		for _, args := range [][]string{{"status"}, {"receipt", "chat"}} { // of what most stands run
			out, _ := s.command(args...).CombinedOutput()
			s.t.Logf("naru %s says:\n%s", args[0], out)
		}
	}
	if out, err := s.command("down", "-f", "naru.yaml", "--now").CombinedOutput(); err != nil {
		s.t.Errorf("naru down: %v: %s", err, out)
	}
	if s.ended != nil { // down returns when serve has let go of the state, just before its process has ended
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
		}
	}
	if strings.Contains(s.logs(), "DATA RACE") {
		s.t.Error("the race detector has found something")
	}
	if s.t.Failed() {
		s.t.Logf("serve said:\n%s", s.logs())
	}
	if left := processes(s.dir); len(left) > 0 {
		s.t.Errorf("left behind: %v", left)
	}
	s.log.Close()
}

func (s *stand) logs() string {
	text, _ := os.ReadFile(s.log.Name())
	proxy, _ := os.ReadFile(filepath.Join(s.dir, ".naru/proxy/proxy.log"))
	return tail(text, 12000) + "\nproxy:\n" + tail(proxy, 4000)
}

func tail(text []byte, n int) string {
	return string(text[max(0, len(text)-n):])
}

// processes lists what runs with the stand's folder in its command line or as its working directory.
func processes(dir string) (out []string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, _ := os.ReadFile(path)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(path), "cwd"))
		if bytes.Contains(text, []byte(dir)) || strings.HasPrefix(cwd, dir) {
			out = append(out, filepath.Base(filepath.Dir(path))+" "+string(bytes.ReplaceAll(text, []byte{0}, []byte(" "))))
		}
	}
	return out
}

func (s *stand) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, "naru"), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "NARU_ADMIN="+s.admin)
	return cmd
}

// naru runs a command and returns what it printed and its exit status. What it says on stderr is logged.
func (s *stand) naru(args ...string) (out string, status int) {
	s.t.Helper()
	out, errs, status := s.said(args...)
	if errs != "" {
		s.t.Logf("naru %s: %s", strings.Join(args, " "), errs)
	}
	return out, status
}

// in returns the stand for a subtest.
func (s *stand) in(t *testing.T) *stand {
	return &stand{t: t, dir: s.dir, http: s.http, admin: s.admin, ports: s.ports, server: s.server, serve: s.serve, log: s.log, ended: s.ended}
}

// must runs a command that must end with a status.
func (s *stand) must(want int, args ...string) string {
	s.t.Helper()
	out, status := s.naru(args...)
	if status != want {
		s.t.Fatalf("naru %s: exit %d, want %d\n%s", strings.Join(args, " "), status, want, out)
	}
	return out
}

// deploy deploys a version and returns the receipt.
func (s *stand) deploy(want int, service, version string) deploy.Receipt {
	s.t.Helper()
	return s.receipt(s.must(want, "deploy", service, version, "--json"))
}

// receipt reads the last line of a following command.
func (s *stand) receipt(out string) (r deploy.Receipt) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || r.Rollout == "" {
		s.t.Fatalf("the last line is not a receipt: %v\n%s", err, out)
	}
	return r
}

func (s *stand) status(service string) (v engine.Status) {
	s.t.Helper()
	out := s.must(0, "status", service, "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return v
}

// until waits for a condition.
func (s *stand) until(limit time.Duration, what string, f func() error) {
	s.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within %s: %v\n%s", what, limit, err, s.logs())
		}
		time.Sleep(20 * time.Millisecond) // between two looks at another process
	}
}

// load sends requests from many addresses until it is stopped: three in four by kept connections, some with uploads.
func (s *stand) load(rate int) *traffic.Running {
	return traffic.Load{URL: "http://" + s.http, Rate: rate, Sources: 60, Fresh: 0.25, Cookies: true, Request: requests}.Start(context.Background())
}

// requests mixes reads with uploads whose digest is checked.
var requests = mixed()

func mixed() func(int) traffic.Request {
	reads, uploads := traffic.Get("/api/echo?text=hello", "/version"), traffic.Upload("/upload")
	return func(i int) traffic.Request {
		if i%20 == 7 {
			return uploads(i)
		}
		return reads(i)
	}
}

// clean ends a load, of which nothing may have failed.
func clean(t *testing.T, r traffic.Report) {
	t.Helper()
	t.Logf("load: %s", r)
	if r.Sent == 0 || r.Failed > 0 || r.Overflow > 0 {
		t.Errorf("%d of %d requests failed, %d were never sent", r.Failed, r.Sent, r.Overflow)
	}
}

// whole checks that a receipt accounts for a promoted rollout without a failed request.
func whole(t *testing.T, r deploy.Receipt, outcome deploy.Result) {
	t.Helper()
	if r.Outcome != outcome || r.Requests.Failed != 0 || !r.Complete {
		text, _ := json.MarshalIndent(r, "", "  ")
		t.Errorf("receipt: want %s, complete, 0 failed:\n%s", outcome, text)
	}
}

// taken remembers the ports that were given out, so that two stands never share one.
var taken sync.Map

// stands counts the stands of this run.
var stands atomic.Int32

// span is a hundred ports for the instances of one stand: stands at the same time must not take each other's.
func span() string {
	low := 25000 + 100*(os.Getpid()+int(stands.Add(1)))%5000
	return fmt.Sprintf("%d-%d", low, low+99)
}

// free finds an address that nobody listens on. It lies below the ports that instances get and that the kernel gives to
// outgoing connections, so that it is still free when a killed serve is started again.
func free(t *testing.T) string {
	for i := range 500 {
		address := fmt.Sprintf("127.0.0.1:%d", 12000+(os.Getpid()*31+int(stands.Load())*7+i)%7000)
		if _, given := taken.LoadOrStore(address, true); given {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		return address
	}
	t.Fatal("no free port")
	return ""
}

// proxyPID asks the proxy itself who it is.
func (s *stand) proxyPID() int {
	s.t.Helper()
	var pid int
	s.until(5*time.Second, "the proxy answers", func() error {
		state, err := proxy.Client{Path: filepath.Join(s.dir, ".naru/proxy", supervisor.Socket)}.State(s.t.Context())
		pid = state.PID
		return err
	})
	return pid
}
