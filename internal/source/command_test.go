package source

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

func shell(script string, words ...string) deploy.Source {
	return deploy.Source{Command: append([]string{"sh", "-c", script}, words...), Max: new(1.0)}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"orders.sh": 0o755, "notes.txt": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho 42\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) deploy.Source { return deploy.Source{Command: []string{name}, Max: new(1.0)} }
	cases := []struct {
		name string
		s    deploy.Source
		want answer
	}{
		{"number", shell("echo; echo ' -1.5e3 '"), number(-1500)},
		{"nothing", shell("echo"), noData},
		{"not a number", shell("echo NaN"), noData},
		{"no end", shell("echo -inf"), noData},
		{"what it says on the side", shell("echo 3; echo be patient >&2"), number(3)},
		{"a file of the folder", file("./orders.sh"), number(42)},
		{"a file by its whole name", file(filepath.Join(dir, "orders.sh")), number(42)},
		{"works in the folder", shell("./orders.sh"), number(42)},
		{"names are filled in", shell(`test "$*" = "shop r7 3.1 x" && echo 1`, "-", "${SERVICE}", "${REVISION}", "${VERSION}", "x"), number(1)},
		{"environment", shell(`test "$NARU_SERVICE $NARU_ROLLOUT $NARU_REVISION $NARU_VERSION $NARU_ROLE" = "shop shop-4 r7 3.1 canary" && echo 1`), number(1)},
		{"a word", shell("echo many"), failing(`sh prints "many", which is not a number`)},
		{"two numbers", shell("echo 1; echo 2"), failing(`sh prints "1\n2", which is not a number`)},
		{"too large a number", shell("echo 1e999"), failing("which is not a number")},
		{"without end", shell("yes 1 | head -c 100000"), failing("sh prints more than one number")},
		{"fails", shell("echo 1; echo no >&2; echo 'such\ttable' >&2; echo >&2; exit 3"), failing("sh fails with exit status 3: such table")},
		{"fails without a word", shell("exit 1"), failing("sh fails with exit status 1")},
		{"is killed", shell("kill -9 $$"), failing("sh fails with signal: killed")},
		{"no such file", file("./nowhere.sh"), failing("./nowhere.sh cannot be run: fork/exec")},
		{"no program", file("./notes.txt"), failing("./notes.txt cannot be run: fork/exec")},
		{"not in PATH", file("no-such-program"), failing(`no-such-program cannot be run: exec: "no-such-program": executable file not found`)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := ask(t, c.s, Options{Dir: dir}, newVersion)
			c.want.check(t, got)
			if strings.HasSuffix(got.Err, ":") {
				t.Errorf("something is missing: %s", got.Err)
			}
		})
	}
}

func TestCommandEnvironment(t *testing.T) {
	t.Setenv("ORDERS", "7")
	number(7).check(t, ask(t, shell("echo $ORDERS"), Options{}, newVersion))
	env := make([]string, 0, 10) // room for more, which must not be written to
	env = append(env, "ORDERS=8", "NARU_ROLE=nobody")
	number(8).check(t, ask(t, shell("test $NARU_ROLE = stable && echo $ORDERS"), Options{Env: env}, oldVersion))
	if after := env[:3][2]; after != "" {
		t.Errorf("the caller's environment holds %q now", after)
	}
}

// held is a pipe that programs can be given, to see when the last of them is dead.
type held struct {
	name string
	read *os.File
}

func newHeld(t *testing.T) held {
	t.Helper()
	h := held{name: filepath.Join(t.TempDir(), "pipe")}
	if err := syscall.Mkfifo(h.name, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.read, err = os.OpenFile(h.name, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.read.Close() })
	return h
}

// released wants that nobody has the pipe open any more, and that this is what it still held.
func (h held) released(t *testing.T, rest string) {
	t.Helper()
	if err := h.read.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(h.read); err != nil || string(text) != rest {
		t.Errorf("somebody still holds the pipe, or nobody ever did: %q, %v", text, err)
	}
}

func TestCommandIsKilledWithItsChildren(t *testing.T) {
	h := newHeld(t)
	var said tail
	a, err := New(settings(shell(`exec 3>"$0"; sleep 1000 & echo begun >&3; wait`, h.name)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan Reading)
	go func() { answered <- a.Ask(ctx, newVersion) }()
	until(t, "the command has begun", func() bool {
		b := make([]byte, 100)
		n, err := h.read.Read(b)
		_, _ = said.Write(b[:n])
		return err == nil && strings.Contains(string(said.text), "begun")
	})
	cancel()
	failing("sh fails with signal: killed").check(t, <-answered)
	h.released(t, "")
}

func TestLateCommand(t *testing.T) {
	s := shell("sleep 1000")
	s.Timeout = deploy.Duration(50 * time.Millisecond)
	failing("sh has not answered within 50ms").check(t, ask(t, s, Options{}, newVersion))
}

// TestCommandThatLeavesSomethingBehind: what goes on holding the output is found, and ended.
func TestCommandThatLeavesSomethingBehind(t *testing.T) {
	h := newHeld(t)
	failing("keeps its output open").check(t, ask(t, shell(`exec 3>"$0"; echo begun >&3; sleep 1000 & echo 1`, h.name), Options{}, newVersion))
	h.released(t, "begun\n")
}
