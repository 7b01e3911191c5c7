package secret

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// commandTime is how long a command may take; safes are often on another machine.
const commandTime = 10 * time.Second

// run takes what a command prints. It runs in a process group of its own, which is killed when time is over.
func run(ctx context.Context, a Ask, name string, words []string) (f finding) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	began := time.Now()
	var said, complained bounded
	cmd := exec.CommandContext(ctx, a.program(words[0]), words[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = a.Dir, &said, &complained
	cmd.Env = append(os.Environ(), "NARU_SERVICE="+a.Service, "NARU_VARIABLE="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		f.fault = fmt.Sprintf("%s has ended, but something that it has started keeps its output open", words[0])
	case ctx.Err() != nil:
		f.fault = fmt.Sprintf("%s has not answered within %s and was killed; it is given no terminal and no input, so it must not wait for a passphrase%s", words[0], time.Since(began).Round(100*time.Millisecond), complaint(said, complained))
	case errors.As(err, &ended):
		f.fault = fmt.Sprintf("%s has failed with %s%s", words[0], ended.ProcessState, complaint(said, complained))
	case err != nil:
		f.fault = fmt.Sprintf("%s cannot be run: %v", words[0], err)
	}
	f.value = trimmed(string(said.text))
	return f
}

// program is where a command's first word leads: with a slash it is seen from the folder.
func (a Ask) program(word string) string {
	if strings.Contains(word, "/") && !filepath.IsAbs(word) {
		return filepath.Join(a.Dir, word)
	}
	return word
}

// absent says that a command's program is not there, without running it; empty when it is.
func absent(a Ask, word string) string {
	_, err := exec.LookPath(a.program(word))
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s may not be executed; chmod +x makes it a program", word)
	}
	return fmt.Sprintf("%s is no program on the machine that naru serves on, seen from %s and the PATH of naru serve", word, a.Dir)
}

// complaint is the last line that a command has said on standard error, without what it has said on standard output: that
// is the secret, or a part of it. A shell's trace (set -x) shows arguments, so it is left out.
func complaint(said, complained bounded) string {
	lines := strings.FieldsFunc(string(complained.text), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); line != "" && !strings.HasPrefix(line, "+") {
			var s Set
			s.add("its output", string(said.text))
			return ": " + oneLine(s.Redact(line))
		}
	}
	return ""
}

// oneLine makes one line of at most 200 characters of what somebody else has written.
func oneLine(text string) string {
	plain := []rune(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " "))
	if len(plain) > 200 {
		plain = append(plain[:199], '…')
	}
	return string(plain)
}

// bounded keeps the beginning of what is written to it: enough to tell that it is too long.
type bounded struct{ text []byte }

// Write never fails: a program must not die of what it prints.
func (b *bounded) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), longest+1-len(b.text))]...)
	return len(p), nil
}
