package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/store"
)

// world is platform and data plane at once: it may be away, slow to say whether a revision is ready, and its proxy finds the
// versions healthy that are. Engine and store around it are the real ones.
type world struct {
	Platform // what no test here needs of it is not there

	mu        sync.Mutex
	instances map[string]deploy.Instance
	versions  map[string]string // by instance
	routes    map[string]proxy.Route
	sick      string        // version
	away      error         // what List says
	asked     chan struct{} // somebody asks for readiness; nil: it is answered at once
	answer    chan struct{} // closed: it is answered
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) Prepare(context.Context, deploy.Revision) error       { return nil }
func (w *world) Moved(context.Context, deploy.Revision) (bool, error) { return false, nil }
func (w *world) Glance(deploy.Revision) ([]string, []deploy.Problem)  { return nil, nil }
func (w *world) Preparing(deploy.Revision) string                     { return "" }
func (w *world) FreePorts(deploy.PortSpan, int) (int, error)          { return 100, nil }
func (w *world) Remove(context.Context, deploy.Revision) error        { return nil }
func (w *world) Examine(context.Context, deploy.Revision) ([]string, []deploy.Problem) {
	return nil, nil
}

func (w *world) Holdings(context.Context, string) ([]platform.Holding, error) { return nil, nil }
func (w *world) Sweep(context.Context, time.Time, bool) ([]platform.Leftover, error) {
	return nil, nil
}

func (w *world) Readiness(deploy.Revision) error {
	w.mu.Lock()
	asked, answer := w.asked, w.answer
	w.mu.Unlock()
	if asked == nil {
		return nil
	}
	select {
	case asked <- struct{}{}:
	default:
	}
	<-answer
	return nil
}

func (w *world) Start(_ context.Context, id string, spec deploy.InstanceSpec) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, runs := w.instances[id]; !runs {
		w.versions[id] = spec.Version
		w.instances[id] = deploy.Instance{ID: id, Service: spec.Service, Revision: spec.Revision, Slot: spec.Slot, State: deploy.Running,
			Address: fmt.Sprintf("127.0.0.1:%d", 20000+len(w.versions)), Started: time.Now()}
	}
	return nil
}

func (w *world) Stop(_ context.Context, id string, _ time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.instances, id)
	return nil
}

func (w *world) List(_ context.Context, service string) (list []deploy.Instance, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(w.instances)) {
		if i := w.instances[id]; service == "" || i.Service == service {
			list = append(list, i)
		}
	}
	return list, w.away
}

func (w *world) Route(r proxy.Route) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.routes[r.Service] = r
}

func (w *world) Unroute(service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.routes, service)
}

func (w *world) State() (proxy.State, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := proxy.State{ID: "p1", Epoch: "e1", Version: 1}
	for _, name := range slices.Sorted(maps.Keys(w.routes)) {
		one := proxy.ServiceState{Service: name, Version: w.routes[name].Version}
		for _, b := range w.routes[name].Backends {
			health := proxy.Healthy
			if _, runs := w.instances[b.ID]; !runs || w.versions[b.ID] == w.sick {
				health = proxy.Unhealthy
			}
			one.Backends = append(one.Backends, proxy.BackendState{ID: b.ID, Address: b.Address, Revision: b.Revision, Health: health, Enabled: b.Enabled})
		}
		s.Services = append(s.Services, one)
	}
	return s, true
}

// begin runs an engine in a world until the test ends.
func begin(t *testing.T) (*Engine, *world) {
	t.Helper()
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{instances: map[string]deploy.Instance{}, versions: map[string]string{}, routes: map[string]proxy.Route{}}
	e, err := New(Options{Store: db, Platform: w, Dataplane: w, Ports: deploy.PortSpan{Low: 20000, High: 29999}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, w
}

// plainly are settings whose rollouts end as soon as the instances are there.
func plainly(service string) deploy.Service {
	off := false
	return deploy.Service{Instances: 1, Hosts: []string{service + ".test"}, Process: &deploy.Process{Command: []string{"./web"}},
		Strategy: deploy.Strategy{Rolling: &deploy.RollingOptions{Bake: new(deploy.Duration(0))}}, Analysis: deploy.Analysis{Enabled: &off}}.Normalise()
}

func (w *world) deploy(t *testing.T, e *Engine, service, version string, s deploy.Service) deploy.Rollout {
	t.Helper()
	answer, err := e.Deploy(t.Context(), DeployRequest{Service: service, Version: version, Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Rollout
}

// ended waits for the end of a rollout.
func ended(t *testing.T, e *Engine, r deploy.Rollout) deploy.Rollout {
	t.Helper()
	return await(t, "the end of "+r.ID, func() (deploy.Rollout, bool) {
		record, err := e.Record(r.Service, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return record.Rollout, !record.Rollout.Open()
	})
}

// await asks until something is as it should be.
func await[T any](t *testing.T, what string, ask func() (T, bool)) T {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		got, as := ask()
		if as {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s; %+v", what, got)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
