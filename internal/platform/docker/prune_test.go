package docker

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// labelled makes three images that nothing but this test touches: a local and a registry's one that are kept, and one that is not.
func (b *bench) labelled() (local, pulled, other string) {
	b.t.Helper()
	program, err := dockertest.Build(programs, "./dockertest/program")
	if err != nil {
		b.t.Fatal(err)
	}
	local, other = testImage+":"+b.server, testImage+":other-"+b.server
	for _, tag := range []string{local, other} {
		if err := theEngine.Image(b.t.Context(), tag, program, `ENTRYPOINT ["/program"]`, "LABEL naru-test="+b.server, "ENV WORD="+tag); err != nil {
			b.t.Fatal(err)
		}
	}
	r := serveImages(b.t)
	if err := r.Push("1.0", dockertest.RegistryImage{Word: "1.0", Label: b.server}); err != nil {
		b.t.Fatal(err)
	}
	return local, r.Name + "/team/pruned:1.0", other
}

// documented is the line of the documents that removes unused images.
func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "docker image ls -q") {
			return line
		}
	}
	t.Fatal("docs/production.md has no such line")
	return ""
}

// docker image prune -a takes images that are kept, and only a registry's come back, by their digest. The documented line takes none.
func TestPruneOfAllImages(t *testing.T) {
	b := open(t)
	local, pulled, other := b.labelled()
	s := service(platformtest.Echo)
	s.Docker.Image = local
	first, one := b.prepared(1, "1.0", s)
	s.Docker = new(*s.Docker)
	s.Docker.Image, s.Docker.Pull = pulled, "missing"
	second, two := b.prepared(2, "1.0", s)

	if _, err := exec.LookPath("docker"); err == nil {
		line := strings.ReplaceAll(documented(t), "docker image ls", "docker image ls --filter label=naru-test="+b.server)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+theEngine.Host)
		if out, err := cmd.CombinedOutput(); err != nil || b.there(other) || !b.there(one.ID) || !b.there(two.ID) {
			t.Errorf("%s: %v: %s; the image nobody needs is there: %t, those that are kept: %t, %t", line, err, out, b.there(other), b.there(one.ID), b.there(two.ID))
		}
	}
	filters := make(client.Filters).Add("dangling", "false").Add("label", "naru-test="+b.server) // no other tests' images
	if _, err := b.api.ImagePrune(t.Context(), client.ImagePruneOptions{Filters: filters}); err != nil {
		t.Fatal(err)
	}
	if b.there(one.ID) || b.there(two.ID) {
		t.Fatal("this engine prunes less than the documents say")
	}
	if err := b.Readiness(first); err == nil {
		t.Error("a local image is gone, and nothing is said")
	} else {
		contains(t, err.Error(), "is not on this machine any more", "deploy version 1.0 again")
	}
	if err := b.Readiness(second); err != nil {
		t.Errorf("its registry has it: %v", err)
	}
	if err := b.Prepare(t.Context(), second); err != nil || !b.there(two.ID) || !b.there(b.keepTag("chat", "r2")) {
		t.Errorf("it did not come back: %v", err)
	}
}
