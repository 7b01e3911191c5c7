package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
)

// notedImage is the notes example in a container that is always published at one port of the machine.
func notedImage(port int) string {
	return fmt.Sprintf(`  notes:
    exclusive: true
    port: %d
    docker: {image: "naru-e2e/notes:${VERSION}", port: 8080, pull: never, volumes: ["./data:/data"], command: [--version, "${VERSION}", --listen, "0.0.0.0:${PORT}", --data, /data/notes.db]}
    health: {http: /healthz, start_timeout: 30s}
    hold_timeout: 25s
    drain_timeout: 3s
    stop_timeout: 3s
`, port)
}

// A container that cannot run twice, because of its file and because of its port, is replaced in its place; a bad one goes
// and the old one comes back. NARU_EXCLUSIVE_CONTAINERS is the number of deploys, NARU_EXCLUSIVE_RATE the requests per second; make soak
// asks for 20 at 200.
func TestExclusiveContainers(t *testing.T) {
	deploys, rate := number(t, "NARU_EXCLUSIVE_CONTAINERS", 2), number(t, "NARU_EXCLUSIVE_RATE", 50)
	engine, err := dockertest.Find()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(engine.Stop)
	t.Setenv("DOCKER_HOST", engine.Host)
	program := filepath.Join(t.TempDir(), "notes")
	build := exec.Command("go", "build", "-C", "../../examples/notes", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // there is no libc in an image from scratch
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/notes: %v\n%s", err, out)
	}
	api, err := engine.API()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	image := func(version string) string { return "naru-e2e/notes:" + version }
	if err := engine.Image(t.Context(), image("4.0"), program, `ENTRYPOINT ["/notes"]`); err != nil {
		t.Fatal(err)
	}
	tag := func(version string) {
		if _, err := api.ImageTag(t.Context(), client.ImageTagOptions{Source: image("4.0"), Target: image(version)}); err != nil {
			t.Fatal(err)
		}
	}
	s := stage(t, notedImage(reserved(t)))
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.deploy(0, "notes", "4.0")
	load := s.notaries(rate)
	longest := 0.
	var total deploy.Requests
	last := "4.0"
	for i := range deploys {
		last = fmt.Sprintf("4.%d", i+1)
		tag(last)
		r := s.deploy(0, "notes", last)
		whole(t, r, deploy.Promoted)
		if r.Requests.Held == 0 || r.Hold.Longest == 0 {
			t.Errorf("%d requests were held, hold %+v", r.Requests.Held, r.Hold)
		}
		longest = max(longest, r.Hold.Longest)
		total.Total += r.Requests.Total
		total.Held += r.Requests.Held
	}
	report := load.Stop()
	clean(t, report)
	written := s.kept(0, report)
	load = s.notaries(50) // a version that hangs is waited for by more than a thousand even so
	for _, bad := range []string{"4.99-crash", "4.99-hang"} {
		tag(bad)
		r := s.deploy(2, "notes", bad)
		whole(t, r, deploy.RolledBack)
		t.Logf("%s: the longest hold was %.0f ms: %s", bad, r.Hold.Longest, r.Reason)
		s.rest("notes", last, 1)
	}
	r := s.deploy(2, "notes", "no-such-tag")
	contains(t, "the reason is", r.Reason, "naru-e2e/notes:no-such-tag is not on this machine")
	if r.Requests.Held > 0 {
		t.Errorf("%d requests were held for an image that is not there", r.Requests.Held)
	}
	report = load.Stop()
	clean(t, report)
	s.kept(written, report)
	t.Logf("%d deploys of containers at %d/s: receipts account for %d requests, 0 failed, %d held; the longest hold of a request was %.0f ms",
		deploys, rate, total.Total, total.Held, longest)
}
