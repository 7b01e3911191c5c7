package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/platform/process"
	"github.com/naru-deploy/naru/internal/proxy/nethttp"
	"github.com/naru-deploy/naru/internal/proxy/supervisor"
	"github.com/naru-deploy/naru/internal/store"
)

func serveCommand(s *shell) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "serve -f naru.yaml",
		Short: "Run the control plane and the data plane, in the foreground",
		Long: `Runs the controller and starts, or adopts, the proxy and the instances.

Ctrl-C drains and stops everything, as naru down does; a second one skips the draining. SIGTERM ends the controller alone:
proxy and instances go on and are adopted by the next serve, so a service manager may restart it at no cost. SIGHUP rereads
the certificates and the admin token.`,
		Example: "  naru serve\n  naru serve -f /etc/naru/naru.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			srv, err := newServer(file, s)
			if err != nil {
				return err
			}
			return srv.run(context.WithoutCancel(c.Context())) // it minds its signals itself
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "naru.yaml", "the configuration")
	return c
}

// server is a serve: the only place that wires the rooms together.
type server struct {
	file     *config.File
	out      *shell
	log      *slog.Logger
	store    *store.Store
	admin    net.Listener
	sockets  *sockets
	proxy    *supervisor.Supervisor
	platform *process.Platform
	engine   *engine.Engine
	stopping chan bool // down was asked for; true: without draining
	jobs     *sync.WaitGroup
	token    atomic.Pointer[string]
}

// newServer opens everything that can be refused, before anything runs.
func newServer(path string, s *shell) (_ *server, err error) {
	file, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	if err := file.CheckFiles(); err != nil {
		return nil, err
	}
	srv := &server{file: file, out: s, log: slog.New(slog.NewTextHandler(s.err, nil)), stopping: make(chan bool, 2)}
	defer func() {
		if err != nil {
			srv.close()
		}
	}()
	if err := srv.readToken(); err != nil {
		return nil, err
	}
	if err := srv.openState(); err != nil {
		return nil, err
	}
	if srv.admin, err = listen(file.Server.Admin); err != nil {
		return nil, err
	}
	if err := srv.wireProxy(); err != nil {
		return nil, err
	}
	if srv.platform, err = process.New(process.Options{Dir: filepath.Join(file.Server.State, "process"), Log: srv.log,
		Changed: func(string) { srv.wake() }}); err != nil {
		return nil, err
	}
	srv.engine, err = engine.New(engine.Options{Store: srv.store, Platform: srv.platform, Dataplane: srv.proxy, Ports: file.Server.Ports, Log: srv.log})
	if err != nil {
		return nil, err
	}
	return srv, nil
}

// wake is called by the platform and the proxy, also before the engine is there.
func (s *server) wake() {
	if s.engine != nil {
		s.engine.Wake()
	}
}

// openState opens the store and leaves our number there, so that a second serve can say who was first.
func (s *server) openState() error {
	dir, pid := s.file.Server.State, filepath.Join(s.file.Server.State, "serve.pid")
	db, err := store.Open(dir)
	if errors.Is(err, store.ErrLocked) {
		who, _ := os.ReadFile(pid)
		return fmt.Errorf("%w (pid %s); stop that one, or give this one another server.state", err, orUnknown(string(bytes.TrimSpace(who))))
	}
	if err != nil {
		return err
	}
	s.store = db
	return os.WriteFile(pid, []byte(strconv.Itoa(os.Getpid())), 0o600)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// wireProxy prepares the data plane. One that is running already is adopted; otherwise its addresses are opened
// now, so that an address that is taken is found out before anything starts.
func (s *server) wireProxy() error {
	c := s.file.Server
	dir := filepath.Join(c.State, "proxy")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the proxy's folder: %w", err)
	}
	stored, err := s.store.States()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program of naru itself: %w", err)
	}
	s.sockets = &sockets{addresses: append(slices.Clone(c.HTTP), c.HTTPS...)}
	s.proxy = supervisor.New(supervisor.Options{Dir: dir, Command: []string{exe, "proxy", dir}, Sockets: s.sockets.open, Log: s.log,
		Changed: s.wake, Expect: s.names(stored)})
	settings := proxySettings{HTTP: c.HTTP, HTTPS: c.HTTPS, Trusted: c.TrustedProxies, Pairs: pairs(c.TLS)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if state, err := s.proxy.Client().State(ctx); err == nil {
		s.compareProxy(dir, settings)
		s.log.Info("adopted the running proxy", "pid", state.PID)
		return nil
	}
	if _, err := s.sockets.open(); err != nil {
		return err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, proxySettingsFile), text, 0o600)
}

// compareProxy says which settings a proxy that goes on cannot take over.
func (s *server) compareProxy(dir string, want proxySettings) {
	have, err := readProxySettings(dir)
	if err == nil && !reflect.DeepEqual(have, want) {
		fmt.Fprintf(s.out.err, "naru: the running proxy keeps its addresses and certificates of %s; naru down and naru serve make it follow the file\n", strings.Join(append(have.HTTP, have.HTTPS...), ", "))
	}
}

func pairs(t config.TLS) (out []nethttp.KeyPair) {
	if t.Default != (config.KeyPair{}) {
		out = append(out, nethttp.KeyPair{Cert: t.Default.Cert, Key: t.Default.Key})
	}
	for host, p := range t.Hosts {
		out = append(out, nethttp.KeyPair{Host: host, Cert: p.Cert, Key: p.Key})
	}
	slices.SortFunc(out, func(a, b nethttp.KeyPair) int { return strings.Compare(a.Host, b.Host) })
	return out
}

// names are the services whose routes the first table must hold.
func (s *server) names(stored []deploy.State) []string {
	names := slices.Clone(s.file.Order)
	for _, state := range stored {
		if !slices.Contains(names, state.Service) {
			names = append(names, state.Service)
		}
	}
	return names
}

// run serves until a signal ends it.
func (s *server) run(ctx context.Context) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, name := range s.file.Order {
		if inForce := s.engine.Declare(name, s.file.Services[name]); inForce != nil && !reflect.DeepEqual(*inForce, s.file.Services[name]) {
			fmt.Fprintf(s.out.err, "naru: %s runs with the settings that it was deployed with; the file differs, which the next naru deploy %s takes over\n", name, name)
		}
	}
	handler := s.handler()
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	launch := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				errs <- err
				cancel()
			}
		})
	}
	s.jobs = &wg
	launch(s.proxy.Run)
	launch(s.platform.Run)
	launch(s.engine.Run)
	launch(func(ctx context.Context) error { return handler.Serve(ctx, s.admin) })
	wg.Go(func() { s.signals(ctx, cancel) })
	s.hello()
	wg.Wait()
	close(errs)
	return <-errs
}

// hello says where everything is.
func (s *server) hello() {
	c := s.file.Server
	say := func(what string, addresses []string) {
		if len(addresses) > 0 {
			fmt.Fprintf(s.out.out, "%-9s %s\n", what, strings.Join(addresses, ", "))
		}
	}
	say("http", c.HTTP)
	say("https", c.HTTPS)
	say("admin", []string{"http://" + s.admin.Addr().String()})
	say("state", []string{c.State})
	for _, status := range s.engine.Statuses() {
		version := "nothing deployed yet: naru deploy " + status.Service + " VERSION"
		if status.Stable != nil {
			version = status.Stable.Revision + " (" + status.Stable.Version + ")"
		}
		fmt.Fprintf(s.out.out, "%-9s %s\n", status.Service, version)
	}
}

// signals ends serve: alone on SIGTERM, with everything on Ctrl-C or naru down.
func (s *server) signals(ctx context.Context, cancel context.CancelFunc) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
	defer signal.Stop(ch)
	down := false
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-ch:
			switch sig {
			case syscall.SIGTERM:
				cancel()
				return
			case syscall.SIGHUP:
				s.reread()
			default:
				s.stopping <- down
			}
		case now := <-s.stopping:
			if !down || now {
				down = true
				s.jobs.Go(func() { s.down(cancel, now) })
			}
		}
	}
}

// down drains and stops everything: first the listeners close and what is in flight finishes, then the instances
// end, then the controller. Said again with now, it hurries the one that is under way.
func (s *server) down(cancel context.CancelFunc, now bool) {
	defer cancel()
	timeout := patience(s.file)
	if now {
		timeout = 0
	}
	fmt.Fprintf(s.out.err, "naru: stopping, draining for at most %s; once more stops at once\n", timeout)
	ctx, done := context.WithTimeout(context.Background(), 10*time.Minute)
	defer done()
	s.sockets.close() // nobody accepts from them any more, so they must not take connections
	if err := s.proxy.Stop(ctx, timeout); err != nil {
		s.log.Error("stop the proxy", "error", err)
	}
	if err := s.engine.Down(ctx, now); err != nil {
		s.log.Error("stop instances", "error", err)
	}
}

// reread takes over what a running server can: the admin token here, certificates in the proxy.
func (s *server) reread() {
	if err := s.readToken(); err != nil {
		s.log.Error("reread the admin token; the one before stays", "error", err)
	}
	if state, reached := s.proxy.State(); reached {
		if err := syscall.Kill(state.PID, syscall.SIGHUP); err != nil {
			s.log.Error("tell the proxy to reread its certificates", "error", err)
		}
	}
}

// readToken reads the file that the API's token stands in, if the file names one.
func (s *server) readToken() error {
	path := s.file.Server.AdminTokenFile
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return fmt.Errorf("the admin token file %s is empty; write a long random word into it", path)
	}
	s.token.Store(&token)
	return nil
}

func (s *server) handler() *api.Server {
	host, _, _ := net.SplitHostPort(s.file.Server.Admin)
	return api.NewServer(api.Options{Engine: s.engine, Version: Version(), Log: s.log, Hosts: []string{host}, Folder: filepath.Dir(s.file.Path),
		Token: func() string {
			if t := s.token.Load(); t != nil {
				return *t
			}
			return ""
		},
		Metrics: s.proxy.Client().Metrics,
		Down: func(_ context.Context, now bool) error {
			s.stopping <- now
			return nil
		}})
}

func (s *server) close() {
	if s.admin != nil {
		s.admin.Close()
	}
	if s.sockets != nil {
		s.sockets.close()
	}
	if s.store != nil {
		s.store.Close()
	}
}
