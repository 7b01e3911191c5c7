package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// work is what the loop has given out and waits for: actions take their time, the loop does not. Every action is given
// out once at a time; what it leaves shows in the next observation.
type work struct {
	l        *loop
	ctx      context.Context
	jobs     *sync.WaitGroup
	prepared map[string]deploy.Prepared
	unready  map[string]string          // why revisions could not be prepared when it was tried last
	pending  map[string]bool            // "prepare r7", "start chat-r7-1", "stop chat-r7-1"
	failed   map[string]deploy.Instance // instances that could not even be tried
	stopping map[string]bool
	starting map[string]starting
	results  map[string]deploy.TaskResult
	hurry    bool             // down, a second time: no draining
	ready    map[string]*bool // verdicts of check commands, for the proxies
}

// starting is a start that is under way.
type starting struct {
	deploy.Start
	cancel context.CancelFunc
}

func (w *work) init(l *loop) {
	*w = work{l: l, prepared: map[string]deploy.Prepared{}, unready: map[string]string{}, pending: map[string]bool{}, failed: map[string]deploy.Instance{},
		stopping: map[string]bool{}, starting: map[string]starting{}, results: map[string]deploy.TaskResult{}}
}

func (w *work) begin(ctx context.Context, jobs *sync.WaitGroup) { w.ctx, w.jobs = ctx, jobs }

// give runs a job beside the loop and hands its end back to the loop, unless a job of that name is under way.
func (w *work) give(name string, job func(context.Context) func()) {
	if w.pending[name] {
		return
	}
	w.pending[name] = true
	w.jobs.Go(func() {
		end := job(w.ctx)
		select {
		case w.l.calls <- func() { delete(w.pending, name); end() }:
		case <-w.l.ended:
		case <-w.ctx.Done():
		}
	})
}

// fresh forgets what belongs to earlier rollouts when one begins, and checks its revision anew: its artifact may have gone. Where
// what serves has to end first, so is that: it may have to come back, and then nobody should wait for what is found out now.
func (w *work) fresh(r deploy.Rollout) {
	delete(w.prepared, r.To)
	if r.Forth[0].Picture.Ahead != "" {
		delete(w.prepared, r.From)
	}
	rollout := r.ID
	maps.DeleteFunc(w.results, func(key string, _ deploy.TaskResult) bool { return !strings.HasPrefix(key, rollout+"/") })
}

// overlay shows in the platform's list what is under way and what could not be tried.
func (w *work) overlay(listed []deploy.Instance) []deploy.Instance {
	known := map[string]bool{}
	w.ready = map[string]*bool{}
	for i := range listed {
		known[listed[i].ID] = true
		w.ready[listed[i].ID] = listed[i].Ready
		_, starts := w.starting[listed[i].ID]
		if w.stopping[listed[i].ID] && listed[i].State == deploy.Running || starts && listed[i].State == deploy.Exited { // it may come to life at any moment
			listed[i].State = deploy.Stopping
		}
	}
	for id, a := range w.starting {
		if !known[id] {
			listed = append(listed, deploy.Instance{ID: id, Service: w.l.name, Revision: a.Revision, Slot: a.Slot, State: deploy.Stopping})
			known[id] = true
		}
	}
	for id, i := range w.failed {
		if !known[id] {
			listed = append(listed, i)
		}
	}
	return listed
}

// interrupted notes the tasks that were running when the controller died.
func (w *work) interrupted(s deploy.State) {
	r, open := s.Open()
	if !open {
		return
	}
	for key, t := range r.Tasks {
		if t.State == deploy.TaskRunning {
			w.results[key] = deploy.TaskResult{State: deploy.TaskInterrupted, Reason: "it was running when naru was stopped"}
		}
	}
}

// act carries out one decision.
func (l *loop) act(a deploy.Action) {
	switch a := a.(type) {
	case deploy.Prepare:
		l.prepare(a.Revision)
	case deploy.Start:
		l.startInstance(a)
	case deploy.Stop:
		l.stopInstance(a.ID, a.Revision)
	case deploy.Run:
		l.runTask(a)
	case deploy.Publish: // route publishes what is saved, with every turn
	}
}

func (l *loop) prepare(revision string) {
	if _, known := l.work.prepared[revision]; known { // the core is not told while a drill ends
		return
	}
	rev, ok := l.revisions[revision]
	if !ok {
		l.work.prepared[revision] = deploy.Prepared{Err: revision + " is not kept any more"}
		return
	}
	l.work.give("prepare "+revision, func(ctx context.Context) func() {
		err := l.vacant(ctx, rev)
		if err == nil {
			err = l.e.o.Platform.Prepare(ctx, rev)
		}
		return func() {
			switch {
			case err == nil:
				l.work.prepared[revision] = deploy.Prepared{Ready: true}
				delete(l.work.unready, revision)
			case ctx.Err() == nil:
				l.unprepared(revision, err)
			}
		}
	})
}

// vacant says who has the port that a revision's program always listens on, unless it is the service itself: then it is free
// when its time has come.
func (l *loop) vacant(ctx context.Context, rev deploy.Revision) error {
	port := rev.Settings.Port.Fixed()
	if port == 0 {
		return nil
	}
	listed, err := l.e.o.Platform.List(ctx, l.name)
	if err != nil || listensAt(listed, rev.Settings.Port) {
		return err
	}
	return platform.Vacant(port)
}

// listensAt reports whether one of the instances has a port.
func listensAt(instances []deploy.Instance, port deploy.Port) bool {
	return slices.ContainsFunc(instances, func(i deploy.Instance) bool { return i.Live() && strings.HasSuffix(i.Address, ":"+string(port)) })
}

// unprepared notes why a revision cannot start. For a candidate that ends its rollout; stable is tried again later.
func (l *loop) unprepared(revision string, err error) {
	if l.work.unready[revision] != err.Error() { // every few seconds, for as long as it lasts
		l.e.log.Error("prepare", "service", l.name, "revision", revision, "error", err)
	}
	l.work.prepared[revision] = deploy.Prepared{Err: err.Error()}
	l.work.unready[revision] = err.Error()
	if r, open := l.state.Open(); open && r.To == revision {
		return
	}
	l.work.jobs.Go(func() {
		rest(l.work.ctx, 5*time.Second)
		_ = l.do(l.work.ctx, func() error { delete(l.work.prepared, revision); return nil })
	})
}

func (l *loop) startInstance(a deploy.Start) {
	rev, ok := l.revisions[a.Revision]
	if _, under := l.work.starting[a.ID]; under || !ok {
		return
	}
	spec := deploy.InstanceSpec{Service: l.name, Revision: a.Revision, Version: rev.Version, Slot: a.Slot, Settings: rev.Settings, Ports: l.e.o.Ports}
	before := l.work.failed[a.ID]
	wanted, cancel := context.WithCancel(l.work.ctx)
	l.work.starting[a.ID] = starting{a, cancel}
	l.work.give("start "+a.ID, func(ctx context.Context) func() {
		err := l.e.o.Platform.Start(wanted, a.ID, spec)
		if wanted.Err() != nil && ctx.Err() == nil { // whatever it has come to: it must not come to life later
			err = l.e.o.Platform.Stop(ctx, a.ID, rev.Settings.StopTimeout.D())
		}
		return func() {
			cancel()
			delete(l.work.starting, a.ID)
			delete(l.work.failed, a.ID)
			if err != nil && ctx.Err() == nil {
				l.e.log.Error("start", "instance", a.ID, "error", err)
				l.work.failed[a.ID] = deploy.Instance{ID: a.ID, Service: l.name, Revision: a.Revision, Slot: a.Slot, State: deploy.Exited,
					Exits: before.Exits + 1, Ended: time.Now(), Reason: err.Error()}
			}
		}
	})
}

// giveUp breaks off the starts of instances that are not wanted any more: one that hangs, because a safe does not answer, must
// not keep those waiting that are to come in its place.
func (l *loop) giveUp(p deploy.Picture, o deploy.Observation) {
	for id, s := range l.work.starting {
		if !deploy.Wants(p, o, id) {
			s.cancel()
		}
	}
}

func (l *loop) stopInstance(id, revision string) {
	settings, _ := l.settings(revision)
	l.work.stopping[id] = true
	delete(l.work.failed, id)
	l.work.give("stop "+id, func(ctx context.Context) func() {
		err := l.e.o.Platform.Stop(ctx, id, settings.StopTimeout.D())
		return func() {
			delete(l.work.stopping, id)
			if err != nil && ctx.Err() == nil {
				l.e.log.Error("stop", "instance", id, "error", err)
			}
		}
	})
}
