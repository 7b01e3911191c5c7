package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// command runs a program that prints a number.
type command struct {
	words []string
	o     Options
}

func (c command) ask(ctx context.Context, q Question) (*float64, error) {
	var said, complained tail
	cmd := c.prepare(ctx, q)
	cmd.Stdout, cmd.Stderr = &said, &complained
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // who keeps the output open is of its group, or out of reach
		return nil, c.fault("has ended, but something that it has started keeps its output open")
	case err != nil:
		return nil, c.explain(err, complained)
	case said.cut:
		return nil, c.fault("prints more than one number: %.60q…", said.text)
	}
	text := strings.TrimSpace(string(said.text))
	if text == "" {
		return nil, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, c.fault("prints %.60q, which is not a number", text)
	}
	return &value, nil
}

// prepare makes a command in a process group of its own, so that what it has started can be killed with it.
func (c command) prepare(ctx context.Context, q Question) *exec.Cmd {
	words := make([]string, len(c.words))
	for i, word := range c.words {
		words[i] = q.fill(word)
	}
	if strings.Contains(words[0], "/") && !filepath.IsAbs(words[0]) {
		words[0] = filepath.Join(c.o.Dir, words[0])
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	if cmd.Dir, cmd.Env = c.o.Dir, c.o.Env; cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "NARU_SERVICE="+q.Service, "NARU_ROLLOUT="+q.Rollout,
		"NARU_REVISION="+q.Revision, "NARU_VERSION="+q.Version, "NARU_ROLE="+q.Role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// explain puts an error of running the program in words.
func (c command) explain(err error, complained tail) *fault {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return c.fault("fails with %s: %s", ended.ProcessState, complained.line())
	}
	f := c.fault("cannot be run: %v", err)
	f.wrong = errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, exec.ErrNotFound)
	return f
}

func (c command) fault(format string, a ...any) *fault {
	return &fault{part: "command", who: line(c.words[0]), text: strings.TrimSuffix(fmt.Sprintf(format, a...), ": ")}
}

// tail keeps the end of what is written to it, so that a program that never stops printing fills no memory.
type tail struct {
	text []byte
	cut  bool
}

const tailBytes = 4 << 10

// Write never fails: a program must not die of what it prints.
func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if len(t.text) > tailBytes {
		t.text, t.cut = append([]byte(nil), t.text[len(t.text)-tailBytes:]...), true
	}
	return len(b), nil
}

// line is the last line that is not empty: what programs say before they give up.
func (t tail) line() string {
	text := bytes.TrimSpace(t.text)
	return line(string(text[bytes.LastIndexByte(text, '\n')+1:]))
}
