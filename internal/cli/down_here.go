//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/proxy/supervisor"
	"github.com/naru-deploy/naru/internal/store"
)

// down asks the serve that holds the state folder, and does its work where there is none.
func (s *shell) down(ctx context.Context, f *config.File, now bool) error {
	db, err := store.Open(f.Server.State)
	switch {
	case errors.Is(err, store.ErrLocked):
		return s.askDown(ctx, f, now)
	case err != nil: // what runs can be stopped without knowing what was deployed
		fmt.Fprintf(s.err, "naru: %v\n", err)
	default:
		defer db.Close()
	}
	return s.clear(ctx, f, now)
}

// askDown tells the running serve and waits until it has let go of the state folder.
func (s *shell) askDown(ctx context.Context, f *config.File, now bool) error {
	if err := s.tellDown(ctx, f, now); err != nil {
		return err
	}
	for {
		db, err := store.Open(f.Server.State)
		if err == nil {
			s.say("stopped")
			return db.Close()
		}
		if !errors.Is(err, store.ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no longer waiting; naru goes on stopping: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// clear stops a proxy and instances that no controller looks after.
func (s *shell) clear(ctx context.Context, f *config.File, now bool) error {
	p := proxy.Client{Path: filepath.Join(f.Server.State, "proxy", supervisor.Socket)}
	timeout := patience(f)
	if now {
		timeout = 0
	}
	if state, err := p.State(ctx); err == nil {
		if err := p.Stop(ctx, timeout); err != nil {
			return fmt.Errorf("stop the proxy: %w", err)
		}
		for syscall.Kill(state.PID, 0) == nil && ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
		}
	}
	platform, err := openPlatforms(f.Server.State, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	defer platform.docker.Close()
	instances, err := platform.List(ctx, "")
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all error
	for _, i := range instances {
		wg.Go(func() {
			err := platform.Stop(ctx, i.ID, grace(f, i))
			mu.Lock()
			all = errors.Join(all, err)
			mu.Unlock()
		})
	}
	wg.Wait()
	s.say("stopped %d instances; no serve was running", len(instances))
	return all
}

func grace(f *config.File, i deploy.Instance) time.Duration {
	if settings, ok := f.Services[i.Service]; ok {
		return settings.StopTimeout.D()
	}
	return 10 * time.Second
}

// patience is the longest drain that a service of the file asks for.
func patience(f *config.File) (longest time.Duration) {
	longest = time.Second
	for _, settings := range f.Services {
		longest = max(longest, settings.DrainTimeout.D())
	}
	return longest
}
