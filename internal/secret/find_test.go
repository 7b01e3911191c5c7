package secret

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// value is what no message may hold.
const value = "correct horse battery"

// one asks for a single variable.
func one(t *testing.T, v deploy.Variable) (string, string) {
	t.Helper()
	s, problems := Find(t.Context(), Ask{Service: "chat", At: "process.env", Dir: t.TempDir(), Env: map[string]deploy.Variable{"A": v},
		Fill: map[string]string{"VERSION": "3.1"}})
	found, _ := s.Value("A")
	text := ""
	if err := Err(problems); err != nil {
		text = err.Error()
	}
	for _, shown := range []string{text, fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s)} {
		if strings.Contains(shown, "battery") {
			t.Errorf("%+v: a value is shown: %s", v, shown)
		}
	}
	return found, text
}

func file(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles(t *testing.T) {
	for text, want := range map[string]string{
		value: value, value + "\n": value, value + "\n\n": value + "\n", value + "\r\n": value, value + "\r": value + "\r",
		" " + value + " ": " " + value + " ", "a\nb\n": "a\nb", "${VERSION}": "${VERSION}", "\xff\xfe": "\xff\xfe",
		strings.Repeat("x", longest-3): strings.Repeat("x", longest-3),
	} {
		if got, fault := one(t, deploy.Variable{File: file(t, text, 0o600)}); got != want || fault != "" {
			t.Errorf("%.20q: %.20q, %s", text, got, fault)
		}
	}
	for text, want := range map[string]string{
		"": "process.env.A.file: is empty", "\n": "is empty", value + "\x00": "NUL character",
		strings.Repeat("x", longest-2):  "is 131070 bytes long, and Linux gives a program at most 131069",
		strings.Repeat("x", 10*longest): "bytes long",
	} {
		if got, fault := one(t, deploy.Variable{File: file(t, text, 0o600)}); !strings.Contains(fault, want) || got != "" {
			t.Errorf("%.20q: %.20q, %s", text, got, fault)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/no/such/file": "process.env.A.file: /no/such/file does not exist on the machine that naru serves on: make it", t.TempDir(): "is no regular file", pipe: "is no regular file",
	} {
		if _, fault := one(t, deploy.Variable{File: path}); !strings.Contains(fault, want) {
			t.Errorf("%s: %s", path, fault)
		}
	}
	if os.Geteuid() != 0 { // root reads everything
		if _, fault := one(t, deploy.Variable{File: file(t, value, 0)}); !strings.Contains(fault, "may not be read by the user") {
			t.Error(fault)
		}
	}
}

func TestPublicFilesAreWarnedOf(t *testing.T) {
	path := file(t, value, 0o600)
	for mode, public := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o604: true, 0o644: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		s, problems := Find(t.Context(), Ask{At: "docker.env", Env: map[string]deploy.Variable{"A": {File: path}}})
		if problems != nil || (len(s.Warnings) == 1) != public {
			t.Errorf("%v: %v, %v", mode, s.Warnings, problems)
		}
		if told := Public(deploy.Service{Docker: &deploy.Docker{Env: map[string]deploy.Variable{"A": {File: path}, "B": {File: "/no/such/file"}, "C": {Text: path}}}}); !slices.Equal(told, s.Warnings) {
			t.Errorf("%v: %v and %v", mode, told, s.Warnings)
		}
		if public && (s.Warnings[0].Path != "docker.env.A.file" || !strings.Contains(s.Warnings[0].Message, "chmod o-r")) {
			t.Errorf("%+v", s.Warnings)
		}
	}
}

func TestReferences(t *testing.T) {
	t.Setenv("SET", value)
	t.Setenv("TRICKY", "${VERSION} ${env:SET}")
	t.Setenv("EMPTY", "")
	for text, want := range map[string]string{
		"${env:SET}":                          value,
		"a-${env:SET}-${VERSION}":             "a-" + value + "-3.1",
		"${env:TRICKY}":                       "${VERSION} ${env:SET}", // what is found is not read again
		"$${env:SET} $${env:SET} x${env:SET}": "${env:SET} ${env:SET} x" + value,
		"${env:SET}${NOT_OURS}":               value + "${NOT_OURS}",
	} {
		if got, fault := one(t, deploy.Variable{Text: text}); got != want || fault != "" {
			t.Errorf("%q: %q, %s", text, got, fault)
		}
	}
	for text, want := range map[string]string{
		"${env:NOT_SET_HERE}": "process.env.A: NOT_SET_HERE is not in the environment of naru serve", "${env:SET}${env:EMPTY}": "EMPTY is empty in the environment of naru serve",
	} {
		if got, fault := one(t, deploy.Variable{Text: text}); !strings.Contains(fault, want) || got != "" {
			t.Errorf("%q: %q, %s", text, got, fault)
		}
	}
}

func TestCommands(t *testing.T) {
	shell := func(script string) deploy.Variable { return deploy.Variable{Command: []string{"sh", "-c", script}} }
	for script, want := range map[string]string{
		"echo '" + value + "'": value, "printf 'a\\n\\n'": "a\n", "echo warning >&2; echo a": "a", "cat; echo end": "end",
		"echo $NARU_SERVICE $NARU_VARIABLE": "chat A", "printf '${VERSION}'": "${VERSION}",
	} {
		if got, fault := one(t, shell(script)); got != want || fault != "" {
			t.Errorf("%s: %q, %s", script, got, fault)
		}
	}
	for script, want := range map[string]string{
		"exit 3":                              "process.env.A.command: sh has failed with exit status 3",
		"echo the safe is locked >&2; exit 1": "exit status 1: the safe is locked",
		"echo '" + value + "'; echo \"bad: " + value + "\" >&2; exit 1":                  "exit status 1: bad: [its output]",
		"printf 'x\\n" + value + "\\ny'; echo \"bad: " + value + "\" >&2; exit 1":        "exit status 1: bad: [its output]",
		"echo no key >&2; set -x; : " + strings.ReplaceAll(value, " ", "-") + "; exit 1": "exit status 1: no key",
		"true":                                  "process.env.A.command: is empty",
		"head -c 200000 /dev/zero | tr '\\0' x": "bytes long",
		"kill -9 $$":                            "signal: killed",
		"sleep 60 & echo " + "x":                "keeps its output open",
	} {
		if got, fault := one(t, shell(script)); !strings.Contains(fault, want) || got != "" {
			t.Errorf("%s: %.30q, %s", script, got, fault)
		}
	}
	for _, program := range []string{"no-such-program", "./no-such-program", "/no/such/program"} {
		if _, fault := one(t, deploy.Variable{Command: []string{program}}); !strings.Contains(fault, program+" is no program on the machine that naru serves on") {
			t.Error(fault)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own"), []byte("#!/bin/sh\necho of the folder\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, problems := Find(t.Context(), Ask{Dir: dir, Env: map[string]deploy.Variable{"A": {Command: []string{"./own"}}}})
	if got, _ := s.Value("A"); got != "of the folder" {
		t.Error(got, problems)
	}
}

// A command that hangs is killed with what it has started, when the one who asks has waited long enough.
func TestCommandThatHangs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	mark := filepath.Join(t.TempDir(), "pid")
	began := time.Now()
	_, problems := Find(ctx, Ask{Env: map[string]deploy.Variable{"A": {Command: []string{"sh", "-c", "sleep 600 & echo $! >" + mark + "; echo locked >&2; wait"}}, "B": {Text: "plain"}}})
	if took := time.Since(began); took > commandTime {
		t.Errorf("it took %s", took)
	}
	if err := Err(problems); err == nil || !strings.Contains(err.Error(), "has not answered within") || !strings.HasSuffix(err.Error(), ": locked") {
		t.Error(err)
	}
	text, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	fmt.Sscan(string(text), &pid)
	for deadline := time.Now().Add(5 * time.Second); unix.Kill(pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
		if state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(state), ") Z ") {
			break // dead, and its new parent is late
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives", pid)
		}
	}
}

func TestPlainValuesAreNotLookedFor(t *testing.T) {
	s, problems := Find(t.Context(), Ask{Env: map[string]deploy.Variable{"A": {Text: "a"}, "B": {File: file(t, "b", 0o600)}, "C": {}}})
	if problems != nil || !slices.Equal(s.Names(), []string{"B"}) {
		t.Errorf("%s, %v", s, problems)
	}
}
