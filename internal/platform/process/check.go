//go:build linux

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// misses is how many checks in a row must fail before an instance that was ready counts as not ready: one may fail
// because the machine was busy. One success makes it ready again.
const misses = 2

// check runs the command check of one run of an instance until the context ends. The verdict is kept in the
// instance's folder, so that it outlives the controller: a restart of naru must not make anybody unready.
func (p *Platform) check(ctx context.Context, v view) {
	health := v.launch.Spec.Settings.Health
	ticker := time.NewTicker(orDefault(health.Interval, time.Second))
	defer ticker.Stop()
	checked, err := v.folder.readReady()
	ready := err == nil && checked == v.state.Child
	for failed := 0; ; {
		err := p.checkOnce(ctx, v)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failed = 0
		} else {
			failed++
		}
		if now := err == nil || ready && failed < misses; now != ready {
			ready = now
			p.judge(v, ready, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// judge writes the verdict: the file names the run of the program that is ready.
func (p *Platform) judge(v view, ready bool, reason error) {
	var err error
	if ready {
		err = v.folder.write(readyFile, v.state.Child)
	} else {
		err = os.Remove(v.folder.file(readyFile))
		p.log.Warn("the health command fails", "instance", v.launch.ID, "reason", reason)
	}
	if err != nil && !missing(err) {
		p.log.Warn("cannot keep the verdict of the health command", "instance", v.launch.ID, "error", err)
	}
	p.changed(v.launch.Spec.Service)
}

// checkOnce runs the command where the program runs, in its environment, and kills its whole group when it takes
// too long.
func (p *Platform) checkOnce(ctx context.Context, v view) error {
	l, settings := v.launch, v.launch.Spec.Settings
	found := v.state.Child.secrets(settings.Process)
	timeout := orDefault(settings.Health.Timeout, time.Second)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := l.scope().command(settings.Process, settings.Health.Command, found)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, c.path)
	cmd.Args, cmd.Dir, cmd.Env = c.args, c.dir, c.env
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said lastWords
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", timeout)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, found.Redact(said.line()))
	}
	return nil
}

// lastWords keeps the end of what is written to it.
type lastWords struct{ text []byte }

func (w *lastWords) Write(b []byte) (int, error) {
	w.text = append(w.text, b...)
	w.text = w.text[max(0, len(w.text)-tailBytes):]
	return len(b), nil
}

func (w *lastWords) line() string {
	text := bytes.TrimSpace(w.text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
