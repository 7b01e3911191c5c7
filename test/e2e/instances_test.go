package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

// A deploy may ask for more instances, or for fewer, in each strategy and however little room there is.
func TestNumberOfInstancesChanges(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	load := s.load(100)
	for i, c := range []struct {
		instances int
		strategy  string
	}{
		{4, strategies["rolling"]},
		{1, strategies["canary"]},
		{3, strategies["blue_green"]},
		{2, `{rolling: {max_surge: 0, max_unavailable: 1, bake: 100ms}}`},
		{1, `{rolling: {max_surge: 3, bake: 100ms}}`},
		{1, `{rolling: {max_surge: 0, max_unavailable: 1, bake: 100ms}}`}, // nobody answers for a moment: requests wait
	} {
		version := fmt.Sprintf("3.%d", i+1)
		s.write(chat(c.instances, c.strategy))
		r := s.deploy(0, "chat", version)
		whole(t, r, deploy.Promoted)
		s.rest("chat", version, c.instances)
		if t.Failed() {
			t.Fatalf("%d instances, %s: %+v", c.instances, c.strategy, r)
		}
	}
	back := s.receipt(s.must(0, "rollback", "chat", "r1", "--json"))
	whole(t, back, deploy.Promoted)
	s.rest("chat", "3.0", 1) // a rollback changes the version, not how many run
	clean(t, load.Stop())
}

// A check command decides who is ready, for a service with traffic as well.
func TestHealthByCommand(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(chat(2, strategies["rolling"]), "{http: /healthz, interval: 200ms, timeout: 1s, start_timeout: 10s}",
		`{command: [sh, -c, 'test "$NARU_VERSION" != 3.1 && test "$PORT" -gt 1'], interval: 200ms, start_timeout: 2s}`)
	s := start(t, text)
	s.deploy(0, "chat", "3.0")
	load := s.load(60)
	r := s.deploy(2, "chat", "3.1")
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "chat-r2-1 was not healthy within 2s", "check command")
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	clean(t, load.Stop())
}

// What was deployed is what runs: a revision has a copy of its artifact, whatever becomes of the original.
func TestArtifactIsKept(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(chat(2, strategies["rolling"]), `process: {command: [BIN/chat, --version, "${VERSION}",`,
		`process: {artifact: "build/${VERSION}", command: ["${ARTIFACT}/chat", --version, "${VERSION}",`)
	s := start(t, text)
	for _, version := range []string{"3.0", "3.1"} {
		folder := filepath.Join(s.dir, "build", version)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(bin, "chat"), filepath.Join(folder, "chat")); err != nil {
			t.Fatal(err)
		}
	}
	s.deploy(0, "chat", "3.0")
	load := s.load(60)
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	if err := os.RemoveAll(filepath.Join(s.dir, "build")); err != nil {
		t.Fatal(err)
	}
	whole(t, s.receipt(s.must(0, "rollback", "chat", "--json")), deploy.Promoted)
	s.rest("chat", "3.0", 2)
	r := s.deploy(2, "chat", "3.2")
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "build/3.2")
	clean(t, load.Stop())
}
