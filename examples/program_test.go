// Package examples_test builds the example programs and runs them as a platform
// would: as processes, on real ports, ended by signals.
package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = 15 * time.Second

// binaries is where TestMain puts the programs.
var binaries string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "build", "-o", dir, "./chat", "./shop", "./social").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the examples: %v\n%s", err, out)
		return 1
	}
	binaries = dir
	return m.Run()
}

// program is a running example.
type program struct {
	url    string
	cmd    *exec.Cmd
	log    *output
	exited chan struct{} // closed when it has ended and err is set
	err    error
}

// output collects what a program writes, and may be read meanwhile.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// command prepares an example with an environment free of naru's variables.
func command(name string, args ...string) (*exec.Cmd, *output) {
	cmd := exec.Command(filepath.Join(binaries, name), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	log := new(output)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, log
}

// start runs an example, and ends it with the test.
func start(t *testing.T, name, version string) *program {
	t.Helper()
	address := freeAddress(t)
	cmd, log := command(name, "--version", version, "--listen", address)
	return launch(t, cmd, log, address)
}

func launch(t *testing.T, cmd *exec.Cmd, log *output, address string) *program {
	t.Helper()
	p := &program{url: "http://" + address, cmd: cmd, log: log, exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		p.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails when it has ended, as it should
		<-p.exited
		if t.Failed() {
			t.Logf("log of %s:\n%s", cmd.Args, log)
		}
	})
	return p
}

// startReady runs an example and waits until it is healthy.
func startReady(t *testing.T, name, version string) *program {
	t.Helper()
	p := start(t, name, version)
	p.waitHealthy(t)
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// health is the status of /healthz on a connection of its own, or 0 when there
// is no answer.
func (p *program) health() int {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(p.url + "/healthz")
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func (p *program) waitHealthy(t *testing.T) {
	t.Helper()
	eventually(t, "healthy", func() bool { return p.health() == http.StatusOK })
}

// ask sends a request and returns status, header and body.
func (p *program) ask(t *testing.T, client *http.Client, method, path, body string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// askJSON wants a status and decodes the body.
func (p *program) askJSON(t *testing.T, client *http.Client, method, path, body string, want int, value any) {
	t.Helper()
	status, _, text := p.ask(t, client, method, path, body)
	if status != want {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, status, want, text)
	}
	if err := json.Unmarshal([]byte(text), value); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

func (p *program) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// waitExit waits for the end and returns the exit status.
func (p *program) waitExit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("still running after %v", patience)
		return -1
	}
}
