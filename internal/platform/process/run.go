//go:build linux

package process

import (
	"context"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// rescan is how often Run looks for instances it does not attend to. Start tells it of new ones; this is for
// what could not be read the first time.
const rescan = time.Second

// Run attends to the instances until the context ends: it calls Options.Changed within milliseconds of the end of one,
// and runs the command checks. Without it the Platform works, but nobody is told and nothing is checked.
//
// The kernel wakes it, through a pidfd on each shim; nothing is polled but the list of instances.
func (p *Platform) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	attended := make(map[int]bool) // by shim
	left := make(chan int)
	ticker := time.NewTicker(rescan)
	defer ticker.Stop()
	for {
		for _, v := range p.unattended(attended) {
			shim := p.openShim(v.folder)
			if shim == nil {
				p.changed(v.launch.Spec.Service) // it has just ended
				continue
			}
			attended[shim.pid] = true
			wg.Go(func() {
				p.attend(ctx, v, shim)
				select {
				case left <- shim.pid:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case pid := <-left:
			delete(attended, pid)
			p.reap()
		case <-p.arrived:
		case <-ticker.C:
		}
	}
}

// unattended returns the instances whose shim has recorded the start and is not in the set, and those that
// were started and have ended since the last look.
func (p *Platform) unattended(attended map[int]bool) []view {
	p.mu.Lock()
	fresh := p.fresh
	p.fresh = make(map[folder]struct{})
	p.mu.Unlock()
	folders, err := p.folders()
	if err != nil {
		p.log.Warn("cannot look for instances", "error", err)
	}
	var found []view
	for _, f := range folders {
		_, isFresh := fresh[f]
		if shim := lockHolder(f.lockFile()); attended[shim] || shim == 0 && !isFresh {
			continue
		}
		v := p.look(f)
		starting := v.shim != 0 && v.state.Shim.PID != v.shim && v.damaged == nil // announced once it has recorded
		if v.recorded && !starting {
			found = append(found, v)
		}
	}
	return found
}

// attend stays with one run of an instance until it has ended.
func (p *Platform) attend(ctx context.Context, v view, shim *handle) {
	defer shim.close()
	var wg sync.WaitGroup
	defer wg.Wait()
	alive, ended := context.WithCancel(ctx)
	defer ended()
	if len(v.launch.Spec.Settings.Health.Command) > 0 && v.damaged == nil {
		wg.Go(func() { p.check(alive, v) })
	}
	if shim.wait(ctx) != nil {
		return
	}
	p.awaitEnd(ctx, v.folder)
	p.changed(v.launch.Spec.Service)
}

// awaitEnd waits for the program of a shim that was killed: the kernel is about to kill it too.
func (p *Platform) awaitEnd(ctx context.Context, f folder) {
	v := p.look(f)
	if !v.child {
		return
	}
	if h := v.state.Child.open(); h != nil {
		h.waitFor(ctx, endingTime)
		h.close()
	}
}

// orDefault is for settings that no file has filled in.
func orDefault(d deploy.Duration, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d.D()
}
