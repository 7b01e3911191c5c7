//go:build linux

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/config"
)

// Bounds of waiting for a server that is well.
const (
	stageBegin = 20 * time.Second // until serve answers
	stageEnd   = 30 * time.Second // until it has stopped everything
)

// stage is a running naru serve with its file, as a user would have it.
type stage struct {
	demo   *demo
	folder string
	file   *config.File
	client *api.Client
	serve  *exec.Cmd
	ended  chan struct{} // closed when serve has
}

// open starts naru serve in a process group of its own, so that Ctrl-C reaches the demo alone, which then ends it in order.
func (d *demo) open(ctx context.Context, folder string, file *config.File) (*stage, error) {
	log, err := os.Create(filepath.Join(folder, "serve.log"))
	if err != nil {
		return nil, fmt.Errorf("make a log for naru serve: %w", err)
	}
	defer log.Close() // the child has its own
	st := &stage{demo: d, folder: folder, file: file, client: &api.Client{Addr: file.Server.Admin}, ended: make(chan struct{})}
	st.serve = st.naru(context.WithoutCancel(ctx), "serve")
	st.serve.Stdout, st.serve.Stderr = log, log
	if err := st.serve.Start(); err != nil {
		return nil, fmt.Errorf("start naru serve: %w", err)
	}
	go func() {
		defer close(st.ended)
		_ = st.serve.Wait() // how it ended is told by its log
	}()
	if err := st.answers(ctx); err != nil {
		return nil, errors.Join(err, st.close(ctx, true))
	}
	return st, nil
}

// naru prepares one of naru's own commands, in the folder of its naru.yaml. The user's environment must not lead it to
// another server than the demo's.
func (st *stage) naru(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, st.demo.naru, args...)
	cmd.Dir = st.folder
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NARU_") })
	cmd.Env = append(cmd.Env, "NARU_ADMIN="+st.file.Server.Admin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// answers waits until the API does.
func (st *stage) answers(ctx context.Context) error {
	return st.until(ctx, stageBegin, "naru serve to answer", func(ctx context.Context) error {
		select {
		case <-st.ended:
			return fatal{fmt.Errorf("naru serve has ended: %s", st.log())}
		default:
		}
		_, err := st.client.Services(ctx)
		return err
	})
}

// fatal is an error that waiting does not cure.
type fatal struct{ error }

// until looks several times a second whether a condition has come true.
func (st *stage) until(ctx context.Context, limit time.Duration, what string, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := holds(ctx)
		var final fatal
		if err == nil || errors.As(err, &final) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", limit, what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// log is the end of what serve has said.
func (st *stage) log() string {
	text, err := os.ReadFile(filepath.Join(st.folder, "serve.log"))
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-2000):]))
}

// run runs a command of naru's, with its output for people, and returns its exit status.
func (st *stage) run(ctx context.Context, out io.Writer, args ...string) (status int, err error) {
	cmd := st.naru(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case err != nil:
		return 0, fmt.Errorf("naru %s: %w", strings.Join(args, " "), err)
	}
	return 0, nil
}

// unstopped is why something that the demo has started may still run.
type unstopped struct{ error }

// close stops everything that the stage has started, and waits until it has ended, also when ctx is over already.
func (st *stage) close(ctx context.Context, now bool) error {
	ctx = context.WithoutCancel(ctx)
	err := st.down(ctx, now)
	if err == nil {
		return nil
	}
	// A serve that does not do what it is told is killed; naru down then does its work.
	if gone := st.serve.Process.Kill(); gone != nil && !errors.Is(gone, os.ErrProcessDone) {
		return unstopped{errors.Join(err, gone)}
	}
	<-st.ended
	if again := st.down(ctx, true); again != nil {
		return unstopped{errors.Join(err, again)}
	}
	return err
}

// down says naru down and waits until serve has ended.
func (st *stage) down(ctx context.Context, now bool) error {
	ctx, cancel := context.WithTimeout(ctx, stageEnd)
	defer cancel()
	args := []string{"down"}
	if now {
		args = append(args, "--now")
	}
	var out bytes.Buffer
	status, err := st.run(ctx, &out, args...)
	if err == nil && status != done {
		err = fmt.Errorf("exit %d: %s", status, bytes.TrimSpace(out.Bytes()))
	}
	if err != nil {
		return fmt.Errorf("stop naru serve: %w", err)
	}
	select {
	case <-st.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("naru serve (pid %d) has not ended within %s", st.serve.Process.Pid, stageEnd)
	}
}
