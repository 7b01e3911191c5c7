package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/judge"
	"github.com/naru-deploy/naru/internal/traffic"
)

// taskOutput is how much of a task's output is kept for its result.
const taskOutput = 4 << 10

// runTask runs a task of a gate once. Its result is there with the next observation.
func (l *loop) runTask(a deploy.Run) {
	if r := l.work.results[a.Key]; r.State == deploy.TaskPassed || r.State == deploy.TaskFailed {
		return
	}
	r, open := l.state.Open()
	preview := l.preview()
	if !open || preview == "" {
		return // it is not there yet; the decision comes again
	}
	rev, from, base := l.revisions[r.To], r.From, l.norms.of(r.From, time.Now())
	delete(l.work.results, a.Key)
	l.work.give("run "+a.Key, func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, a.Task.Timeout)
		defer cancel()
		load, err := perform(ctx, a.Task, rev, preview)
		return func() {
			result := deploy.TaskResult{State: deploy.TaskPassed}
			if load != nil {
				result.Note = judge.Beside(rev.ID, *load, from, base)
			}
			if err != nil {
				result = deploy.TaskResult{State: deploy.TaskFailed, Reason: err.Error()}
			}
			l.work.results[a.Key] = result
		}
	})
}

// preview is the address that reaches the candidate without any user's traffic, or empty.
func (l *loop) preview() string {
	state, reached := l.e.o.Dataplane.State()
	if !reached {
		return ""
	}
	return service(state, l.name).Preview
}

// perform runs a test or a load test, and says what the load has shown.
func perform(ctx context.Context, t deploy.Task, rev deploy.Revision, preview string) (*judge.Load, error) {
	if t.Load != nil {
		return loadTest(ctx, *t.Load, preview)
	}
	return nil, command(ctx, t, rev, preview)
}

// command runs a test in the service's folder and its own process group, with the preview's address in its environment.
func command(ctx context.Context, t deploy.Task, rev deploy.Revision, preview string) error {
	fill := strings.NewReplacer("${VERSION}", rev.Version, "${REVISION}", rev.ID, "${NARU_PREVIEW_URL}", preview)
	args := make([]string, len(t.Command))
	for i, a := range t.Command {
		args[i] = fill.Replace(a)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program(args[0], rev), args[1:]...)
	cmd.Dir = rev.Settings.Folder()
	cmd.Env = append(os.Environ(), "NARU_PREVIEW_URL="+preview, "NARU_VERSION="+rev.Version, "NARU_REVISION="+rev.ID, "NARU_SERVICE="+rev.Service)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done within %s%s", deploy.Duration(t.Timeout), quoted(out.Bytes()))
	default:
		return fmt.Errorf("%w%s", err, quoted(out.Bytes()))
	}
}

// program finds a relative command in the service's folder, like the instance's own.
func program(name string, rev deploy.Revision) string {
	if dir := rev.Settings.Folder(); dir != "" && strings.Contains(name, "/") && !filepath.IsAbs(name) {
		return filepath.Join(dir, name)
	}
	return name
}

// quoted is the end of an output, for a reason.
func quoted(out []byte) string {
	out = bytes.TrimSpace(out)
	if len(out) == 0 {
		return ""
	}
	if len(out) > taskOutput {
		out = append([]byte("…"), out[len(out)-taskOutput:]...)
	}
	return ": " + string(out)
}

// loadTest puts open-loop load on the preview and holds the answers against the bounds of the file.
func loadTest(ctx context.Context, l deploy.LoadTest, preview string) (*judge.Load, error) {
	r, err := traffic.Attack(ctx, preview, l.Path, l.Rate, l.Duration.D())
	if err != nil {
		return nil, err
	}
	figures := fmt.Sprintf("%d requests at %d/s, %.2f%% failed, p50 %s, p99 %s", r.Requests, l.Rate, 100*r.ErrorRate(), r.P50.Round(100*time.Microsecond), r.P99.Round(100*time.Microsecond))
	allowed := 0.0
	if l.Errors != nil {
		allowed = float64(*l.Errors) / float64(deploy.Whole)
	}
	switch {
	case r.ErrorRate() > allowed:
		return nil, fmt.Errorf("%.2f%% of the requests failed, at most %.2f%% may: %s", 100*r.ErrorRate(), 100*allowed, figures)
	case l.P99 > 0 && r.P99 > l.P99.D():
		return nil, fmt.Errorf("p99 was %s, at most %s is allowed: %s", r.P99.Round(100*time.Microsecond), l.P99, figures)
	}
	return &judge.Load{Requests: uint64(r.Requests), Errors: r.ErrorRate(), P99: r.P99}, nil
}
