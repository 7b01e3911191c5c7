//go:build linux

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/secret"
)

// handshake is how long a shim may take to record the start. When it takes longer, or when the context ends, Start
// returns an error and leaves the shim alone: List shows it, and Stop ends it.
const handshake = 10 * time.Second

// Start starts an instance that does not run; it returns when the start, or why it failed, is recorded. It counts
// on: exits of earlier runs are kept until a run lasts for a minute or the instance is stopped.
func (p *Platform) Start(ctx context.Context, id string, spec deploy.InstanceSpec) error {
	f, err := p.folder(id)
	if err != nil {
		return err
	}
	if err := errors.Join(checkName(spec.Service), checkName(spec.Revision)); err != nil {
		return err
	}
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	defer unlock()
	p.reap()
	ready, err := p.makeReady(ctx, f, spec)
	if err != nil || !ready {
		return err
	}
	// The port is promised by now, so the scope is whole. Stop waits for the instance's lock meanwhile, as for any start.
	l, err := f.readLaunch()
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	found, problems := p.find(ctx, revisionOf(spec), l.scope(), false)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start %s: %w", id, ctx.Err())
	case problems != nil:
		return p.refuse(f, fmt.Errorf("cannot start %s: %w", id, secret.Err(problems)))
	}
	return p.spawn(ctx, f, found)
}

// makeReady clears the place of a new run and writes its spec. It reports false when there is nothing to spawn:
// the instance runs, or its revision can certainly not be started, which is recorded.
func (p *Platform) makeReady(ctx context.Context, f folder, spec deploy.InstanceSpec) (bool, error) {
	v := p.observe(ctx, f)
	switch {
	case v.live() && v.stopping:
		return false, fmt.Errorf("start %s: it is still being stopped", f.id())
	case v.ending():
		p.killShim(ctx, f) // it has had its time
	case v.live():
		return false, nil
	case v.stopping: // a controller was killed before it could forget it
		if err := p.forget(ctx, f); err != nil {
			return false, err
		}
	}
	if err := p.endGroup(ctx, v.state, time.Now()); err != nil {
		return false, fmt.Errorf("start %s: what an earlier run left behind still runs: %w", f.id(), err)
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return false, fmt.Errorf("start %s: %w", f.id(), err)
	}
	unlock, err := p.claim(ctx, f)
	if err != nil {
		return false, fmt.Errorf("start %s: %w", f.id(), err)
	}
	defer unlock() // before the shim wants it
	if err := p.writeSpec(ctx, f, spec); err != nil {
		return false, fmt.Errorf("start %s: %w", f.id(), err)
	}
	if err := p.unchanged(spec); err != nil {
		return false, p.refuse(f, err)
	}
	return true, nil
}

// writeSpec chooses a port and writes what the shim needs.
func (p *Platform) writeSpec(ctx context.Context, f folder, spec deploy.InstanceSpec) error {
	l := launch{
		ID: f.id(), Spec: spec,
		Artifact: p.artifact(spec.Service, spec.Revision),
		Logs:     filepath.Join(p.revision(spec.Service, spec.Revision), "logs", f.id()),
	}
	_ = os.Remove(f.file(readyFile))
	if spec.Settings.Worker() {
		return f.write(specFile, l)
	}
	keep := func(port int) error {
		l.Port = port
		return f.write(specFile, l)
	}
	if port := spec.Settings.Port.Fixed(); port != 0 {
		return p.ports.Fixed(ctx, port, keep)
	}
	return p.ports.Take(f.id(), spec.Ports, keep)
}

// promised returns the ports of all instances but one, which is about to get a new one.
func (p *Platform) promised(but string) (map[int]bool, error) {
	folders, err := p.folders()
	if err != nil {
		return nil, err
	}
	taken := make(map[int]bool)
	for _, f := range folders {
		if l, err := f.readLaunch(); err == nil && f.id() != but {
			taken[l.Port] = true
		}
	}
	return taken, nil
}

// refuse records a start that was not tried as one that failed.
func (p *Platform) refuse(f folder, reason error) error {
	s, _ := f.readState()
	s.Boot, s.Shim, s.Child, s.Started = p.boot, identity{}, identity{}, time.Time{}
	s.end(time.Now(), reason.Error())
	if err := f.write(stateFile, s); err != nil {
		return fmt.Errorf("start %s: %w", f.id(), err)
	}
	p.announce(f)
	return nil
}

// spawn runs the shim in a session of its own and waits for its word.
func (p *Platform) spawn(ctx context.Context, f folder, found secret.Set) error {
	parcel, err := wrap(found)
	if err != nil {
		return fmt.Errorf("start %s: %w", f.id(), err)
	}
	defer parcel.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", f.id(), err)
	}
	defer read.Close()
	cmd := exec.Command(p.exe, "shim", string(f))
	cmd.Args[0] = "naru" // what ps shows, also when the file is /proc/self/exe
	cmd.Stdin, cmd.Stdout, cmd.Stderr = parcel, write, write
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = p.startShim(cmd)
	_ = write.Close()
	if err != nil {
		return fmt.Errorf("start %s: run its shim: %w", f.id(), err)
	}
	complaint, err := p.listen(ctx, read)
	if err != nil {
		return fmt.Errorf("start %s: its shim (process %d) has not answered: %w", f.id(), cmd.Process.Pid, err)
	}
	if s, err := f.readState(); err != nil || s.Shim.PID != cmd.Process.Pid {
		return fmt.Errorf("start %s: its shim failed: %s", f.id(), complaint)
	}
	p.announce(f)
	return nil
}

// announce tells Run of a new run of an instance.
func (p *Platform) announce(f folder) {
	p.mu.Lock()
	p.fresh[f] = struct{}{}
	p.mu.Unlock()
	select {
	case p.arrived <- struct{}{}:
	default: // it is awake
	}
}

// listen reads what the shim says until it closes its end.
func (p *Platform) listen(ctx context.Context, read *os.File) (string, error) {
	_ = read.SetReadDeadline(time.Now().Add(handshake))
	stop := context.AfterFunc(ctx, func() { _ = read.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	text, err := io.ReadAll(io.LimitReader(read, 8<<10))
	if err != nil {
		return "", errors.Join(err, ctx.Err())
	}
	return strings.TrimSpace(string(text)), nil
}

// startShim remembers the shim for reaping: it outlives the controller as a rule, but when it ends first it stays
// a zombie of the controller until somebody waits for it.
func (p *Platform) startShim(cmd *exec.Cmd) error {
	p.mu.Lock() // so that reap knows of it before it can end
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.shims[cmd.Process.Pid] = struct{}{}
	return nil
}

// reap collects the shims that have ended. Only children of this process are in the set, so a number in it cannot
// belong to another process.
func (p *Platform) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pid := range p.shims {
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == pid || err == unix.ECHILD {
			delete(p.shims, pid)
		}
	}
}
