//go:build linux

package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// slack is how long after the deadline a shim may take to kill, to clear up and to go, before it counts as hung.
const slack = 3 * time.Second

// Stop sends SIGTERM to the instance's process group, SIGKILL once grace is over, and forgets the instance when
// everything is gone; its log stays until the revision is removed. An instance that does not exist is no error.
// When the context ends first the order stands: the shim carries it out. Calling Stop again
// may shorten the grace but never prolongs it.
func (p *Platform) Stop(ctx context.Context, id string, grace time.Duration) error {
	f, err := p.folder(id)
	if err != nil {
		return err
	}
	shim, err := p.order(ctx, f, time.Now().Add(grace))
	if err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	if shim != nil {
		defer shim.close()
		if !shim.waitFor(ctx, grace+slack) && ctx.Err() == nil {
			p.log.Warn("a shim does not end; killing it", "instance", id, "shim", shim.pid)
			err = p.kill(ctx, shim)
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	p.reap()
	if err == nil {
		err = p.finish(ctx, f, time.Now().Add(grace))
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	return nil
}

// order tells the shim to end its program. The instance's lock is not kept while it does, so that a second Stop
// can shorten the grace of the first.
func (p *Platform) order(ctx context.Context, f folder, deadline time.Time) (*handle, error) {
	unlock, err := p.busy.Lock(ctx, f.id())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if _, err := os.Stat(string(f)); missing(err) {
		return nil, nil
	}
	v := p.look(f)
	shim := p.openShim(f)
	if !v.live() && shim == nil {
		return nil, nil
	}
	if err := f.orderStop(deadline); err != nil {
		// A full disk must not keep an instance alive: without the order its shim takes the service's own time.
		p.log.Warn("cannot write the order to stop", "instance", f.id(), "error", err)
	}
	if shim != nil {
		if err := shim.signal(unix.SIGTERM); err != nil {
			shim.close()
			return nil, fmt.Errorf("signal its shim (process %d): %w", shim.pid, err)
		}
	}
	return shim, nil
}

// finish ends what a shim that was killed has left behind, and forgets the instance.
func (p *Platform) finish(ctx context.Context, f folder, deadline time.Time) error {
	unlock, err := p.busy.Lock(ctx, f.id())
	if err != nil {
		return err
	}
	defer unlock()
	v := p.look(f)
	if v.shim != 0 {
		return nil // another Stop has forgotten it already, and it was started anew
	}
	if err := p.endGroup(ctx, v.state, deadline); err != nil {
		return err
	}
	return p.forget(ctx, f)
}

// endGroup ends the processes of a group whose shim was killed: with SIGTERM, and at the deadline with SIGKILL. A
// shim that came to recording the end has left nothing.
func (p *Platform) endGroup(ctx context.Context, s state, deadline time.Time) error {
	if s.Child.PID == 0 || s.Boot != p.boot || !s.Running && !s.Lost {
		return nil
	}
	members, err := group(s)
	if err != nil {
		return err
	}
	defer func() {
		for _, m := range members {
			m.close()
		}
	}()
	for _, m := range members {
		if err := m.signal(unix.SIGTERM); err != nil {
			return fmt.Errorf("signal process %d: %w", m.pid, err)
		}
	}
	for _, m := range members {
		if !m.waitFor(ctx, time.Until(deadline)) {
			if err := p.kill(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// kill ends a process at once. It fails for one that even SIGKILL does not end: it hangs in the kernel.
func (p *Platform) kill(ctx context.Context, h *handle) error {
	if err := h.signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", h.pid, err)
	}
	if !h.waitFor(ctx, slack) {
		return fmt.Errorf("process %d does not end, not even by SIGKILL", h.pid)
	}
	return nil
}

// killShim ends a shim that does not answer.
func (p *Platform) killShim(ctx context.Context, f folder) {
	if h := p.openShim(f); h != nil {
		defer h.close()
		if err := p.kill(ctx, h); err != nil {
			p.log.Warn("a shim does not answer", "instance", f.id(), "error", err)
		}
	}
}

// group returns handles on the living processes of the program's group. As long as one of them lives the group's
// number is not given out again; group, session and the order of starts together tell ours from another.
func group(s state) ([]*handle, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var members []*handle
	for _, stat := range all {
		if stat.PGRP == s.Child.PID && stat.Session == s.Shim.PID && stat.Starttime >= s.Child.Start {
			if h := (identity{PID: stat.PID, Start: stat.Starttime}).open(); h != nil {
				members = append(members, h)
			}
		}
	}
	return members, nil
}

// forget removes an instance's folder, whole: it is renamed first, so no half of it is ever listed.
func (p *Platform) forget(ctx context.Context, f folder) error {
	unlock, err := p.claim(ctx, f)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	gone := filepath.Join(p.instances(), "."+f.id())
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(string(f), gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}
