package engine

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/store"
)

// loop is one service: a goroutine that alone changes its state.
type loop struct {
	e        *Engine
	name     string
	calls    chan func() // run by the loop's goroutine
	wake     chan struct{}
	ended    chan struct{}
	declared deploy.Service // by the file, before the first deploy

	// Only the loop's goroutine touches these.
	state     deploy.State
	revisions map[string]deploy.Revision
	books     books
	judging   *judging // of the open rollout; nil where nobody judges
	norms     norms    // what the revisions in service do
	asking    asking
	tidying   tidying
	ready     readinesses
	drilling  *drilling // nil: no drill runs
	work      work
	blindness blindness
	trouble   string // why the last save failed
	numbered  bool   // no number that is given out from here on has files of another revision
	stopping  bool   // down: nothing is wanted any more
	finished  bool   // removed

	shown atomic.Pointer[Status]
	held  atomic.Pointer[[]string] // claims, for the others
}

func newLoop(e *Engine, s deploy.State) *loop {
	l := &loop{e: e, name: s.Service, state: s, calls: make(chan func()), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		revisions: map[string]deploy.Revision{}}
	l.work.init(l)
	l.shown.Store(&Status{Service: s.Service, Instances: []InstanceStatus{}})
	l.held.Store(&[]string{})
	return l
}

// restore builds a loop from what is stored. Whatever time has passed since counts against nobody.
func (e *Engine) restore(s deploy.State) (*loop, error) {
	l := newLoop(e, s.Resumed(time.Now()))
	kept, err := e.o.Store.Revisions(s.Service)
	if err != nil {
		return nil, err
	}
	for _, r := range kept {
		r.Settings = r.Settings.Normalise() // by an older naru, that knew fewer of them
		l.revisions[r.ID] = r
		l.declared = r.Settings // where none of them serves, the last one's routing stands
	}
	norm, err := e.o.Store.Norm(s.Service)
	if err != nil {
		return nil, err
	}
	if err := l.norms.restore(norm); err != nil {
		return nil, err
	}
	records, err := e.o.Store.Records(s.Service)
	if err != nil {
		return nil, err
	}
	if len(records) > 0 {
		last := records[len(records)-1]
		l.books.record = &last
		if len(last.Ledger) > 0 {
			if err := json.Unmarshal(last.Ledger, &l.books.ledger); err != nil {
				return nil, err
			}
		}
		switch r, open := l.state.Open(); {
		case len(last.Judging) > 0:
			l.judging = &judging{}
			if err := json.Unmarshal(last.Judging, l.judging); err != nil {
				return nil, err
			}
		case open: // begun by an older naru, that judged otherwise
			l.judging = l.beginJudging(r, l.revisions[r.To].Settings, proxy.State{}, proxy.ServiceState{})
		}
	}
	l.work.interrupted(s)
	l.show(deploy.Observation{Now: time.Now()}, proxy.ServiceState{})
	return l, nil
}

// poke makes the loop look at the world soon.
func (l *loop) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// do runs f in the loop's goroutine, followed by a turn, and waits for f.
func (l *loop) do(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	select {
	case l.calls <- func() { done <- f() }:
		return <-done
	case <-l.ended:
		return conflict("%s is stopping", l.name)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *loop) run(ctx context.Context) {
	var jobs sync.WaitGroup
	l.work.begin(ctx, &jobs)
	defer jobs.Wait()
	defer close(l.ended)
	defer l.hush()
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for !l.finished {
		l.turn(ctx)
		select {
		case <-ctx.Done():
			return
		case f := <-l.calls:
			f()
		case <-l.wake:
			rest(ctx, quick)
		case <-beat.C:
		}
	}
	l.e.forget(l)
}

// rest waits a moment, so that a burst of changes costs one look.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// turn is one round: observe, decide, save, act.
func (l *loop) turn(ctx context.Context) {
	o, seen, err := l.observe(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.blind(err, o.Now)
		}
		return
	}
	if l.stopping {
		l.blindness = blindness{}
		l.wind(o)
		return
	}
	_, was := l.state.Open()
	next, acts := deploy.Decide(l.blindness.over(l.state, o.Now), o)
	events := deploy.Events(l.state, next, o.Now)
	books, counted := l.books.count(next, o, seen, l.judging.keep(o.Now, len(events) > 0))
	if err := l.save(next, events, books, counted); err != nil {
		if l.trouble == "" {
			l.e.log.Error("save", "service", l.name, "error", err)
		}
		l.trouble = err.Error()
		l.show(o, seen)
		return
	}
	l.trouble, l.blindness = "", blindness{}
	l.state, l.books = next, books
	l.giveUp(next.Picture(), o)
	for _, a := range acts {
		l.act(a)
	}
	l.route()
	if _, open := next.Open(); was && !open {
		l.tidying.due = time.Time{}
		l.ready.again()
	}
	l.tidy(o.Now)
	l.look(o)
	l.show(o, seen)
	if l.state.Removed && len(o.Instances) == 0 && l.drilling == nil {
		l.vanish()
	}
}

// save writes what has changed, if anything has that must survive.
func (l *loop) save(next deploy.State, events []deploy.Event, books books, counted bool) error {
	norm := l.norms.keep(time.Now())
	if norm == nil && !counted && len(events) == 0 && reflect.DeepEqual(lasting(l.state), lasting(next)) {
		return nil
	}
	turn := store.Turn{State: &next, Events: events, Norm: norm}
	if books.record != nil && next.Rollout != nil && next.Rollout.ID == books.record.Rollout.ID {
		turn.Records = []store.Record{*books.record}
	}
	numbered, err := l.e.o.Store.Save(turn)
	if err != nil {
		return err
	}
	l.e.hub.send(numbered)
	return nil
}

// lasting is a state without what only describes the present moment: it need not be written with every tick.
func lasting(s deploy.State) deploy.State {
	if s.Rollout != nil {
		r := *s.Rollout
		r.Waiting, r.Figures, r.Phase = "", nil, ""
		s.Rollout = &r
	}
	return s
}

// vanish forgets a removed service that has nothing left.
func (l *loop) vanish() {
	for _, r := range l.revisions {
		if err := l.e.o.Platform.Remove(context.Background(), r); err != nil {
			l.e.log.Warn("remove", "service", l.name, "revision", r.ID, "error", err)
		}
	}
	l.e.o.Dataplane.Unroute(l.name)
	if err := l.e.o.Store.Forget(l.name); err != nil {
		l.e.log.Error("forget", "service", l.name, "error", err)
		return
	}
	l.finished = true
}

// settings returns what a revision was deployed with.
func (l *loop) settings(revision string) (deploy.Service, bool) {
	r, ok := l.revisions[revision]
	return r.Settings, ok
}

// inForce is the revision whose routing the service follows: the candidate's from the beginning of its rollout, until it
// goes back.
func (l *loop) inForce() string {
	if r, open := l.state.Open(); open && !r.Returning {
		return r.To
	}
	return l.state.Stable
}
