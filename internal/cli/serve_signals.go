//go:build linux

package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// obey ends serve: alone on SIGTERM, with everything on Ctrl-C or naru down.
func (s *server) obey(ctx context.Context, cancel context.CancelFunc, signals <-chan os.Signal) {
	down := false
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
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
