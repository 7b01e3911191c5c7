package docker

import (
	"context"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

const (
	// rescan is how often Run looks for orders to stop that nobody carries out.
	rescan = time.Second
	// calling is the pause before an engine that has gone is called again.
	calling = time.Second
	// listening is how often an engine is called whose events are open: one that hangs keeps them open and says nothing.
	listening = 30 * time.Second
)

// happenings are the events after which an instance may be something else. Those of the health command's every run are not
// among them.
var happenings = []string{"create", "start", "die", "oom", "destroy", "pause", "unpause", "rename", "health_status"}

// Run attends to the instances until the context ends: it calls Options.Changed within milliseconds of something becoming of
// one, and carries out orders to stop that an earlier controller has left. Without it the Platform works, but asks the
// engine at every look, and nobody is told. While the engine is away it calls again and again; the instances go on.
func (p *Platform) Run(ctx context.Context) error {
	if !p.used() {
		select {
		case <-ctx.Done():
			return nil
		case <-p.wanted:
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { p.carryOut(ctx, &wg) })
	away := false
	for ctx.Err() == nil {
		err := p.watch(ctx, func() {
			if away {
				p.log.Info("the Docker engine is back")
			}
			away = false
		})
		p.world.watch(false)
		p.changed("")
		if ctx.Err() != nil {
			return nil
		}
		if !away {
			p.log.Warn("the Docker engine has gone; the instances' state is not known until it is back", "error", explain(err))
		}
		away = true
		p.engine.close()
		pause(ctx, calling)
	}
	return nil
}

// watch follows the engine's events until they end.
func (p *Platform) watch(ctx context.Context, opened func()) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filters := p.ours().Add("type", "container").Add("event", happenings...)
	stream := api.Events(ctx, client.EventsListOptions{Filters: filters})
	// The stream may have failed at once, and then it says so.
	select {
	case err := <-stream.Err:
		return err
	default:
	}
	if err := p.adopt(ctx); err != nil {
		return err
	}
	p.world.watch(true)
	opened()
	p.changed("")
	call := time.NewTicker(p.listening)
	defer call.Stop()
	for {
		select {
		case <-call.C:
			if err := answers(ctx, api); err != nil {
				return err
			}
		case m := <-stream.Messages:
			switch m.Action {
			case events.ActionOOM:
				p.world.starve(m.Actor.ID)
			case events.ActionDestroy:
				p.world.bury(m.Actor.ID)
			}
			p.tell(m.Actor.Attributes[labelService])
		case err := <-stream.Err:
			return err
		}
	}
}

// answers reports whether the engine still says anything at all.
func answers(ctx context.Context, api *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	_, err := api.Ping(ctx, client.PingOptions{})
	return err
}

// carryOut ends the instances that an earlier controller, or a call whose context has ended, was about to stop.
func (p *Platform) carryOut(ctx context.Context, wg *sync.WaitGroup) {
	for ctx.Err() == nil {
		notes, err := p.notes()
		if err != nil {
			p.log.Warn("cannot look for instances", "error", err)
		}
		for id, n := range notes {
			if n.Stop.IsZero() || p.attended(id) {
				continue
			}
			p.mark(id, 1)
			wg.Go(func() {
				if err := p.Stop(ctx, id, time.Until(n.Stop)); err != nil && ctx.Err() == nil {
					p.log.Warn("cannot carry out an order to stop", "instance", id, "error", err)
				}
				p.mark(id, -1)
			})
		}
		pause(ctx, rescan)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
