//go:build linux

package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/docker"
	"github.com/naru-deploy/naru/internal/platform/process"
)

var _ engine.Platform = (*platforms)(nil)

// platforms sends each revision to the platform that its settings name. A service may have instances on both, while it
// moves from one to the other.
type platforms struct {
	process *process.Platform
	docker  *docker.Platform
	ports   *platform.Ports
}

// openPlatforms opens both in the state folder. Docker is not asked before a revision wants it.
func openPlatforms(state string, log *slog.Logger, changed func(string)) (*platforms, error) {
	ports := &platform.Ports{}
	p, err := process.New(process.Options{Dir: filepath.Join(state, "process"), Ports: ports, Log: log, Changed: changed})
	if err != nil {
		return nil, err
	}
	d, err := docker.New(docker.Options{Dir: filepath.Join(state, "docker"), Ports: ports, Log: log, Changed: changed})
	if err != nil {
		return nil, err
	}
	return &platforms{p, d, ports}, nil
}

// ready is one of the two: ports belong to both together.
type ready interface {
	platform.Platform
	Readiness(rev deploy.Revision) error
	Examine(ctx context.Context, rev deploy.Revision) (changed []string, problems []deploy.Problem)
	Glance(rev deploy.Revision) (changed []string, problems []deploy.Problem)
	Moved(ctx context.Context, rev deploy.Revision) (bool, error)
}

func (p *platforms) of(s deploy.Service) ready {
	if s.Docker != nil {
		return p.docker
	}
	return p.process
}

// Run attends to the instances of both until the context ends.
func (p *platforms) Run(ctx context.Context) error {
	defer p.docker.Close()
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return p.process.Run(ctx) })
	both.Go(func() error { return p.docker.Run(ctx) })
	return both.Wait()
}

func (p *platforms) Prepare(ctx context.Context, rev deploy.Revision) error {
	return p.of(rev.Settings).Prepare(ctx, rev)
}

// Preparing has nothing to say of processes: what their artifact takes is over before anybody asks.
func (p *platforms) Preparing(rev deploy.Revision) string {
	if rev.Settings.Docker == nil {
		return ""
	}
	return p.docker.Preparing(rev)
}

func (p *platforms) Readiness(rev deploy.Revision) error {
	return p.of(rev.Settings).Readiness(rev)
}

func (p *platforms) Examine(ctx context.Context, rev deploy.Revision) ([]string, []deploy.Problem) {
	return p.of(rev.Settings).Examine(ctx, rev)
}

func (p *platforms) Moved(ctx context.Context, rev deploy.Revision) (bool, error) {
	return p.of(rev.Settings).Moved(ctx, rev)
}

func (p *platforms) Glance(rev deploy.Revision) ([]string, []deploy.Problem) {
	return p.of(rev.Settings).Glance(rev)
}

func (p *platforms) Start(ctx context.Context, id string, spec deploy.InstanceSpec) error {
	return p.of(spec.Settings).Start(ctx, id, spec)
}

// Remove looks on both for a revision whose settings nobody has any more.
func (p *platforms) Remove(ctx context.Context, rev deploy.Revision) error {
	if rev.Settings.Docker == nil && rev.Settings.Process == nil {
		return errors.Join(p.process.Remove(ctx, rev), p.docker.Remove(ctx, rev))
	}
	return p.of(rev.Settings).Remove(ctx, rev)
}

func (p *platforms) Holdings(ctx context.Context, service string) ([]platform.Holding, error) {
	files, err := p.process.Holdings(ctx, service)
	images, failed := p.docker.Holdings(ctx, service)
	return append(files, images...), errors.Join(err, failed)
}

func (p *platforms) Sweep(ctx context.Context, logsBefore time.Time, dry bool) ([]platform.Leftover, error) {
	files, err := p.process.Sweep(ctx, logsBefore, dry)
	images, failed := p.docker.Sweep(ctx, logsBefore, dry)
	return append(files, images...), errors.Join(err, failed)
}

func (p *platforms) FreePorts(span deploy.PortSpan, enough int) (int, error) {
	return p.ports.Free(span, enough)
}

// Stop does not know the settings, and need not: to stop what is not there is no error.
func (p *platforms) Stop(ctx context.Context, id string, grace time.Duration) error {
	return errors.Join(p.process.Stop(ctx, id, grace), p.docker.Stop(ctx, id, grace))
}

// List fails when one of them cannot say: half a list would look like instances that are gone.
func (p *platforms) List(ctx context.Context, service string) ([]deploy.Instance, error) {
	processes, err := p.process.List(ctx, service)
	if err != nil {
		return nil, err
	}
	containers, err := p.docker.List(ctx, service)
	if err != nil {
		return nil, err
	}
	return append(processes, containers...), nil
}

func (p *platforms) Logs(ctx context.Context, id string, o platform.LogOptions) (io.ReadCloser, error) {
	log, err := p.process.Logs(ctx, id, o)
	if errors.Is(err, os.ErrNotExist) {
		return p.docker.Logs(ctx, id, o)
	}
	return log, err
}
