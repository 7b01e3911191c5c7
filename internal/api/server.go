package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/naru-deploy/naru/internal/engine"
)

// Options are what a server works with.
type Options struct {
	Engine  *engine.Engine
	Version string // of naru
	Log     *slog.Logger

	Token  func() string // that requests must carry when the address is not loopback; asked at each of them. nil: none
	Hosts  []string      // names that this server is reached by, in addition to localhost and IP addresses
	Folder string        // where relative paths in posted settings begin

	// Down stops everything; now: without draining. It is called for POST /v1/down, which answers when it returns.
	Down func(ctx context.Context, now bool) error
	// Metrics returns what the proxy exposes, in Prometheus' text format.
	Metrics func(ctx context.Context) ([]byte, error)
}

// Server answers the API, /metrics and /healthz.
type Server struct {
	o       Options
	mux     *http.ServeMux
	closing context.Context // done when streams are to end
	close   context.CancelFunc
}

// NewServer makes a server. Nothing listens before Serve.
func NewServer(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux()}
	s.closing, s.close = context.WithCancel(context.Background())
	config := huma.DefaultConfig("naru", o.Version)
	config.Info.Description = "Deployments without downtime: services, rollouts, events."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "/v1/openapi", "", ""
	config.CreateHooks = nil // no $schema in answers
	config.Transformers = []huma.Transformer{enveloped}
	describeVariables(config.Components.Schemas)
	a := humago.New(s.mux, config)
	s.routes(a)
	s.mux.Handle("GET /metrics", s.metrics())
	s.mux.HandleFunc("GET /healthz", s.health)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, engine.NotFound, "there is no %s; /v1/openapi.json lists what there is", r.URL.Path)
	})
	return s
}

// Serve answers requests on l until ctx is done, then lets those in flight finish, at most 5 s. It may be called once. An
// address that is not loopback is refused without a token.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	local := loopback(l.Addr())
	if !local && s.token() == "" {
		return errors.Join(fmt.Errorf("%s can be reached from other machines and needs a token: name a file that holds one with server.admin_token_file, or listen on 127.0.0.1", l.Addr()), l.Close())
	}
	server := &http.Server{
		Handler:           s.guard(local, s.mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		s.close()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		ended <- errors.Join(server.Shutdown(bounded), server.Close())
	})
	err := server.Serve(l)
	if !stop() {
		return <-ended // ctx is done: Serve only says that it was closed
	}
	return fmt.Errorf("serve the admin address %s: %w", l.Addr(), err)
}

func (s *Server) token() string {
	if s.o.Token == nil {
		return ""
	}
	return s.o.Token()
}

// health says that the control plane answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// until bounds the context of a stream by the life of the server.
func (s *Server) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(s.closing, cancel)
	return ctx, func() { forget(); cancel() }
}
