package docker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

// portTries is how often a start is tried again because somebody took the port between the choice and the publishing.
const portTries = 5

// Start starts an instance that does not run, always in a new container; it returns when the program runs, or when the
// reason why it cannot is noted. It counts on: exits of earlier runs are kept until a run lasts for a minute or the
// instance is stopped.
func (p *Platform) Start(ctx context.Context, id string, spec deploy.InstanceSpec) error {
	if err := platform.CheckNames(id, spec.Service, spec.Revision); err != nil {
		return err
	}
	if spec.Settings.Docker == nil {
		return fmt.Errorf("start %s: the service has no docker section", id)
	}
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	defer unlock()
	n, runs, err := p.makeRoom(ctx, id)
	if err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	if runs {
		return nil
	}
	n.Service, n.Revision, n.Slot, n.Boot = spec.Service, spec.Revision, spec.Slot, p.boot
	n.Container, n.Counted, n.Started = "", false, time.Time{}
	if err := p.launch(ctx, id, spec, &n); err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	p.tell(spec.Service)
	return nil
}

// makeRoom removes the container of an earlier run, and returns what is noted of it; or reports that the instance runs.
func (p *Platform) makeRoom(ctx context.Context, id string) (n note, runs bool, err error) {
	n, known := p.readNote(id)
	c, err := p.find(ctx, id)
	switch {
	case err != nil:
		return n, false, err
	case c.live() && !n.Stop.IsZero():
		return n, false, errors.New("it is still being stopped")
	case c.live() && !known:
		return n, true, p.writeNote(id, p.noteOf(c))
	case c.live():
		return n, true, nil
	case !n.Stop.IsZero(): // a controller was killed before it could forget it
		return note{}, false, p.forget(ctx, id, c)
	case c == nil && n.vanished():
		n.end(n.Started, time.Now(), "its container was removed, and not by naru, which starts another")
	case c == nil:
		return n, false, nil
	default:
		p.lastWords(ctx, c, nil)
		if i, listed := p.instance(id, n, c); listed {
			n.Exits, n.Ended, n.Reason = i.Exits, i.Ended, i.Reason
		}
	}
	// Before the container goes, so that its end is counted once, whenever the controller is killed.
	if c != nil {
		n.Container, n.Counted = c.container, true
		if n.Service == "" {
			n.Service, n.Revision, n.Slot = c.service, c.revision, c.slot
		}
		if err := p.writeNote(id, n); err != nil {
			return n, false, err
		}
		err = p.retire(ctx, c)
	}
	return n, false, err
}

// launch makes the container and starts it. What stands against the program is noted as an exit; an error means that it was
// not tried.
func (p *Platform) launch(ctx context.Context, id string, spec deploy.InstanceSpec, n *note) error {
	r, err := p.readRecord(spec.Service, spec.Revision, spec.Version)
	if err != nil {
		return p.refuse(id, n, err)
	}
	own, problems := find(ctx, deploy.Revision{Service: spec.Service, ID: spec.Revision, Version: spec.Version, Settings: spec.Settings}, scope(id, spec), p.early.Take(spec.Service, spec.Revision, id), false)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case problems != nil:
		return p.refuse(id, n, fmt.Errorf("cannot start %s: %w", id, secret.Err(problems)))
	}
	for try := 1; ; try++ {
		if err := p.takePort(ctx, id, spec, n); err != nil {
			return err
		}
		err = p.run(ctx, id, spec, r, own, n)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case unreachable(err):
			return explain(err)
		case portTaken(err) && try < portTries:
			if c, err := p.find(ctx, id); err == nil && c != nil {
				if err := p.discard(ctx, c.container); err != nil {
					return err
				}
			}
		default:
			return p.refuse(id, n, own.all().Hide(p.whyNot(err, spec, r)))
		}
	}
}

// run makes one attempt: the note names the container before it runs.
func (p *Platform) run(ctx context.Context, id string, spec deploy.InstanceSpec, r record, own finding, n *note) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	if n.Container, err = p.create(ctx, id, spec, r, own, n.Port); err != nil {
		return err
	}
	n.Started = time.Now()
	p.world.forget() // before the note names what the engine has not yet listed
	if err := p.writeNote(id, *n); err != nil {
		return err
	}
	_, err = api.ContainerStart(ctx, n.Container, client.ContainerStartOptions{})
	return err
}

// takePort chooses the port of 127.0.0.1 at which the instance is reached, none for a worker, and notes it before anybody else may
// look for one. The note is there before the container is.
func (p *Platform) takePort(ctx context.Context, id string, spec deploy.InstanceSpec, n *note) error {
	n.Container = ""
	keep := func(port int) error {
		n.Port = port
		return p.writeNote(id, *n)
	}
	if spec.Settings.Worker() {
		return keep(0)
	}
	if fixed := spec.Settings.Port.Fixed(); fixed != 0 {
		return p.ports.Fixed(ctx, fixed, keep)
	}
	return p.ports.Take(id, spec.Ports, keep)
}

// refuse notes a start that could not be as one that failed.
func (p *Platform) refuse(id string, n *note, reason error) error {
	n.end(time.Time{}, time.Now(), reason.Error())
	return p.writeNote(id, *n)
}

// whyNot says why the engine did not start the program, and what to do.
func (p *Platform) whyNot(err error, spec deploy.InstanceSpec, r record) error {
	text := words(err)
	switch {
	case errdefs.IsNotFound(err) && strings.Contains(text, "No such image"):
		return r.gone(spec.Service, spec.Revision, spec.Version)
	case portTaken(err) && spec.Settings.Port.Fixed() != 0:
		return fmt.Errorf("port %s of 127.0.0.1 could not be published after %d tries: %s; stop what has it, or choose another port", spec.Settings.Port, portTries, text)
	case portTaken(err):
		return fmt.Errorf("no port in %s could be published after %d tries: %s", spec.Ports, portTries, text)
	case strings.Contains(text, "exec format error"):
		return fmt.Errorf("cannot start the container: %s; the image %s is not made for this machine: build it for its architecture", text, r.Image)
	case strings.Contains(text, "o command specified"):
		return fmt.Errorf("cannot start the container: the image %s names no program; write docker.command, or give it an ENTRYPOINT", r.Image)
	case strings.Contains(text, "no such file or directory") || strings.Contains(text, "not found in $PATH"):
		return fmt.Errorf("cannot start the container: %s; correct docker.command or the image's ENTRYPOINT", text)
	}
	return fmt.Errorf("cannot start the container: %s", text)
}

func portTaken(err error) bool {
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}

var idPattern = regexp.MustCompile(`^(.+)-(r[0-9]+)-[0-9]+$`)

// serviceOf and revisionOf read an instance's name the way deploy.InstanceID writes it; empty for other names.
func serviceOf(id string) string  { return part(id, 1) }
func revisionOf(id string) string { return part(id, 2) }

func part(id string, which int) string {
	if m := idPattern.FindStringSubmatch(id); m != nil {
		return m[which]
	}
	return ""
}
