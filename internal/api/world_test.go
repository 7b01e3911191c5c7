package api

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is platform and data plane at once: instances run as soon as they are started, and the proxy sees them healthy
// unless their version is "sick". The engine and the store around it are the real ones.
type world struct {
	mu        sync.Mutex
	instances map[string]deploy.Instance
	versions  map[string]string // by instance
	routes    map[string]proxy.Route
	logs      map[string]string
	ports     int
}

func newWorld() *world {
	return &world{instances: map[string]deploy.Instance{}, versions: map[string]string{}, routes: map[string]proxy.Route{}, logs: map[string]string{}, ports: 20000}
}

func (w *world) Prepare(context.Context, deploy.Revision) error       { return nil }
func (w *world) Moved(context.Context, deploy.Revision) (bool, error) { return false, nil }
func (w *world) Glance(deploy.Revision) ([]string, []deploy.Problem)  { return nil, nil }
func (w *world) Examine(context.Context, deploy.Revision) ([]string, []deploy.Problem) {
	return nil, nil
}
func (w *world) Readiness(deploy.Revision) error               { return nil }
func (w *world) Remove(context.Context, deploy.Revision) error { return nil }
func (w *world) Preparing(deploy.Revision) string              { return "" }
func (w *world) FreePorts(deploy.PortSpan, int) (int, error)   { return 100, nil }

func (w *world) Holdings(context.Context, string) ([]platform.Holding, error) { return nil, nil }

func (w *world) Sweep(context.Context, time.Time, bool) ([]platform.Leftover, error) {
	return nil, nil
}

func (w *world) Start(_ context.Context, id string, spec deploy.InstanceSpec) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, runs := w.instances[id]; !runs {
		w.ports++
		w.versions[id] = spec.Version
		w.instances[id] = deploy.Instance{ID: id, Service: spec.Service, Revision: spec.Revision, Slot: spec.Slot, State: deploy.Running,
			Address: fmt.Sprintf("127.0.0.1:%d", w.ports), Started: time.Now()}
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
	return list, nil
}

// print adds a line to the log of an instance.
func (w *world) print(id, line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[id] += line + "\n"
}

func (w *world) Logs(ctx context.Context, id string, o platform.LogOptions) (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, kept := w.logs[id]; !kept {
		return nil, fmt.Errorf("logs of %s: %w", id, fs.ErrNotExist)
	}
	return &worldLog{ctx: ctx, w: w, id: id, follow: o.Follow}, nil
}

// worldLog reads a log from its beginning.
type worldLog struct {
	ctx    context.Context
	w      *world
	id     string
	at     int
	follow bool
}

func (l *worldLog) Read(b []byte) (int, error) {
	for l.ctx.Err() == nil {
		l.w.mu.Lock()
		n := copy(b, l.w.logs[l.id][l.at:])
		l.w.mu.Unlock()
		l.at += n
		if n > 0 {
			return n, nil
		}
		if !l.follow {
			break
		}
		select {
		case <-l.ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return 0, io.EOF
}

func (l *worldLog) Close() error { return nil }

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
		r := w.routes[name]
		one := proxy.ServiceState{Service: name, Version: r.Version}
		for _, b := range r.Backends {
			health := proxy.Healthy
			if _, runs := w.instances[b.ID]; !runs || w.versions[b.ID] == "sick" {
				health = proxy.Unhealthy
			}
			one.Backends = append(one.Backends, proxy.BackendState{ID: b.ID, Address: b.Address, Revision: b.Revision, Health: health, Enabled: b.Enabled})
		}
		s.Services = append(s.Services, one)
	}
	return s, true
}

// running is a server in a world, and the client of its address.
type running struct {
	*Client
	world  *world
	engine *engine.Engine
	server *Server
	addr   string
	stop   func() // ends the server; the engine goes on
}

// start runs a server until the test ends. change may alter what it works with.
func start(t *testing.T, listen string, change func(*Options)) *running {
	t.Helper()
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	e, err := engine.New(engine.Options{Store: db, Platform: w, Dataplane: w, Ports: deploy.PortSpan{Low: 20000, High: 29999}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("run engine: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	r := serve(t, e, listen, change)
	r.world = w
	return r
}

// serve puts a server before an engine.
func serve(t *testing.T, e *engine.Engine, listen string, change func(*Options)) *running {
	t.Helper()
	o := Options{Engine: e, Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Folder: "/srv",
		Down:    func(context.Context, bool) error { return nil },
		Metrics: func(context.Context) ([]byte, error) { return []byte("naru_held{service=\"web\"} 0\n"), nil }}
	if change != nil {
		change(&o)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(o)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(ctx, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	r := &running{engine: e, server: s, addr: l.Addr().String()}
	r.Client = &Client{Addr: r.addr, http: http.Client{Transport: &http.Transport{}}}
	r.stop = func() {
		cancel()
		serving.Wait()
		r.http.CloseIdleConnections()
	}
	t.Cleanup(r.stop)
	return r
}

// quickly are settings whose rollouts end as soon as the instances are there.
const quickly = `{"instances":2,"process":{"command":["./web","${VERSION}"],"dir":"/srv"},"strategy":{"rolling":{"bake":"0s"}},"analysis":{"enabled":false}}`

// asking are settings whose rollouts wait for a person.
const asking = `{"instances":1,"process":{"command":["./web","${VERSION}"],"dir":"/srv"},"strategy":{"blue_green":{"bake":"0s","approve":true}},"analysis":{"enabled":false}}`

func (r *running) begin(t *testing.T, service, version, settings string) Rollout {
	t.Helper()
	out, err := r.Deploy(t.Context(), service, Deployment{Version: version, Service: []byte(settings), Message: "by test"})
	if err != nil {
		t.Fatalf("deploy %s %s: %v", service, version, err)
	}
	return out
}

// await waits until a rollout is as it should be.
func (r *running) await(t *testing.T, service, id string, as func(Rollout) bool) Rollout {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		out, err := r.Rollout(t.Context(), service, id)
		if err != nil {
			t.Fatalf("look at %s: %v", id, err)
		}
		if as(out) {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("rollout %s is still %+v", id, out)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func hasEnded(r Rollout) bool { return !r.Open() }

// send makes a request by hand and returns status and body.
func (r *running) send(t *testing.T, method, path, body string, header ...string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, "http://"+strings.Replace(r.addr, "[::]", "127.0.0.1", 1)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if q.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			q.Host = header[i+1]
		}
	}
	answer, err := r.http.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
