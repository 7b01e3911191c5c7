package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/proxy"
)

const (
	drillLines = 20                    // of the log, when a drill fails
	drillLook  = 50 * time.Millisecond // between two questions
)

// rehearse starts the instance and waits until it is healthy.
func (e *Engine) rehearse(ctx context.Context, d *drilling, r *DrillReport) error {
	began := time.Now()
	if err := e.o.Platform.Readiness(d.rev); err != nil {
		return err
	}
	if err := e.o.Platform.Prepare(ctx, d.rev); err != nil {
		return err
	}
	r.Prepared = since(began)
	spec := deploy.InstanceSpec{Service: d.rev.Service, Revision: d.rev.ID, Version: d.rev.Version, Slot: drillSlot, Settings: d.rev.Settings, Ports: e.o.Ports}
	started := time.Now()
	if err := e.o.Platform.Start(ctx, d.id, spec); err != nil {
		return err
	}
	timeout := d.rev.Settings.Health.StartTimeout.D()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	last := errors.New("nobody has asked it yet")
	for {
		i, err := e.drilled(ctx, d)
		if err == nil {
			if err = e.well(ctx, d.rev.Settings, i); err == nil {
				r.Healthy = since(started)
				return nil
			}
		}
		switch {
		case ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded:
			return ctx.Err()
		case ctx.Err() != nil:
			return fmt.Errorf("not healthy within %s (health.start_timeout): %w", deploy.Duration(timeout), last)
		case i.State == deploy.Exited:
			return fmt.Errorf("it has ended by itself: %s", i.Reason)
		}
		last = err
		rest(ctx, drillLook)
	}
}

// drilled is the instance as its platform lists it.
func (e *Engine) drilled(ctx context.Context, d *drilling) (deploy.Instance, error) {
	all, err := e.o.Platform.List(ctx, d.rev.Service)
	if err != nil {
		return deploy.Instance{}, err
	}
	for _, i := range all {
		if i.ID == d.id {
			if i.State == deploy.Running {
				return i, nil
			}
			return i, fmt.Errorf("it is %s", i.State)
		}
	}
	return deploy.Instance{}, errors.New("it does not run yet")
}

// well asks an instance how it is, by its revision's own check; nil is healthy.
func (e *Engine) well(ctx context.Context, s deploy.Service, i deploy.Instance) error {
	switch {
	case i.Ready != nil && !*i.Ready:
		return errors.New(checkFails)
	case i.Ready != nil:
		if len(s.Health.Command) > 0 || s.Worker() {
			return nil
		}
	case s.Worker():
		if age := time.Since(i.Started); age < settling {
			return fmt.Errorf("it runs for %s, and %s show that it stays alive", age.Round(time.Millisecond), settling)
		}
		return nil
	case len(s.Health.Command) > 0:
		return errors.New("its check command has not answered yet")
	}
	return proxy.Probe(ctx, health(s.Health), i.Address)
}

// lastLines are the last of what an instance printed since a moment; a log that cannot be read has none.
func (e *Engine) lastLines(ctx context.Context, id string, since time.Time) (lines []string) {
	log, err := e.o.Platform.Logs(ctx, id, platform.LogOptions{Tail: drillLines, Since: since})
	if err != nil {
		return nil
	}
	defer log.Close()
	in := bufio.NewScanner(log)
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	return lines
}
