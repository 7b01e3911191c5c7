package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/proxy"
)

// drillSlot is the slot of an instance that is only tried out. Pictures count theirs from 1, so none of them ever wants it,
// and whoever finds one of which nobody knows ends it: it was left by a controller that was killed.
const drillSlot = 0

const (
	drillLines = 20 // of the log, when a drill fails
	drillLook  = 50 * time.Millisecond
)

// DrillReport is how a rollback would have begun: one instance of the revision was started without any traffic, asked how
// it is, and removed.
type DrillReport struct {
	Service  string          `json:"service"`
	Revision string          `json:"revision"`
	Version  string          `json:"version"`
	Passed   bool            `json:"passed"`
	Reason   string          `json:"reason,omitempty"` // why it has not
	Log      []string        `json:"log,omitempty"`    // its last lines, when it has not
	Prepared deploy.Duration `json:"prepared"`         // until artifact or image was there
	Healthy  deploy.Duration `json:"healthy"`          // from its start until it was healthy; 0: never
	Took     deploy.Duration `json:"took"`             // the whole of it, until the instance was gone
}

// drilling is a drill that runs. There is one at a time for each service.
type drilling struct {
	rev    deploy.Revision
	id     string // of the instance
	cancel context.CancelCauseFunc
}

// interrupt ends a drill; what is more important begins.
func (d *drilling) interrupt(why string) {
	if d != nil {
		d.cancel(errors.New(why))
	}
}

// Drill tries out a rollback to a revision; empty: where naru rollback would go. It returns when the instance is gone
// again. What a drill finds wrong is in the report; an error means that nothing was tried. When ctx ends, so does the drill.
func (e *Engine) Drill(ctx context.Context, service, revision string) (DrillReport, error) {
	l, err := e.loop(service)
	if err != nil {
		return DrillReport{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var d *drilling
	var life context.Context // the loop's own: what has begun is ended also when nobody waits for it
	err = l.do(ctx, func() (err error) {
		d, err = l.beginDrill(revision, cancel)
		life = l.work.ctx
		return err
	})
	if err != nil {
		return DrillReport{}, err
	}
	stop := context.AfterFunc(life, func() { cancel(errors.New("naru serve ends")) })
	defer stop()
	report := e.drill(ctx, life, d)
	_ = l.do(life, func() error { l.endDrill(d, report); return nil }) // serve that ends has nobody to tell
	return report, nil
}

// beginDrill takes the place of the only drill, or says why there is none.
func (l *loop) beginDrill(revision string, cancel context.CancelCauseFunc) (*drilling, error) {
	if d := l.drilling; d != nil {
		return nil, conflict("a drill of %s runs already; wait for it", d.rev.ID)
	}
	if r, open := l.state.Open(); open {
		return nil, conflict("rollout %s is open: a drill would take its room; wait for it", r.ID)
	}
	if l.state.Removed || l.stopping {
		return nil, conflict("%s is being stopped", l.name)
	}
	if revision == "" {
		revision = l.state.Previous
	}
	if revision == "" {
		return nil, conflict("%s has no earlier revision to go back to", l.name)
	}
	rev, err := l.keptRevision(revision)
	if err != nil {
		return nil, err
	}
	if why := l.alone(rev); why != "" {
		return nil, &Error{Code: Refused, Message: why}
	}
	d := &drilling{rev: rev, id: deploy.InstanceID(l.name, rev.ID, drillSlot), cancel: cancel}
	if l.lives(d.id) { // left by a controller that was killed
		return nil, conflict("%s of an earlier drill is still being removed; try again in a moment", d.id)
	}
	l.drilling = d
	return d, nil
}

// alone says why no second instance may run beside those that serve; empty: one may. Programs that cannot run twice have
// their place here.
func (l *loop) alone(rev deploy.Revision) string { return "" }

// lives reports whether the removal of an instance that was tried out is under way.
func (l *loop) lives(id string) bool { return l.work.pending["stop "+id] }

// endDrill makes room for the next one, and tells how it was.
func (l *loop) endDrill(d *drilling, r DrillReport) {
	if l.drilling == d {
		l.drilling = nil
	}
	l.ready.due = time.Time{}
	text := fmt.Sprintf("a drill of %s has passed: healthy after %s", r.Revision, r.Healthy)
	if !r.Passed {
		text = fmt.Sprintf("a drill of %s has failed: %s", r.Revision, r.Reason)
	}
	l.tell(deploy.Event{Time: time.Now(), Service: l.name, Revision: r.Revision, Kind: deploy.EventDrilled, Message: text})
}

// drill carries one out; life bounds the removal of what it has started.
func (e *Engine) drill(ctx, life context.Context, d *drilling) DrillReport {
	began := time.Now()
	r := DrillReport{Service: d.rev.Service, Revision: d.rev.ID, Version: d.rev.Version}
	err := e.rehearse(ctx, d, &r)
	switch why := context.Cause(ctx); {
	case err == nil || why == nil:
	case errors.Is(why, context.Canceled):
		err = errors.New("it was broken off: nobody waited for it any more")
	default:
		err = fmt.Errorf("it was broken off: %w", why)
	}
	if err != nil {
		r.Reason = err.Error()
		r.Log = e.lastLines(life, d.id, began)
	}
	switch left := e.o.Platform.Stop(life, d.id, d.rev.Settings.StopTimeout.D()); {
	case left != nil && life.Err() != nil:
		r.Reason += ", and the next one removes what it has started"
	case left != nil:
		err = errors.Join(err, left)
		r.Reason = strings.TrimPrefix(r.Reason+"; ", "; ") + "it could not be removed, which is tried again: " + left.Error()
	}
	r.Passed, r.Took = err == nil, since(began)
	return r
}

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

// withoutDrills takes the instance that is tried out from what is observed: the core never hears of it. One that belongs to no
// drill that runs was left behind, and is ended.
func (l *loop) withoutDrills(listed []deploy.Instance) []deploy.Instance {
	out := listed[:0]
	for _, i := range listed {
		if i.Slot != drillSlot {
			out = append(out, i)
			continue
		}
		if l.drilling == nil || l.drilling.id != i.ID {
			l.stopInstance(i.ID, i.Revision)
		}
	}
	return out
}

// since is how long ago a moment is, as exactly as it means anything.
func since(moment time.Time) deploy.Duration {
	return deploy.Duration(time.Since(moment).Round(100 * time.Microsecond))
}
