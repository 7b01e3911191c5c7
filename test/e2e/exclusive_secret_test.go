package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// asking is a safe that notes whether it was asked while a program ran, or while everybody waited for one; then it may hang.
const asking = `#!/bin/sh
if [ -n "$(ls running 2>/dev/null)" ]; then echo beside >>asked; else
	echo alone >>asked
	if [ -e hangs ]; then exec sleep 60; fi
fi
echo opal-4417
`

// A safe is asked while the old version serves, for the new one and for the old one's way back, and not while requests wait. Where it has to be
// asked then, because a program has crashed, and does not answer, those who wait are answered all the same.
func TestExclusiveWithSecretOfCommand(t *testing.T) {
	t.Parallel()
	s := stage(t, `  chat:
    exclusive: true
    process: {command: [./marked.sh, BIN/chat, "${VERSION}"], env: {KEY: {command: [./asking.sh]}}}
    health: {http: /healthz, interval: 200ms, start_timeout: 30s}
    hold_timeout: 9s
    drain_timeout: 3s
    stop_timeout: 2s
`)
	for name, text := range map[string]string{"marked.sh": marked, "asking.sh": asking} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(where string) int {
		text, _ := os.ReadFile(filepath.Join(s.dir, "asked"))
		return strings.Count(string(text), where)
	}
	s.begin()
	s.promoted("3.0")
	first, beside := asked("alone"), asked("beside")
	if err := os.WriteFile(filepath.Join(s.dir, "hangs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	load := s.load(40)
	s.served(load, "3.0", 40)
	s.promoted("3.1")
	whole(t, s.last("chat"), deploy.Promoted)
	if now := asked("alone"); first == 0 || now != first || asked("beside") == beside {
		t.Errorf("the safe was asked %d times while nothing ran, %d of them for the first version, and %d times beside the old one", now, first, asked("beside")-beside)
	}
	r := s.deploy(2, "chat", "3.2-crash")
	clean(t, load.Stop())
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "was not healthy", "after requests began to wait", "it ended with exit status 1")
	if now := asked("alone"); now != first+1 {
		t.Errorf("while requests waited the safe was asked %d times, want once, for the second start of what had crashed", now-first)
	}
	s.rest("chat", "3.1", 1)
	t.Logf("%s; the longest hold %.0f ms", r.Reason, r.Hold.Longest)
}

// promoted deploys a version of chat, and lets nobody wait for its bake.
func (s *stand) promoted(version string) {
	s.t.Helper()
	s.must(0, "deploy", "chat", version, "--detach")
	s.baked(version)
}

// baked promotes a rollout of chat as soon as it bakes.
func (s *stand) baked(version string) {
	s.t.Helper()
	s.until(30*time.Second, version+" bakes", func() error {
		if v := s.status("chat"); v.Rollout == nil || v.Rollout.Phase != deploy.Baking {
			return fmt.Errorf("%+v", v.Rollout)
		}
		return nil
	})
	s.must(0, "promote", "chat")
	s.rest("chat", version, 1)
}
