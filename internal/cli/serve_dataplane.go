//go:build linux

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy/nethttp"
	"github.com/naru-deploy/naru/internal/proxy/supervisor"
	"github.com/naru-deploy/naru/internal/store"
)

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
	settings := proxySettings{HTTP: c.HTTP, HTTPS: c.HTTPS, Trusted: c.TrustedProxies, Pairs: pairs(c.TLS)}
	s.proxy = supervisor.New(supervisor.Options{Dir: dir, Command: []string{exe, "proxy", dir}, Log: s.log, Changed: s.wake, Expect: s.names(stored),
		Sockets: func() ([]*os.File, error) { return s.handDown(dir, settings) }})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if state, err := s.proxy.Client().State(ctx); err == nil {
		s.compareProxy(dir, settings)
		s.log.Info("adopted the running proxy", "pid", state.PID)
		return nil
	}
	_, err = s.sockets.open()
	return err
}

// handDown returns the sockets for a new proxy and writes down which is which: both of the same file, also where the
// proxy before it was an adopted one with other addresses.
func (s *server) handDown(dir string, settings proxySettings) ([]*os.File, error) {
	files, err := s.sockets.open()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	return files, os.WriteFile(filepath.Join(dir, proxySettingsFile), text, 0o600)
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
