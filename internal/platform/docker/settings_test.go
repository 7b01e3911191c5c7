package docker

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// What the file says of a container is what the container is like.
func TestSettingsReachTheContainer(t *testing.T) {
	b := open(t)
	folder := t.TempDir()
	volume := fmt.Sprintf("naru-test-%d", os.Getpid())
	t.Cleanup(func() { _, _ = b.api.VolumeRemove(t.Context(), volume, client.VolumeRemoveOptions{}) })
	s := service(platformtest.Echo)
	s.Docker.Memory, s.Docker.CPUs, s.Docker.User, s.Docker.StopSignal = 64<<20, .5, "4711:4712", "SIGINT"
	s.Docker.Labels = map[string]string{"team": "chat", labelService: "of somebody else"}
	s.Docker.Volumes = []string{folder + ":/data:ro", volume + ":/cache"}
	i := b.run(s)
	found, err := b.api.ContainerInspect(t.Context(), b.name(i.ID), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, h := found.Container.Config, found.Container.HostConfig
	if h.Memory != 64<<20 || h.MemorySwap != 64<<20 || h.NanoCPUs != 500_000_000 {
		t.Errorf("limits: %d bytes, %d with swap, %d processors/1e9", h.Memory, h.MemorySwap, h.NanoCPUs)
	}
	if h.RestartPolicy.Name != container.RestartPolicyDisabled {
		t.Errorf("the engine restarts it: %q", h.RestartPolicy.Name)
	}
	if c.Labels["team"] != "chat" || c.Labels[labelService] != "chat" || c.Labels[labelInstance] != i.ID || c.Labels[labelRevision] != "r1" || c.Labels[labelVersion] != "1.0" {
		t.Errorf("labels: %v", c.Labels)
	}
	if c.StopSignal != "SIGINT" || !strings.HasPrefix(c.Image, "sha256:") {
		t.Errorf("signal %q, image %q", c.StopSignal, c.Image)
	}
	for _, m := range []container.MountPoint{{Type: mount.TypeBind, Source: folder, Destination: "/data"}, {Type: mount.TypeVolume, Name: volume, Destination: "/cache", RW: true}} {
		if !slices.ContainsFunc(found.Container.Mounts, func(is container.MountPoint) bool {
			return is.Type == m.Type && is.Destination == m.Destination && is.RW == m.RW && is.Name == m.Name && (m.Source == "" || is.Source == m.Source)
		}) {
			t.Errorf("there is no %+v among %+v", m, found.Container.Mounts)
		}
	}
	for port, at := range h.PortBindings {
		if port.Num() != 8080 || len(at) != 1 || !at[0].HostIP.IsLoopback() || !strings.HasSuffix(i.Address, ":"+at[0].HostPort) {
			t.Errorf("published: %v at %+v, listed %s", port, at, i.Address)
		}
	}
	status, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(i.PID), "status"))
	if err != nil || !regexp.MustCompile(`(?m)^Uid:\s4711\s`).Match(status) || !regexp.MustCompile(`(?m)^Gid:\s4712\s`).Match(status) {
		t.Errorf("it runs as another user: %v", err)
	}
	// Go's runtime ends on SIGINT: had it to be killed, this would take an hour.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Stop(ctx, i.ID, time.Hour); err != nil {
		t.Error(err)
	}
}

// The engine and the client agree on a version of the API, also on that of an engine which is older than this client.
func TestVersionOfTheAPIIsAgreedOn(t *testing.T) {
	b := open(t)
	version, err := b.api.ServerVersion(t.Context(), client.ServerVersionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, speaks := range []string{version.APIVersion, "1.40"} {
		var mu sync.Mutex
		asked := map[string]bool{}
		host := b.through(func(q *http.Request) {
			if part := strings.Split(q.URL.Path, "/")[1]; strings.HasPrefix(part, "v1.") {
				mu.Lock()
				defer mu.Unlock()
				asked[part] = true
			}
		}, func(r *http.Response) error {
			if strings.HasSuffix(r.Request.URL.Path, "/_ping") {
				r.Header.Set("Api-Version", speaks)
			}
			return nil
		})
		p, err := New(Options{Dir: t.TempDir(), Host: host})
		if err != nil {
			t.Fatal(err)
		}
		rev := revision(1, service(platformtest.Echo))
		if err := p.Prepare(t.Context(), rev); err != nil {
			t.Error(err)
		}
		if err := p.Start(t.Context(), "chat-r1-1", spec(rev, 1)); err != nil {
			t.Error(err)
		}
		if err := p.Stop(t.Context(), "chat-r1-1", 0); err != nil {
			t.Error(err)
		}
		if err := p.Remove(t.Context(), rev); err != nil {
			t.Error(err)
		}
		p.Close()
		if len(asked) != 1 || !asked["v"+speaks] {
			t.Errorf("the engine speaks %s, and was asked in %v", speaks, asked)
		}
	}
}

// A fixed port that somebody takes between the look and the publishing: the reason names it, and what to do.
func TestFixedPortIsTakenInBetween(t *testing.T) {
	b := open(t)
	port := twoPorts(t).Low
	p, err := New(Options{Dir: b.dir, Host: b.between(func(q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/start") {
			b.squat(port)
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := service(platformtest.Echo)
	s.Port = deploy.Port(fmt.Sprint(port))
	rev := revision(1, s)
	if err := p.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	err = p.Start(t.Context(), "chat-r1-1", spec(rev, 1))
	if err == nil {
		t.Fatal("two have one port")
	}
	contains(t, err.Error(), fmt.Sprintf("port %d of 127.0.0.1 is taken by docker.test (pid %d)", port, os.Getpid()), "stop that program, or choose another port")
}
