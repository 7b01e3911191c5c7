package docker

import (
	"crypto/rand"
	"os"
	"testing"

	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// The disk of the engine fills up while an image is pulled: nothing is half prepared, the message says what to do, and once there is
// room the next try succeeds.
func TestDiskFullDuringAPull(t *testing.T) {
	if noEngine != nil {
		t.Skip(noEngine)
	}
	small, err := dockertest.Small("48m")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(small.Stop)
	p, err := New(Options{Dir: t.TempDir(), Host: small.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	r := serveImages(t, "small")
	ballast := make([]byte, 64<<20)
	_, _ = rand.Read(ballast) // it cannot be packed
	if err := r.Push("large", dockertest.RegistryImage{Word: "large", Content: ballast}); err != nil {
		t.Fatal(err)
	}
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/disk:${VERSION}", "missing"
	rev := revision(1, s)
	rev.Version = "large"
	err = p.Prepare(t.Context(), rev)
	if err == nil {
		t.Fatal("64 MB were put on a disk of 48 MB")
	}
	contains(t, err.Error(), "chat r1 cannot be started: pull "+r.Name+"/team/disk:large", "no space left on device",
		"the disk of the engine is full", "docker image prune", "deploy again")
	if _, err := os.Stat(p.revision("chat", "r1")); err == nil {
		t.Error("the revision is half prepared")
	}
	rev.Version = "small"
	if err := p.Prepare(t.Context(), rev); err != nil {
		t.Errorf("an image that has room: %v", err)
	}
}
