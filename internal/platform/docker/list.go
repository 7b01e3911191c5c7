package docker

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// List returns the instances of a service, or of all when service is empty, ordered by service, revision and slot. It fails
// while the engine does not answer: then nobody knows, and nothing must be decided.
func (p *Platform) List(ctx context.Context, service string) ([]deploy.Instance, error) {
	// The notes first: a container that a note names existed before, so when the engine does not list it, it is gone.
	notes, err := p.notes()
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	// There is a note from before a container is made until it is gone, so without one there is nothing to ask about: a service
	// that does not run in containers goes on while the engine is away.
	if !concerned(notes, service) {
		return nil, nil
	}
	all, err := p.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	ids := slices.Collect(maps.Keys(all))
	for id := range notes {
		if all[id] == nil {
			ids = append(ids, id)
		}
	}
	var instances []deploy.Instance
	for _, id := range ids {
		n := notes[id]
		if all[id] == nil && n.vanished() {
			n = p.settle(ctx, id, n)
		}
		i, listed := p.instance(id, n, all[id])
		if listed && (service == "" || i.Service == service) {
			instances = append(instances, i)
		}
	}
	platform.Sort(instances)
	return instances, nil
}

// vanished reports whether a container that must be there has no business to be missing.
func (n note) vanished() bool { return n.Container != "" && !n.Counted && n.Stop.IsZero() }

// settle notes that somebody else has removed an instance's container, so that the moment stays the same and
// the next start waits as after any other end.
func (p *Platform) settle(ctx context.Context, id string, listed note) note {
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return listed
	}
	defer unlock()
	n, _ := p.readNote(id)
	if n.Container != listed.Container || !n.vanished() {
		return n // it was started or stopped meanwhile
	}
	if c, err := p.inspect(ctx, n.Container); err != nil || c != nil {
		return n
	}
	n.end(n.Started, time.Now(), fmt.Sprintf("its container (%.12s) was removed, and not by naru, which starts another", n.Container))
	if err := p.writeNote(id, n); err != nil {
		p.log.Warn("cannot note the end of an instance", "instance", id, "error", err)
	}
	return n
}

// instance joins what is noted and what the engine says. It reports false for what is not listed: an instance that was
// never really started, or whose container is gone because it was stopped.
func (p *Platform) instance(id string, n note, c *seen) (i deploy.Instance, listed bool) {
	rebooted := n.Boot != "" && n.Boot != p.boot
	switch {
	case c.live():
		return p.running(id, n, c), true
	case !n.Stop.IsZero() && c != nil:
		// It has ended, so nobody need wait for it who waits for that: copying a long log takes seconds, and requests may be held
		// meanwhile. It is listed until the log is kept and the container gone: whoever ends with the last one must not cut that off.
		return deploy.Instance{ID: id, Service: c.service, Revision: c.revision, Slot: c.slot, State: deploy.Exited, Started: c.started,
			Ended: c.finished, Reason: "it was stopped, and its log is being kept"}, true
	case !n.Stop.IsZero():
		return i, false
	case c == nil && !n.Counted && n.Exits == 0:
		return i, false // the controller was killed before it came to the container
	case c == nil || n.Counted && n.Container == c.container:
		i = n.instance(id)
	case c.status == container.StateCreated || c.status == container.StateRemoving:
		return i, false // being started, or removed
	default:
		n.Service, n.Revision, n.Slot = c.service, c.revision, c.slot
		n.end(c.started, c.finished, c.reason())
		i = n.instance(id)
	}
	if rebooted { // no fault of the program: nothing counted, nothing to wait for
		i.Exits, i.Ended, i.Reason = 0, time.Time{}, "the machine was restarted"
	}
	return i, true
}

func (p *Platform) running(id string, n note, c *seen) deploy.Instance {
	i := deploy.Instance{ID: id, Service: c.service, Revision: c.revision, Slot: c.slot, State: deploy.Running,
		PID: c.pid, Started: c.started, Exits: n.Exits, Ended: n.Ended, Reason: n.Reason}
	if !n.Stop.IsZero() {
		i.State = deploy.Stopping
	}
	if c.port != 0 {
		i.Address = "127.0.0.1:" + strconv.Itoa(c.port)
	}
	if time.Since(c.started) >= soon {
		i.Exits, i.Ended, i.Reason = 0, time.Time{}, ""
	}
	if c.status == container.StatePaused {
		i.Reason = "its container is paused, and not by naru; docker unpause " + p.name(id) + " makes it go on"
	}
	if c.health != "" {
		i.Ready = new(c.health == container.Healthy)
	}
	i.CPU, i.Memory = usage(c.pid)
	return i
}

// concerned reports whether a service, or with an empty name any, has instances here.
func concerned(notes map[string]note, service string) bool {
	for _, n := range notes {
		if service == "" || n.Service == service {
			return true
		}
	}
	return false
}

// knows reports whether anything may be left of an instance.
func (p *Platform) knows(id string) bool {
	_, noted := os.Stat(p.noteFile(id))
	_, kept := os.Stat(p.revision(serviceOf(id), revisionOf(id)))
	return noted == nil || serviceOf(id) != "" && kept == nil
}
