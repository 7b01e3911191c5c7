package docker

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
)

// image is what the engine knows of an image.
type image struct {
	id, digest   string
	system, arch string
	env          []string      // names of the variables that it sets
	checked      bool          // it has a HEALTHCHECK
	checkEvery   time.Duration // 0: the engine's default
	bytes        int64
}

// image looks for an image by its ID or name; nil when it is not on this machine.
func (p *Platform) image(ctx context.Context, name string) (*image, error) {
	api, err := p.engine.api()
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	found, err := api.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	i := &image{id: found.ID, system: found.Os, arch: found.Architecture, bytes: found.Size}
	if len(found.RepoDigests) > 0 {
		i.digest = found.RepoDigests[0]
		for _, d := range found.RepoDigests { // of several names, the one that was asked for
			if repo, _, ok := strings.Cut(d, "@"); ok && strings.HasPrefix(name, repo) {
				i.digest = d
			}
		}
	}
	if c := found.Config; c != nil {
		for _, pair := range c.Env {
			name, _, _ := strings.Cut(pair, "=")
			i.env = append(i.env, name)
		}
	}
	if c := found.Config; c != nil && c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] != "NONE" {
		i.checked, i.checkEvery = true, c.Healthcheck.Interval
	}
	return i, nil
}

// resolve finds the image of a revision by its name, and pulls it as the policy says: always, never, or when it is missing.
func (p *Platform) resolve(ctx context.Context, rev deploy.Revision, name string) (*image, error) {
	policy := rev.Settings.Docker.Pull
	if policy != "always" {
		found, err := p.image(ctx, name)
		if found != nil || err != nil {
			return found, err
		}
	}
	if policy == "never" {
		return nil, fmt.Errorf("the image %s is not on this machine, and docker.pull is never; build or load it: docker image ls shows what is there", name)
	}
	return p.fetch(ctx, rev, name)
}

// fits refuses an image that this machine cannot execute, now and not at the first start.
func (p *Platform) fits(ctx context.Context, i *image) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	version, err := api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return explain(err)
	}
	arch := version.Arch
	if i.arch == "" || i.arch == arch && (i.system == "" || i.system == version.Os) || arch == "amd64" && i.arch == "386" || arch == "arm64" && i.arch == "arm" || emulated(i.arch) {
		return nil
	}
	return fmt.Errorf("the image (%.19s) is made for %s/%s, and this machine is %s/%s; build it with --platform %[4]s/%[5]s, or push it for both", i.id, i.system, i.arch, version.Os, arch)
}

// emulated reports whether the kernel hands programs of another architecture to an emulator.
func emulated(arch string) bool {
	name := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}[arch]
	if name == "" {
		name = arch
	}
	found, _ := filepath.Glob("/proc/sys/fs/binfmt_misc/qemu-" + name)
	return len(found) > 0
}

// keepTag is naru's own tag for a revision's image. An image that lost its tag to a newer one is what docker image prune
// removes; with this one it stays for as long as the revision is kept.
func (p *Platform) keepTag(service, revision string) string {
	return "naru-kept/" + service + "-" + p.server[:8] + ":" + revision
}

func (p *Platform) keep(ctx context.Context, id, tag string) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if _, err = api.ImageTag(ctx, client.ImageTagOptions{Source: id, Target: tag}); err != nil {
		return fmt.Errorf("keep the image %.19s by the tag %s: %w", id, tag, explain(err))
	}
	return nil
}
