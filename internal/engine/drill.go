package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// drillSlot is the slot of an instance that is only tried out. Pictures count theirs from 1, so none of them ever wants it,
// and whoever finds one of which nobody knows ends it: it was left by a controller that was killed.
const drillSlot = 0

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
	if err := l.state.Beside(rev.Settings, time.Now()); err != nil {
		return nil, err
	}
	d := &drilling{rev: rev, id: deploy.InstanceID(l.name, rev.ID, drillSlot), cancel: cancel}
	if l.lives(d.id) { // left by a controller that was killed
		return nil, conflict("%s of an earlier drill is still being removed; try again in a moment", d.id)
	}
	l.drilling = d
	return d, nil
}

// lives reports whether the removal of an instance that was tried out is under way.
func (l *loop) lives(id string) bool { return l.work.pending["stop "+id] }

// endDrill makes room for the next one, and tells how it was.
func (l *loop) endDrill(d *drilling, r DrillReport) {
	if l.drilling == d {
		l.drilling = nil
	}
	l.ready.again()
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

// withoutDrills takes the instance that is tried out from what is observed: the core never hears of it. One that belongs to no
// drill that runs was left behind, and is ended. tried: one may still run, or is about to.
func (l *loop) withoutDrills(listed []deploy.Instance) (out []deploy.Instance, tried bool) {
	out, tried = listed[:0], l.drilling != nil
	for _, i := range listed {
		if i.Slot != drillSlot {
			out = append(out, i)
			continue
		}
		tried = true
		if l.drilling == nil || l.drilling.id != i.ID {
			l.stopInstance(i.ID, i.Revision)
		}
	}
	return out, tried
}

// since is how long ago a moment is, as exactly as it means anything.
func since(moment time.Time) deploy.Duration {
	return deploy.Duration(time.Since(moment).Round(100 * time.Microsecond))
}
