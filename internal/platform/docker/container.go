package docker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/secret"
)

// Labels of every container that naru starts.
const (
	labelServer   = "naru.server"
	labelFolder   = "naru.state-folder"
	labelService  = "naru.service"
	labelRevision = "naru.revision"
	labelVersion  = "naru.version"
	labelInstance = "naru.instance"
	labelSlot     = "naru.slot"
	labelPort     = "naru.port"    // on 127.0.0.1; 0: a worker
	labelSecrets  = "naru.secrets" // names of variables of env that must not be repeated; older servers wrote those of env_file too
	labelOpen     = "naru.open"    // with an env_file: names of all variables that may be; those of the file are told to nobody
)

// seen is a container of ours, as the engine describes it at one moment.
type seen struct {
	container         string
	instance          string
	service, revision string
	slot, port        int
	status            container.ContainerState
	pid, exit         int
	oom               bool
	fault             string // why it could not be started
	started, finished time.Time
	health            container.HealthStatus // empty: there is no check
	stopSignal        string
	memory            int64 // limit in bytes; 0: none
	last              string
	hide              secret.Set
}

// live reports whether the program runs.
func (s *seen) live() bool {
	if s == nil {
		return false
	}
	switch s.status {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return true
	}
	return false
}

// name is the container's name: no two can have the same, so starting twice is starting once.
func (p *Platform) name(id string) string { return id + "-" + p.server[:8] }

// find returns the container of an instance, nil when there is none.
func (p *Platform) find(ctx context.Context, id string) (*seen, error) {
	return p.inspect(ctx, p.name(id))
}

// inspect describes one container; nil when it does not exist or is not ours.
func (p *Platform) inspect(ctx context.Context, name string) (*seen, error) {
	api, err := p.engine.api()
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	result, err := api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	if c := result.Container; c.Config != nil && c.State != nil && c.Config.Labels[labelServer] == p.server {
		return p.describe(c), nil
	}
	return nil, nil
}

func (p *Platform) describe(c container.InspectResponse) *seen {
	labels := c.Config.Labels
	s := &seen{
		container: c.ID, instance: labels[labelInstance], service: labels[labelService], revision: labels[labelRevision],
		status: c.State.Status, pid: c.State.Pid, exit: c.State.ExitCode, oom: c.State.OOMKilled || p.world.hasStarved(c.ID), fault: c.State.Error,
		started: moment(c.State.StartedAt), finished: moment(c.State.FinishedAt), stopSignal: c.Config.StopSignal,
	}
	s.slot, _ = strconv.Atoi(labels[labelSlot])
	s.port, _ = strconv.Atoi(labels[labelPort])
	if h := c.State.Health; h != nil && h.Status != container.NoHealthcheck {
		s.health = h.Status
	}
	if c.HostConfig != nil {
		s.memory = c.HostConfig.Memory
	}
	s.hide = hidden(c.Config)
	s.fault = s.hide.Redact(s.fault)
	return s
}

// hidden are the secrets of a container, which the engine knows.
func hidden(c *container.Config) secret.Set {
	names := strings.Fields(c.Labels[labelSecrets])
	text, filed := c.Labels[labelOpen]
	open := strings.Fields(text)
	var s secret.Set
	for _, pair := range c.Env {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case slices.Contains(names, name):
			s = s.Hiding(name, value)
		case filed && !slices.Contains(open, name):
			s = s.Hiding(envFile, value)
		}
	}
	return s
}

// moment reads a time of the engine, which writes year 1 for never.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
