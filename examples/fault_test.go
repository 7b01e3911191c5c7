package examples_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCrashExitsAtOnceWithALine(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chat", "shop", "social"} {
		p := start(t, name, "3.2-crash")
		if code := p.waitExit(t); code != 1 {
			t.Errorf("%s: exit status %d", name, code)
		}
		if !strings.Contains(p.log.String(), name+" 3.2-crash: crashing at once, on purpose") {
			t.Errorf("%s: log: %s", name, p.log)
		}
	}
}

func TestCrashAfterAWhileIsHealthyFirst(t *testing.T) {
	t.Parallel()
	p := startReady(t, "chat", "3.2-crash-2s")
	if code := p.waitExit(t); code != 1 {
		t.Errorf("exit status %d", code)
	}
}

func TestAFaultThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, "chat", "3.2-slow-ly")
	if code := p.waitExit(t); code != 1 || !strings.Contains(p.log.String(), `"ly" is no duration`) {
		t.Errorf("exit status %d", code)
	}
}

func TestHangNeverAnswers(t *testing.T) {
	t.Parallel()
	p := start(t, "chat", "3.2-hang")
	conn := dialWhenListening(t, p)
	defer conn.CloseIdleConnections()
	for _, path := range []string{"/healthz", "/"} {
		response, err := conn.Get(p.url + path)
		if err == nil {
			response.Body.Close()
			t.Errorf("GET %s answered %s", path, response.Status)
		} else if !strings.Contains(err.Error(), "Timeout exceeded") {
			t.Errorf("GET %s: %v", path, err)
		}
	}
}

// dialWhenListening returns an impatient client for a program that listens.
func dialWhenListening(t *testing.T, p *program) *http.Client {
	t.Helper()
	eventually(t, "listening", func() bool { return strings.Contains(p.log.String(), "listening on") })
	return &http.Client{Timeout: 300 * time.Millisecond, Transport: &http.Transport{}}
}

func Test500IsHealthyAndNothingElse(t *testing.T) {
	t.Parallel()
	p := startReady(t, "chat", "3.2-500")
	for _, path := range []string{"/", "/version", "/api/echo?text=x", "/ws"} {
		status, header, _ := p.ask(t, http.DefaultClient, "GET", path, "")
		if status != http.StatusInternalServerError || header.Get("X-Version") != "3.2-500" {
			t.Errorf("GET %s: status %d, X-Version %q", path, status, header.Get("X-Version"))
		}
	}
}

func TestSlowIsUnhealthyFirst(t *testing.T) {
	t.Parallel()
	p := start(t, "social", "2.3-slow-2s")
	started := time.Now()
	var seen int
	eventually(t, "an answer of /healthz", func() bool { seen = p.health(); return seen != 0 })
	// Asked at once, it must not be ready; when this machine let two seconds
	// pass, nothing can be said.
	if seen != http.StatusServiceUnavailable && time.Since(started) < 2*time.Second {
		t.Errorf("the first answer of /healthz is %d", seen)
	}
	if status, _, _ := p.ask(t, http.DefaultClient, "GET", "/timeline", ""); status != 503 && time.Since(started) < 2*time.Second {
		t.Errorf("/timeline answered %d while starting", status)
	}
	p.waitHealthy(t)
	if status, _, _ := p.ask(t, http.DefaultClient, "GET", "/timeline", ""); status != 200 {
		t.Errorf("/timeline answered %d when ready", status)
	}
}

// Two versions with the same file go wrong together, and are well together when it is gone.
func TestAFileIsAnIncidentOfAllVersions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "incident")
	var programs []*program
	for _, version := range []string{"2.0", "2.1-late-1ms"} {
		address := freeAddress(t)
		cmd, log := command("social", "--version", version, "--listen", address)
		cmd.Env = append(cmd.Env, "FAULT_FILE="+path)
		p := launch(t, cmd, log, address)
		p.waitHealthy(t)
		programs = append(programs, p)
	}
	answer := func(want int) {
		t.Helper()
		for _, p := range programs {
			if status, _, _ := p.ask(t, http.DefaultClient, "GET", "/timeline", ""); status != want {
				t.Errorf("/timeline answered %d, want %d", status, want)
			}
		}
	}
	answer(200)
	if err := os.WriteFile(path, []byte("flaky-100%"), 0o600); err != nil {
		t.Fatal(err)
	}
	answer(500)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	answer(200)
}

func TestLateTakesItsTime(t *testing.T) {
	t.Parallel()
	p := startReady(t, "social", "2.3-late-200ms")
	started := time.Now()
	status, _, _ := p.ask(t, http.DefaultClient, "GET", "/timeline", "")
	if took := time.Since(started); status != 200 || took < 200*time.Millisecond {
		t.Errorf("status %d after %v", status, took)
	}
}
