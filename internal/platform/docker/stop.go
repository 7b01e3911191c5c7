package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform"
)

// slack is how long the engine may take after the deadline to end what it was told to kill.
const slack = 10 * time.Second

// Stop sends the container's stop signal, SIGKILL once grace is over, and forgets the instance when it is gone; its log stays
// until the revision is removed. An instance that does not exist is no error. When the context ends first the order stands, and
// Run carries it out. Calling Stop again may shorten the grace but never prolongs it.
func (p *Platform) Stop(ctx context.Context, id string, grace time.Duration) error {
	if err := platform.CheckNames(id); err != nil {
		return err
	}
	if !p.knows(id) {
		return nil
	}
	p.mark(id, 1)
	defer p.mark(id, -1)
	c, deadline, err := p.order(ctx, id, time.Now().Add(grace))
	if err == nil && c.live() {
		err = p.await(ctx, c, deadline)
	}
	if err == nil {
		err = p.finish(ctx, id)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	p.tell(serviceOf(id))
	return nil
}

// order notes that the instance is to end, and asks the program to. The instance's lock is not kept while it does, so that a
// second Stop can shorten the grace of the first.
func (p *Platform) order(ctx context.Context, id string, deadline time.Time) (*seen, time.Time, error) {
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return nil, deadline, err
	}
	defer unlock()
	n, known := p.readNote(id)
	if known { // before the engine is asked: the order stands also when it does not answer
		if !n.Stop.IsZero() && n.Stop.Before(deadline) {
			deadline = n.Stop
		}
		p.noteStop(id, &n, deadline)
	}
	c, err := p.find(ctx, id)
	if err != nil || !known && c == nil {
		return nil, deadline, err
	}
	if !known {
		n.Service, n.Revision, n.Slot, n.Container = c.service, c.revision, c.slot, c.container
		p.noteStop(id, &n, deadline)
	}
	if c.live() && !n.Signalled {
		if err := p.signal(ctx, c, cmp.Or(c.stopSignal, "SIGTERM")); err != nil {
			return nil, deadline, err
		}
		n.Signalled = true
		_ = p.writeNote(id, n) // else it is asked twice
	}
	return c, deadline, nil
}

// noteStop writes the order down. A full disk must not keep an instance alive.
func (p *Platform) noteStop(id string, n *note, deadline time.Time) {
	n.Stop = deadline
	if err := p.writeNote(id, *n); err != nil {
		p.log.Warn("cannot note the order to stop", "instance", id, "error", err)
	}
}

// signal sends a signal to the program; one that has ended is no error. A paused one could not hear it.
func (p *Platform) signal(ctx context.Context, c *seen, name string) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if c.status == container.StatePaused {
		if _, err := api.ContainerUnpause(ctx, c.container, client.ContainerUnpauseOptions{}); err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
			return explain(err)
		}
	}
	_, err = api.ContainerKill(ctx, c.container, client.ContainerKillOptions{Signal: name})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // it does not run
		return nil
	}
	return explain(err)
}

// await waits until the program has ended, and kills it at the deadline.
func (p *Platform) await(ctx context.Context, c *seen, deadline time.Time) error {
	ended, err := p.ended(ctx, c, time.Until(deadline))
	if ended || err != nil {
		return err
	}
	if err := p.signal(ctx, c, "SIGKILL"); err != nil {
		return err
	}
	if ended, err = p.ended(ctx, c, slack); !ended && err == nil {
		err = fmt.Errorf("container %.12s does not end, not even by SIGKILL; look at the engine's log", c.container)
	}
	return err
}

// ended waits at most so long for the end of a container.
func (p *Platform) ended(ctx context.Context, c *seen, atMost time.Duration) (bool, error) {
	if atMost <= 0 {
		return false, nil
	}
	api, err := p.engine.api()
	if err != nil {
		return false, err
	}
	waiting, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	wait := api.ContainerWait(waiting, c.container, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
		return true, nil
	case err = <-wait.Error:
	}
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errdefs.IsNotFound(err):
		return true, nil
	case waiting.Err() != nil:
		return false, nil
	}
	return false, explain(err)
}

// finish forgets an instance that has ended.
func (p *Platform) finish(ctx context.Context, id string) error {
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	n, _ := p.readNote(id)
	c, err := p.find(ctx, id)
	if err != nil || n.Stop.IsZero() && c != nil {
		return err // another Stop has forgotten it already, and it was started anew
	}
	if c.live() {
		return errors.New("its container still runs")
	}
	return p.forget(ctx, id, c)
}

// forget removes what there is of an instance that has ended, but for its log.
func (p *Platform) forget(ctx context.Context, id string, c *seen) error {
	if c != nil {
		if err := p.retire(ctx, c); err != nil {
			return err
		}
	}
	p.world.forget() // before the note goes: a list from before would show the container as an exit
	if err := os.Remove(p.noteFile(id)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// retire keeps the log of a container that has ended and removes the container.
func (p *Platform) retire(ctx context.Context, c *seen) error {
	if err := p.keepLog(ctx, c); err != nil {
		p.log.Warn("cannot keep the log of a container", "instance", c.instance, "error", err)
	}
	return p.discard(ctx, c.container)
}
