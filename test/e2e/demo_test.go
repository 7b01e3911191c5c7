package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// demo prepares naru demo, run in dir. Its temporary files go to a folder that must be empty in the end.
func demo(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	temp := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "naru"), append([]string{"demo"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "NARU_ADMIN=127.0.0.1:1") // which no demo may listen to
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.Cleanup(func() {
		if left := processes(temp); len(left) > 0 {
			t.Errorf("the demo has left running: %v", left)
		}
	})
	return cmd
}

// emptied checks that a demo has removed its files.
func emptied(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if left := keptFolders(t, cmd); len(left) > 0 {
		t.Errorf("the demo has left files: %v", left)
	}
}

func keptFolders(t *testing.T, cmd *exec.Cmd) []string {
	t.Helper()
	for _, v := range cmd.Env {
		if temp, ok := strings.CutPrefix(v, "TMPDIR="); ok {
			found, err := filepath.Glob(filepath.Join(temp, "*"))
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
	}
	t.Fatal("the demo has no folder of its own")
	return nil
}

// told is one object of naru demo --json.
type told struct {
	Scenario, Strategy string
	Problems           []string
	Rollouts           []struct {
		From, To string
		Exit     int
		Receipt  deploy.Receipt
		Users    struct {
			Requests, Failed int
			Versions         map[string]int
			WebSockets       *struct {
				Users         int
				Told          int `json:"told_to_come_back"`
				Dropped, Lost int
			}
		}
	}
}

// The whole demo: three strategies succeed, the bad version goes back, no request fails that should not, nothing stays.
func TestDemoTellsAllThreeStories(t *testing.T) { // alone: its load test asks for a p99
	cmd := demo(t, "../..", "--json")
	var story bytes.Buffer
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("naru demo: %v\n%s", err, &story)
	}
	emptied(t, cmd)
	for _, want := range []string{
		"health.interval 1s -> 250ms", "bake 30s -> ", "scale_down_delay 10m -> ", "bake 5m -> ", // what was shortened is said
		"$ naru plan chat 3.1", "5 of 5  -       5, 100%", "$ naru deploy chat 3.1",
		"$ naru plan shop 1.1", "test ./shop", "load test has passed", "blue was stopped",
		"$ naru plan social 2.1", "75%   4, 25%  3, 75%", "social to r3 (2.2) was rolled back",
		"receipt of chat-2", "receipt of shop-2", "receipt of social-2", "receipt of social-3",
		"No request failed because of a deployment", "README.md",
	} {
		if !strings.Contains(story.String(), want) {
			t.Errorf("the story does not say %q", want)
		}
	}
	for line := range strings.Lines(story.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	var scenarios []told
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var one told
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		scenarios = append(scenarios, one)
	}
	if len(scenarios) != 3 {
		t.Fatalf("%d objects, want one for each scenario: %s", len(scenarios), out)
	}
	for i, want := range []struct{ scenario, strategy, to string }{{"chat", "rolling", "3.1"}, {"shop", "blue-green", "1.1"}, {"social", "canary", "2.1"}} {
		got := scenarios[i]
		if got.Scenario != want.scenario || got.Strategy != want.strategy || len(got.Problems) > 0 {
			t.Errorf("scenario %d: %+v", i, got)
		}
		r := got.Rollouts[0]
		if r.To != want.to || r.Exit != 0 || r.Receipt.Outcome != deploy.Promoted || r.Receipt.Requests.Failed > 0 || r.Users.Failed > 0 ||
			r.Users.Versions[r.From] == 0 || r.Users.Versions[r.To] == 0 {
			t.Errorf("%s: %+v", want.scenario, r)
		}
	}
	if w := scenarios[0].Rollouts[0].Users.WebSockets; w == nil || w.Told == 0 || w.Dropped > 0 || w.Lost > 0 {
		t.Errorf("WebSockets of the chat: %+v", w)
	}
	bad := scenarios[2].Rollouts[1]
	if bad.Exit != 2 || bad.Receipt.Outcome != deploy.RolledBack || bad.Receipt.Requests.ByNaru > 0 || bad.Users.Failed != int(bad.Receipt.Requests.ByApp) || bad.Users.Failed == 0 {
		t.Errorf("the bad version: %+v", bad)
	}
	t.Logf("%s", story.String()[strings.LastIndex(story.String(), "SCENARIO"):])
}

// A version that fails so rarely that its objective allows it is promoted; the demo must notice all the same that users
// saw failures. The fault is put into a copy of the example's source.
func TestDemoNoticesFailedRequests(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "examples"), os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		rewrite(t, filepath.Join("../..", name), filepath.Join(root, name), "", "")
	}
	source := filepath.Join(root, "examples/chat/main.go")
	rewrite(t, source, source, `mux.HandleFunc("GET /api/echo", func(w http.ResponseWriter, r *http.Request) {`,
		`var asked atomic.Int64
	mux.HandleFunc("GET /api/echo", func(w http.ResponseWriter, r *http.Request) {
		if p.Version == "3.1" && asked.Add(1) == 9 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}`)
	rewrite(t, source, source, `"net/http"`, "\"net/http\"\n\t\"sync/atomic\"")
	cmd := demo(t, root, "chat")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("exit %v, want 1\n%s", err, out)
	}
	kept := keptFolders(t, cmd)
	if len(kept) != 1 {
		t.Fatalf("kept %v, want the folder with the logs", kept)
	}
	for _, want := range []string{"user requests failed, and no more than 0 should have", "a user saw: ", "GET /api/echo?text=hello from 127.1.0.", kept[0]} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output does not say %q:\n%s", want, out)
		}
	}
	for _, log := range []string{"chat/serve.log", "chat/naru.yaml", "chat/.naru"} {
		if _, err := os.Stat(filepath.Join(kept[0], log)); err != nil {
			t.Error(err)
		}
	}
}

// rewrite copies a file and replaces what must be in it.
func rewrite(t *testing.T, from, to, old, by string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not hold %q any more", from, old)
	}
	if err := os.WriteFile(to, []byte(strings.Replace(string(text), old, by, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Ctrl-C in the middle of a rollout, and a reader that goes away, leave nothing behind.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(cmd *exec.Cmd, out io.Closer) error{
		"ctrl-c": func(cmd *exec.Cmd, _ io.Closer) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) },
		"pipe":   func(_ *exec.Cmd, out io.Closer) error { return out.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			cmd := demo(t, "../..", "chat")
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hang := time.AfterFunc(90*time.Second, func() { cmd.Process.Kill() })
			defer hang.Stop()
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), "step 1 of 5 is reached") {
			}
			if err := interrupt(cmd, out); err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, out) // fails at once where it was closed
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "interrupted") {
				t.Errorf("%v: %s", err, &said)
			}
			emptied(t, cmd)
		})
	}
}
