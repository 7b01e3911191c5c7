// Package app is the part that the example programs share, and that a program
// needs to be deployed without a gap: it tells whether it is ready, and on
// SIGTERM it finishes what it has begun.
//
//	GET /healthz   200 when ready, 503 while starting
//	GET /version   the version, and as the header X-Version of every answer
package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/naru-deploy/naru/examples/fault"
)

// Program is one running copy of an example.
type Program struct {
	Name     string
	Version  string // --version, else NARU_VERSION, else "dev"
	Instance string // as naru calls it, from NARU_INSTANCE; else the process id
	Listen   string // --listen, else 127.0.0.1:$PORT
	Log      *log.Logger
}

// Service is what makes an example more than a health check.
type Service struct {
	Handler http.Handler
	// Leave is called once when the program is asked to stop, while requests
	// finish, and ends what would last for ever. It may be nil.
	Leave func()
}

// Parse reads the command line, to which the caller may have added flags.
func Parse(name string) Program {
	p := Program{Name: name, Instance: os.Getenv("NARU_INSTANCE")}
	flag.StringVar(&p.Version, "version", cmp.Or(os.Getenv("NARU_VERSION"), "dev"), "the `version` to be")
	flag.StringVar(&p.Listen, "listen", "", "the `address` to listen on (default 127.0.0.1:$PORT)")
	flag.Parse()
	if port := os.Getenv("PORT"); p.Listen == "" && port != "" {
		p.Listen = net.JoinHostPort("127.0.0.1", port)
	}
	if p.Instance == "" {
		p.Instance = fmt.Sprintf("%s-%d", name, os.Getpid())
	}
	p.Log = log.New(os.Stderr, name+" "+p.Version+": ", log.LstdFlags|log.Lmsgprefix)
	return p
}

// Main serves until SIGTERM or SIGINT, and exits with 1 when something failed.
func (p Program) Main(s Service) {
	if err := p.run(s); err != nil {
		p.Log.Fatal(err)
	}
}

// run checks what it was given, listens, and lives.
func (p Program) run(s Service) error {
	broken, err := fault.Parse(p.Version)
	if err != nil {
		return err
	}
	if after, crashes := broken.Crash(); crashes && after == 0 {
		return errors.New("crashing at once, on purpose")
	}
	if p.Listen == "" {
		return errors.New("no address to listen on: give --listen 127.0.0.1:8000 or set PORT")
	}
	listener, err := net.Listen("tcp", p.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", p.Listen, err)
	}
	p.Log.Printf("listening on %s", listener.Addr())
	return p.live(listener, broken, s)
}

// live is the life of a program: warm up, serve, and finish when asked to.
func (p Program) live(listener net.Listener, broken fault.Fault, s Service) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var ready atomic.Bool
	server := &http.Server{
		Handler:           p.versioned(fault.File(os.Getenv("FAULT_FILE")).Wrap(broken.Wrap(p.guard(&ready, s.Handler)))),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          p.Log,
	}
	served := make(chan error, 1)
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { served <- server.Serve(listener) })

	warm := time.After(broken.Warmup())
	var crash <-chan time.Time // never, for a program that does not crash
	if after, crashes := broken.Crash(); crashes {
		crash = time.After(after)
	}
	for {
		select {
		case <-warm:
			ready.Store(true)
			p.Log.Print("ready")
		case <-crash:
			server.Close()
			return errors.New("crashing after a while, on purpose")
		case err := <-served:
			return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
		case <-ctx.Done():
			stop() // a second signal kills, as if nobody had listened
			return p.finish(server, s)
		}
	}
}

// finish takes no new connection and waits for the requests that have begun,
// as long as they need: whoever sent the signal decides how long that may be.
//
// A request whose head comes in after the signal, over a connection that was
// open, is cut off by net/http without an answer. So a program cannot stop
// unnoticed on its own: whoever stands before it has to drain it first.
func (p Program) finish(server *http.Server, s Service) error {
	p.Log.Print("stopping: finishing what has begun")
	var leaving sync.WaitGroup
	if s.Leave != nil {
		leaving.Go(s.Leave)
	}
	err := server.Shutdown(context.Background())
	leaving.Wait()
	p.Log.Print("stopped")
	return err
}

// versioned names the version in every answer, the broken ones included.
func (p Program) versioned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", p.Version)
		next.ServeHTTP(w, r)
	})
}

// guard answers for the program itself, and lets other requests through once it
// is ready.
func (p Program) guard(ready *atomic.Bool, service http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		JSON(w, http.StatusOK, map[string]string{"name": p.Name, "version": p.Version, "instance": p.Instance})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("/", service)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ready.Load() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// JSON answers with a value.
func JSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error means that the client has gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(value)
}

// Error answers with a sentence that says what was wrong with the request.
func Error(w http.ResponseWriter, status int, sentence string) {
	JSON(w, status, map[string]string{"error": sentence})
}
