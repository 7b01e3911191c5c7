package engine

import (
	"context"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

// Command says promote, pause, resume or abort to the open rollout.
func (e *Engine) Command(ctx context.Context, service string, c deploy.Command) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error {
		r, open := l.state.Open()
		if !open {
			return conflict("%s has no open rollout, so there is nothing to %s", service, c.Verb)
		}
		r, err := deploy.Apply(r, c, time.Now())
		if err != nil {
			return err
		}
		next := l.state
		next.Rollout = &r
		return l.commit(next)
	})
}

// commit saves a state that a command has changed.
func (l *loop) commit(next deploy.State) error {
	turn := store.Turn{State: &next, Events: deploy.Events(l.state, next, time.Now())}
	numbered, err := l.e.o.Store.Save(turn)
	if err != nil {
		return err
	}
	l.state = next
	l.e.hub.send(numbered)
	return nil
}

// Scale changes how many instances of stable run.
func (e *Engine) Scale(ctx context.Context, service string, n int) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	if n < 1 || n > 1000 {
		return invalid("%d instances: write a number from 1 to 1000; naru remove %s takes the service away", n, service)
	}
	return l.do(ctx, func() error {
		next, err := deploy.Scale(l.state, n)
		if err != nil {
			return err
		}
		return l.commit(next)
	})
}

// Remove drains a service and forgets it. It returns at once; the service is gone from Statuses when it is done.
func (e *Engine) Remove(ctx context.Context, service string) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error {
		l.drilling.interrupt("the service is being removed")
		return l.commit(deploy.Remove(l.state, time.Now()))
	})
}
