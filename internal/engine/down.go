package engine

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
)

// Down drains and stops every instance of every service and returns when none is left. The services stay stored: the
// next serve starts them again. Now skips the draining.
func (e *Engine) Down(ctx context.Context, now bool) error {
	var jobs errgroup.Group
	for _, l := range e.all() {
		jobs.Go(func() error {
			if err := l.down(ctx, now); err != nil {
				return fmt.Errorf("stop %s: %w", l.name, err)
			}
			return nil
		})
	}
	return jobs.Wait()
}

// down stops every instance of the service: first nothing new, then what is in flight, then the programs.
func (l *loop) down(ctx context.Context, now bool) error {
	err := l.do(ctx, func() error {
		l.stopping, l.work.hurry = true, now
		l.drilling.interrupt("everything is being stopped")
		return nil
	})
	if err != nil {
		return err
	}
	for {
		left := 0
		err := l.do(ctx, func() error {
			listed, err := l.e.o.Platform.List(ctx, l.name)
			left = len(listed)
			return err
		})
		if err != nil || left == 0 {
			return err
		}
		rest(ctx, 5*quick)
	}
}

// wind is a turn of a service that goes down: every instance is closed, drained and stopped. The stored state stays as
// it was, so that the next serve brings the service back.
func (l *loop) wind(o deploy.Observation) {
	p := deploy.Picture{Service: l.name, Drain: l.drain()}
	if l.work.hurry {
		p.Drain = 0
	}
	if _, reached := l.e.o.Dataplane.State(); !reached { // the proxy has ended before: nothing is in flight
		o.Proxies = []deploy.ProxyState{l.ourselves(o)}
	}
	l.giveUp(p, o)
	acts, _ := deploy.Converge(p, o)
	for _, a := range acts {
		if publish, ok := a.(deploy.Publish); ok {
			l.state.Routing = publish.Routing
		}
		l.act(a)
	}
	l.show(o, proxy.ServiceState{})
}

func (l *loop) drain() time.Duration {
	s, _ := l.settings(l.inForce())
	return s.DrainTimeout.D()
}
