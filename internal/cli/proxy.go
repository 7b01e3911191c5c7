//go:build linux

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/proxy/nethttp"
	"github.com/naru-deploy/naru/internal/proxy/supervisor"
)

// proxySettings is what serve writes down for the proxy that it starts: its sockets come as descriptors from 3 on, the
// plain ones first.
type proxySettings struct {
	HTTP    []string          `json:"http"`
	HTTPS   []string          `json:"https"`
	Pairs   []nethttp.KeyPair `json:"pairs,omitempty"`
	Trusted []netip.Prefix    `json:"trusted,omitempty"`
}

const proxySettingsFile = "proxy.json"

func proxyCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:    "proxy DIR",
		Short:  "The data plane; started by naru serve",
		Long:   "The data plane. naru serve starts it with its listening sockets and reaches it over a unix socket in DIR.",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runProxy(context.WithoutCancel(c.Context()), args[0], slog.New(slog.NewTextHandler(s.err, nil)))
		},
	}
}

// runProxy serves until it is told to stop. SIGTERM and a stop over the control socket are graceful.
func runProxy(ctx context.Context, dir string, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE)
	settings, err := readProxySettings(dir)
	if err != nil {
		return err
	}
	plain, secure, err := inherit(len(settings.HTTP), len(settings.HTTPS))
	if err != nil {
		return err
	}
	router := proxy.New(proxy.Options{ID: "local", Log: log})
	options := nethttp.Options{Router: router, Log: log, HTTP: plain, HTTPS: secure, TrustedProxies: settings.Trusted}
	if len(settings.Pairs) > 0 {
		if options.Certificates, err = nethttp.LoadCertificates(settings.Pairs...); err != nil {
			return err
		}
	}
	server, err := nethttp.New(options)
	if err != nil {
		return err
	}
	control, err := proxy.ListenControl(ctx, filepath.Join(dir, supervisor.Socket))
	if err != nil {
		return err
	}
	end := &ending{server: server, cancel: cancel, log: log}
	var wg sync.WaitGroup
	errs := make(chan error, 3)
	wg.Go(func() { errs <- router.Run(ctx) })
	wg.Go(func() { errs <- proxy.NewControl(router, end.begin).Serve(ctx, control) })
	wg.Go(func() {
		if routed(ctx, router) {
			errs <- server.Run(ctx)
		}
		cancel()
	})
	wg.Go(func() { end.signals(ctx, options.Certificates) })
	log.Info("proxy serves", "http", settings.HTTP, "https", settings.HTTPS, "pid", os.Getpid())
	wg.Wait()
	end.jobs.Wait()
	close(errs)
	var all error
	for err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// routed waits for the first table, and reports whether there is one before the context ends. Until then connections
// wait in the kernel's queue: a proxy that has just been started knows no service and would refuse every request.
func routed(ctx context.Context, r *proxy.Router) bool {
	for {
		changed := r.Changed()
		if r.State().Version > 0 {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// ending is the graceful end of a proxy; a second word to it while it goes on changes nothing, except for hurry.
type ending struct {
	server *nethttp.Server
	cancel context.CancelFunc
	log    *slog.Logger
	once   sync.Once
	jobs   sync.WaitGroup
}

func (e *ending) begin(timeout time.Duration) {
	if timeout <= 0 {
		e.cancel()
		return
	}
	e.once.Do(func() {
		e.jobs.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			if err := e.server.Shutdown(ctx); err != nil {
				e.log.Warn("requests were cut at the end", "error", err)
			}
			e.cancel()
		})
	})
}

// signals ends the proxy on SIGTERM and rereads certificates on SIGHUP.
func (e *ending) signals(ctx context.Context, certificates *nethttp.Certificates) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
	defer signal.Stop(ch)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-ch:
			switch {
			case s == syscall.SIGTERM:
				e.begin(30 * time.Second)
			case s == syscall.SIGHUP && certificates != nil:
				if err := certificates.Reload(); err != nil {
					e.log.Error("reread certificates", "error", err)
				}
			}
		}
	}
}

func readProxySettings(dir string) (proxySettings, error) {
	var settings proxySettings
	text, err := os.ReadFile(filepath.Join(dir, proxySettingsFile))
	if err != nil {
		return settings, fmt.Errorf("read the proxy's settings: %w; naru serve writes them and starts the proxy", err)
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		return settings, fmt.Errorf("read %s: %w", filepath.Join(dir, proxySettingsFile), err)
	}
	return settings, nil
}

// inherit takes over the listening sockets that serve has opened.
func inherit(plain, secure int) (http, https []net.Listener, err error) {
	for i := range plain + secure {
		f := os.NewFile(uintptr(3+i), fmt.Sprintf("socket %d", i))
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, nil, fmt.Errorf("take over socket %d: %w; the proxy is started by naru serve, not by hand", i, err)
		}
		if i < plain {
			http = append(http, l)
		} else {
			https = append(https, l)
		}
	}
	return http, https, nil
}
