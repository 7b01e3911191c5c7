package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// create makes the container of an instance and returns its ID.
func (p *Platform) create(ctx context.Context, id string, spec deploy.InstanceSpec, r record, own finding, port int) (string, error) {
	api, err := p.engine.api()
	if err != nil {
		return "", err
	}
	config, host, err := p.container(id, spec, r, own, port)
	if err != nil {
		return "", err
	}
	host.LogConfig = p.logConfig(ctx, api)
	o := client.ContainerCreateOptions{Name: p.name(id), Config: config, HostConfig: host}
	made, err := api.ContainerCreate(ctx, o)
	if errdefs.IsConflict(err) { // an earlier try of ours that never ran, or somebody else's
		c, found := p.find(ctx, id)
		if found != nil {
			return "", found
		}
		if c == nil || c.live() {
			return "", fmt.Errorf("a container that is not this naru's has the name %s; remove it: docker rm %[1]s", o.Name)
		}
		if err := p.discard(ctx, c.container); err != nil {
			return "", err
		}
		made, err = api.ContainerCreate(ctx, o)
	}
	if err != nil {
		return "", err
	}
	for _, warning := range made.Warnings {
		p.log.Warn("the engine warns of a container", "instance", id, "warning", own.all().Redact(warning))
	}
	return made.ID, nil
}

// container describes the container of an instance.
func (p *Platform) container(id string, spec deploy.InstanceSpec, r record, own finding, port int) (*container.Config, *container.HostConfig, error) {
	d, names := spec.Settings.Docker, scope(id, spec)
	config := &container.Config{
		Image: r.ID, Hostname: hostname(id), User: d.User, Env: environ(d, own, names), StopSignal: d.StopSignal,
		Labels: p.labels(id, spec, own, port, r), Healthcheck: check(spec.Settings, names, r),
	}
	for _, word := range d.Command {
		config.Cmd = append(config.Cmd, platform.Expand(word, names))
	}
	host := &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled}, // naru starts again, nobody else
		Resources:     container.Resources{Memory: int64(d.Memory), NanoCPUs: int64(d.CPUs * 1e9)},
	}
	if d.Memory > 0 {
		host.MemorySwap = int64(d.Memory) // no swap beside it: the limit is what the file says
	}
	if port != 0 {
		inside, ok := network.PortFrom(uint16(d.Port), network.TCP)
		if !ok {
			return nil, nil, fmt.Errorf("docker.port %d is no port", d.Port)
		}
		config.ExposedPorts = network.PortSet{inside: {}}
		host.PortBindings = network.PortMap{inside: {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(port)}}}
	}
	for _, text := range d.Volumes {
		v, ok := deploy.ParseVolume(platform.Expand(text, names))
		if !ok {
			return nil, nil, fmt.Errorf("docker.volumes: %q is no volume", text)
		}
		m := mount.Mount{Type: mount.TypeBind, Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
		if v.Named() {
			m.Type = mount.TypeVolume
		}
		host.Mounts = append(host.Mounts, m)
	}
	return config, host, nil
}

// hostname is the instance's name, which is longer than a host name may be for some services.
func hostname(id string) string { return id[max(0, len(id)-63):] }

// environ is what is added to the image's environment: the file's, then the section's, then naru's own names.
func environ(d *deploy.Docker, own finding, names map[string]string) (pairs []string) {
	env := maps.Clone(own.file)
	if env == nil {
		env = make(map[string]string)
	}
	for name, v := range d.Env {
		value, found := own.secrets.Value(name)
		if !found {
			value = platform.Expand(v.Text, names)
		}
		env[name] = value
	}
	env["NARU_VERSION"], env["NARU_REVISION"], env["NARU_INSTANCE"] = names["VERSION"], names["REVISION"], names["INSTANCE"]
	if names["PORT"] != "" {
		env["PORT"] = names["PORT"]
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		pairs = append(pairs, name+"="+env[name])
	}
	return pairs
}

func (p *Platform) labels(id string, spec deploy.InstanceSpec, own finding, port int, r record) map[string]string {
	labels := maps.Clone(spec.Settings.Docker.Labels)
	if labels == nil {
		labels = make(map[string]string)
	}
	maps.Copy(labels, map[string]string{
		labelServer: p.server, labelFolder: p.dir, labelService: spec.Service, labelRevision: spec.Revision, labelVersion: spec.Version,
		labelInstance: id, labelSlot: strconv.Itoa(spec.Slot), labelPort: strconv.Itoa(port),
	})
	if names := own.secrets.Names(); names != nil {
		labels[labelSecrets] = strings.Join(names, " ")
	}
	if len(own.file) > 0 {
		labels[labelOpen] = strings.Join(shown(spec.Settings.Docker, own, r), " ")
	}
	return labels
}

// shown names the variables of a container that are no secrets. What the image brings counts only as far as the file says nothing
// of it.
func shown(d *deploy.Docker, own finding, r record) []string {
	names := []string{"NARU_INSTANCE", "NARU_REVISION", "NARU_VERSION", "PORT"}
	for name := range d.Env {
		if _, secret := own.secrets.Value(name); !secret {
			names = append(names, name)
		}
	}
	for _, name := range r.Env {
		if _, filed := own.file[name]; !filed {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

const (
	// misses is how many checks in a row must fail before an instance that was ready counts as not ready: one may fail
	// because the machine was busy.
	misses = 2
	// imageCheck bounds the time between two runs of an image's own HEALTHCHECK. The engine's default of 30 s would let every
	// start wait that long.
	imageCheck = 5 * time.Second
)

// check is how the engine finds out whether an instance is ready. health.command becomes the container's HEALTHCHECK, so the
// engine runs it, ends it when it takes too long, and goes on while the controller is away. An image's own counts where the
// file asks for nothing more than a connection; next to http or grpc it would be a second opinion, so it is turned off.
func check(s deploy.Service, names map[string]string, r record) *container.HealthConfig {
	h := s.Health
	switch {
	case len(h.Command) > 0:
		test := []string{"CMD"}
		for _, word := range h.Command {
			test = append(test, platform.Expand(word, names))
		}
		return &container.HealthConfig{Test: test, Interval: orDefault(h.Interval, time.Second), Timeout: orDefault(h.Timeout, time.Second), Retries: misses}
	case r.Checked && (h.HTTP != "" || h.GRPC != nil):
		return &container.HealthConfig{Test: []string{"NONE"}}
	case r.Checked && (r.CheckEvery == 0 || r.CheckEvery > imageCheck):
		return &container.HealthConfig{Interval: imageCheck} // the rest is the image's
	}
	return nil
}

// orDefault is for settings that no file has filled in.
func orDefault(d deploy.Duration, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d.D()
}

// logConfig bounds the logs where the engine's default would let them grow until the disk is full; any other default is the
// machine's to choose.
func (p *Platform) logConfig(ctx context.Context, api *client.Client) container.LogConfig {
	ctx, cancel := bounded(ctx)
	defer cancel()
	info, err := api.Info(ctx, client.InfoOptions{})
	if err != nil || info.Info.LoggingDriver != "json-file" {
		return container.LogConfig{}
	}
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "5"}}
}

// discard removes a container by force, with the volumes that have no name. One that is gone is no error.
func (p *Platform) discard(ctx context.Context, id string) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	for {
		_, err := api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case err == nil || errdefs.IsNotFound(err):
			return nil
		case !errdefs.IsConflict(err): // else it is being removed already
			return fmt.Errorf("remove container %.12s: %w", id, explain(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followPause):
		}
	}
}
