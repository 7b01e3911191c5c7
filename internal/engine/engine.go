// Package engine is the only shell around the pure core: it observes, decides, saves and acts.
//
// Every service has a loop of its own, one goroutine that is the sole writer of its state. A turn of the loop takes
// an observation (platform, proxy, tasks, verdict), asks deploy.Decide, saves what has changed and then carries out the
// actions. Each action may be repeated, so a controller that is killed at any moment and started again goes on where
// it was. A state that cannot be saved is not acted upon: traffic goes on, deployments wait.
package engine

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/store"
)

// Platform is what the engine needs of the place where instances run.
type Platform interface {
	platform.Platform
	// Readiness says why a revision could not be started now as it was, or nil.
	Readiness(rev deploy.Revision) error
	// Examine looks at what a revision takes from outside its settings: secrets, files of variables. problems keep its instances from being started; changed are the places in its settings whose value is not what
	// it was when the revision was prepared. One that is not prepared, or without an ID, has changed in nothing.
	Examine(ctx context.Context, rev deploy.Revision) (changed []string, problems []deploy.Problem)
	// Glance is Examine for who asks time and again: it runs no command and asks nobody.
	Glance(rev deploy.Revision) (changed []string, problems []deploy.Problem)
	// Moved reports whether the name of a revision's image means another image than when it was prepared.
	Moved(ctx context.Context, rev deploy.Revision) (bool, error)
	// Preparing says in words what Prepare of a revision is at now, for who waits for it: such as how much of an image is pulled.
	// Empty: nothing that takes long.
	Preparing(rev deploy.Revision) string
	// FreePorts counts the ports of a range that instances could be given now, and stops counting at enough.
	FreePorts(span deploy.PortSpan, enough int) (int, error)
}

// Dataplane is what the engine needs of the proxies.
type Dataplane interface {
	// Route makes a service's route the one that the proxies apply. It does not wait for them.
	Route(r proxy.Route)
	// Unroute takes a service out of the table.
	Unroute(service string)
	// State is the last word of the proxy, and whether it can be reached now.
	State() (proxy.State, bool)
}

// Options are what an engine works with.
type Options struct {
	Store     *store.Store
	Platform  Platform
	Dataplane Dataplane
	Ports     deploy.PortSpan
	Log       *slog.Logger
}

// Engine runs the services of one machine.
type Engine struct {
	o   Options
	log *slog.Logger
	hub *hub

	opening sync.Mutex // one rollout begins at a time: what it claims is checked against all others

	mu      sync.Mutex
	loops   map[string]*loop
	gone    map[string]deploy.State // removed services: their numbers go on where they come back
	run     context.Context
	running sync.WaitGroup
}

// New reads the stored services. Nothing runs before Run.
func New(o Options) (*Engine, error) {
	e := &Engine{o: o, log: o.Log, hub: newHub(), loops: map[string]*loop{}, gone: map[string]deploy.State{}}
	states, err := o.Store.States()
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		if s.Gone {
			e.gone[s.Service] = s
			continue
		}
		l, err := e.restore(s)
		if err != nil {
			return nil, err
		}
		e.loops[s.Service] = l
	}
	return e, nil
}

// Run keeps every service as it should be until the context ends, and returns when all that it started has ended.
// Instances and proxies go on.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.run = ctx
	for _, l := range e.loops {
		e.start(l)
	}
	e.running.Go(func() { e.keepHouse(ctx) })
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	e.run = nil // no loop is started from here on
	e.mu.Unlock()
	e.running.Wait()
	e.hub.close()
	return nil
}

func (e *Engine) start(l *loop) {
	if ctx := e.run; ctx != nil {
		e.running.Go(func() { l.run(ctx) })
	}
}

// Wake makes every service look at the world at once.
func (e *Engine) Wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.loops {
		l.poke()
	}
}

// Declare makes a service of the file known; it is called before Run. One that is stored already keeps what is stored:
// the returned settings are those in force, nil for a service without a revision.
func (e *Engine) Declare(name string, settings deploy.Service) (inForce *deploy.Service) {
	l := e.ensure(name, settings)
	if s, ok := l.settings(l.inForce()); ok {
		return &s
	}
	l.declared = settings
	return nil
}

// ensure returns the loop of a service, a new one for a service that is not known yet.
func (e *Engine) ensure(name string, settings deploy.Service) *loop {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, ok := e.loops[name]; ok {
		return l
	}
	was := e.gone[name]
	delete(e.gone, name)
	l := newLoop(e, deploy.State{Service: name, Rest: deploy.Picture{Service: name}, Revisions: was.Revisions, Rollouts: was.Rollouts})
	l.declared = settings
	l.held.Store(new(l.claims()))
	e.loops[name] = l
	e.start(l)
	return l
}

// loop returns the loop of a service.
func (e *Engine) loop(service string) (*loop, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, ok := e.loops[service]
	if !ok {
		return nil, notFound("there is no service %q; known are: %s", service, list(slices.Sorted(maps.Keys(e.loops))))
	}
	return l, nil
}

func (e *Engine) all() []*loop {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*loop
	for _, name := range slices.Sorted(maps.Keys(e.loops)) {
		out = append(out, e.loops[name])
	}
	return out
}

// forget takes a removed service out, once its loop has ended.
func (e *Engine) forget(l *loop) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.loops[l.name] == l {
		delete(e.loops, l.name)
		e.gone[l.name] = deploy.State{Service: l.name, Gone: true, Revisions: l.state.Revisions, Rollouts: l.state.Rollouts}
	}
}

// Statuses returns the status of every service.
func (e *Engine) Statuses() []Status {
	out := []Status{}
	for _, l := range e.all() {
		out = append(out, l.status())
	}
	return out
}

// Status returns the status of one service.
func (e *Engine) Status(service string) (Status, error) {
	l, err := e.loop(service)
	if err != nil {
		return Status{}, err
	}
	return l.status(), nil
}

// Revisions returns the kept revisions of a service, oldest first.
func (e *Engine) Revisions(service string) ([]deploy.Revision, error) {
	if _, err := e.loop(service); err != nil {
		return nil, err
	}
	return e.o.Store.Revisions(service)
}

// Records returns the rollouts of a service, oldest first, the open one included.
func (e *Engine) Records(service string) ([]store.Record, error) {
	if _, err := e.loop(service); err != nil {
		return nil, err
	}
	return e.o.Store.Records(service)
}

// Record returns one rollout; "" is the last one.
func (e *Engine) Record(service, id string) (store.Record, error) {
	records, err := e.Records(service)
	if err != nil {
		return store.Record{}, err
	}
	if id == "" && len(records) > 0 {
		return records[len(records)-1], nil
	}
	for _, r := range records {
		if r.Rollout.ID == id {
			return r, nil
		}
	}
	return store.Record{}, notFound("%s has no rollout %q; naru history %s lists them", service, id, service)
}

// Logs reads the output of an instance.
func (e *Engine) Logs(ctx context.Context, id string, o platform.LogOptions) (io.ReadCloser, error) {
	return e.o.Platform.Logs(ctx, id, o)
}

// Events returns stored events after a number, and a channel of those that follow until the context ends.
func (e *Engine) Events(ctx context.Context, after uint64) ([]store.Event, <-chan store.Event, error) {
	ch := e.hub.subscribe(ctx)
	past, err := e.o.Store.Events(after, 100_000)
	return past, ch, err
}

// State returns the state of a service as it stands, for a plan from here; that of an unknown service is empty.
func (e *Engine) State(ctx context.Context, service string) (state deploy.State, err error) {
	l, err := e.loop(service)
	if err != nil {
		return deploy.State{Service: service}, nil
	}
	err = l.do(ctx, func() error { state = l.state; return nil })
	return state, err
}

const (
	tick  = 200 * time.Millisecond // between two looks when nothing calls
	quick = 20 * time.Millisecond  // at least this long between two looks
)
