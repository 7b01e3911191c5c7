package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// collecting asks for the removal of what nobody needs, again and again, until it is told to end; then it says what went, by name.
func (s *stand) collecting() (end func() []string) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var gone []string
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			out, err := s.command("gc", "--json").Output()
			var answer struct{ Removed *engine.Collection }
			if err == nil {
				err = json.Unmarshal(out, &answer)
			}
			if err != nil {
				s.t.Errorf("naru gc: %v: %s", err, out)
				return
			}
			if answer.Removed != nil {
				for _, g := range answer.Removed.Items {
					gone = append(gone, g.Name)
				}
			}
		}
	})
	return func() []string { cancel(); asking.Wait(); return gone }
}

// littered puts files of a revision that nobody knows beside those of chat.
func (s *stand) littered(revision string) {
	s.t.Helper()
	folder := filepath.Join(s.dir, ".naru/process/revisions/chat", revision, "artifact")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "data"), make([]byte, 1000), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Who asks for the removal of what nobody needs in the middle of a rollout loses nothing of it: neither what comes, nor the way
// back, nor what a rollout that was superseded has left running.
func TestGarbageIsCollectedDuringRollouts(t *testing.T) {
	t.Parallel()
	slowly := func(approve bool) string {
		return strings.ReplaceAll(keeper(fmt.Sprintf(`{canary: {steps: [{weight: 50%%, approve: %t}, 100%%], bake: 300ms}}
    analysis: {enabled: false}`, approve)), "{revisions: 3}", "{revisions: 10, age: 1ms}")
	}
	s := start(t, slowly(false))
	whole(t, s.deploy(0, "chat", "3.0"), deploy.Promoted)
	load := s.load(40)
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	s.littered("r77")
	end := s.collecting()
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	s.write(slowly(true))
	s.must(0, "deploy", "chat", "3.3", "--detach")
	s.at("chat", 1, deploy.Approval)
	s.must(0, "deploy", "chat", "3.4", "--detach") // 3.3 goes on serving until it is replaced
	s.at("chat", 1, deploy.Approval)
	s.must(0, "rollback", "chat")
	s.rest("chat", "3.2", 2)
	whole(t, s.receipt(s.must(0, "rollback", "chat", "--json")), deploy.Promoted)
	s.rest("chat", "3.1", 2)
	gone := end()
	clean(t, load.Stop())
	if !slices.Contains(gone, "chat r77") {
		t.Errorf("this test shows nothing: gone are %q", gone)
	}
	s.keeps("chat", "r2", "r3")
}

// Nor does a drill lose its revision, which nothing else needs; when it is over, that goes.
func TestGarbageIsCollectedDuringADrill(t *testing.T) {
	t.Parallel()
	s := start(t, strings.ReplaceAll(strings.ReplaceAll(keeper(quickly), "{revisions: 3}", "{revisions: 10, age: 1ms}"), "start_timeout: 10s", "start_timeout: 50s"))
	whole(t, s.deploy(0, "chat", "3.0"), deploy.Promoted)
	s.must(0, "deploy", "chat", "3.1-hang", "--detach")
	s.must(0, "pin", "chat", "r2")
	s.must(0, "rollback", "chat")
	s.rest("chat", "3.0", 2)
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	load := s.load(40)
	drill := s.follow("rollback", "chat", "r2", "--drill", "--json")
	pid := ""
	s.until(40*time.Second, "the drill has begun", func() error {
		left := processes(filepath.Join(s.dir, ".naru/process/instances/chat-r2-0"))
		if len(left) != 1 {
			return fmt.Errorf("%q", left)
		}
		pid, _, _ = strings.Cut(left[0], " ")
		return nil
	})
	s.must(0, "unpin", "chat", "r2") // from here on only the drill needs it
	s.littered("r77")
	end := s.collecting()
	s.until(40*time.Second, "the rest is collected", func() error {
		_, err := os.Stat(filepath.Join(s.dir, ".naru/process/revisions/chat/r77"))
		if err == nil {
			return fmt.Errorf("r77 is there")
		}
		return nil
	})
	if r := s.history("chat").revision(t, "r2"); r.Kept != deploy.WhyNeeded || r.Pinned {
		t.Errorf("%+v", r)
	}
	if left := processes(filepath.Join(s.dir, ".naru/process/instances/chat-r2-0")); len(left) != 1 || !strings.HasPrefix(left[0], pid+" ") {
		t.Errorf("process %s is now %q", pid, left)
	}
	whole(t, s.receipt(s.must(0, "rollback", "chat", "r1", "--json")), deploy.Promoted) // ends the drill
	drill.wait()
	s.keeps("chat", "r1", "r3")
	if gone := end(); !slices.Contains(gone, "chat r77") {
		t.Errorf("gone are %q", gone)
	}
	clean(t, load.Stop())
	s.rest("chat", "3.0", 2)
}

// What lies there of revisions that the store does not know, because it was lost or is older, is not taken for that of a new one.
func TestNumbersWithForeignFilesArePassedOver(t *testing.T) {
	t.Parallel()
	s := start(t, keeper(quickly))
	for n := range 2 {
		whole(t, s.deploy(0, "chat", fmt.Sprintf("3.%d", n)), deploy.Promoted)
	}
	s.kill()
	if err := os.Remove(filepath.Join(s.dir, ".naru/naru.db")); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.write(strings.ReplaceAll(keeper(quickly), "artifact: BIN/chat", "artifact: BIN/social"))
	r := s.deploy(0, "chat", "4.0")
	whole(t, r, deploy.Promoted)
	if r.To != "r3" {
		t.Errorf("the new revision is %s", r.To)
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".naru/process/revisions/chat", r.To, "artifact/social")); err != nil {
		t.Errorf("it runs what another deploy has left: %v", err)
	}
	s.rest("chat", "4.0", 2)
	s.must(0, "gc", "--json")
	s.keeps("chat", "r3")
	whole(t, s.deploy(0, "chat", "4.1"), deploy.Promoted)
	s.keeps("chat", "r3", "r4")
}
