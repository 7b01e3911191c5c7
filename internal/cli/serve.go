//go:build linux

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/engine"
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
			signals := make(chan os.Signal, 4) // heard from the beginning: one that comes while serve starts counts as well
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
			defer signal.Stop(signals)
			srv, err := newServer(file, s)
			if err != nil {
				return err
			}
			return srv.run(context.WithoutCancel(c.Context()), signals) // it minds its signals itself
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
	platform *platforms
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
	if srv.platform, err = openPlatforms(file.Server.State, srv.log, func(string) { srv.wake() }); err != nil {
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

// run serves until a signal ends it.
func (s *server) run(ctx context.Context, signals <-chan os.Signal) error {
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
	wg.Go(func() { s.obey(ctx, cancel, signals) })
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
