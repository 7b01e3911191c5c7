package docker

import (
	"context"

	"github.com/moby/moby/api/types/container"

	"github.com/naru-deploy/naru/internal/platform"
)

// adopt notes the containers that carry our labels and that nothing is noted of: the folder was brought back from a backup, or lost
// a file. Without a note nobody would list them, and so nobody would end them.
func (p *Platform) adopt(ctx context.Context) error {
	all, err := p.ask(ctx)
	if err != nil {
		return err
	}
	for id, c := range all {
		if n, known := p.readNote(id); known && (n.Port != 0 || c.port == 0) || platform.CheckNames(id) != nil {
			continue
		}
		if err := p.adoptOne(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) adoptOne(ctx context.Context, id string) error {
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := p.find(ctx, id)
	if err != nil || c == nil || c.status == container.StateCreated {
		return err // what never ran is a sweep's
	}
	n, known := p.readNote(id)
	switch {
	case !known:
		p.log.Info("a container of ours was found by its labels", "instance", id)
		n = p.noteOf(c)
	case n.Container != c.container:
		return nil
	}
	n.Port = c.port
	return p.writeNote(id, n)
}

// noteOf is what would have been noted of a container that runs.
func (p *Platform) noteOf(c *seen) note {
	return note{Service: c.service, Revision: c.revision, Slot: c.slot, Port: c.port, Boot: p.boot, Container: c.container, Started: c.started}
}
