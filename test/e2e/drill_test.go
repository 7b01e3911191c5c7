package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// drill tries a rollback out and returns the report.
func (s *stand) drill(want int, args ...string) (r engine.DrillReport) {
	s.t.Helper()
	out := s.must(want, append([]string{"rollback", "chat", "--drill", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return r
}

// tried reports whether anything is left of an instance that is only tried out.
func (s *stand) tried(revision string) bool {
	_, err := os.Stat(filepath.Join(s.dir, ".naru/process/instances/chat-"+revision+"-0"))
	return err == nil
}

// patient is chat with a start timeout that lets a test act before a drill has failed.
func patient(timeout string) string {
	return strings.ReplaceAll(chat(2, quickly), "start_timeout: 10s", "start_timeout: "+timeout)
}

// served are the answers of every version that users had.
func served(versions map[string]int) (out []string) {
	for v := range versions {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// A drill starts the revision, says how it was, and leaves nothing; no user ever reaches it.
func TestDrill(t *testing.T) {
	t.Parallel()
	s := start(t, patient("2s"))
	s.deploy(0, "chat", "3.0")
	s.deploy(0, "chat", "3.1")
	s.deploy(2, "chat", "3.2-hang")
	s.deploy(2, "chat", "3.3-crash")
	load := s.load(150)
	good := s.drill(0)
	if !good.Passed || good.Revision != "r1" || good.Version != "3.0" || good.Healthy <= 0 || good.Took < good.Healthy || good.Reason != "" {
		t.Errorf("%+v", good)
	}
	if again := s.drill(0, "r2"); !again.Passed { // stable itself
		t.Errorf("%+v", again)
	}
	hangs := s.drill(2, "r3")
	if hangs.Passed || hangs.Healthy != 0 || hangs.Took < deploy.Duration(2*time.Second) || len(hangs.Log) == 0 {
		t.Errorf("%+v", hangs)
	}
	contains(t, "the reason is", hangs.Reason, "not healthy within 2s", "/healthz")
	crashes := s.drill(2, "r4")
	contains(t, "the reason is", crashes.Reason, "it has ended by itself", "exit status 1")
	_, said, _ := s.said("rollback", "chat", "r4", "--drill")
	contains(t, "naru rollback --drill says", said, "the drill of r4 (3.3-crash) of chat has failed", "exit status 1")
	for _, r := range []string{"r1", "r2", "r3", "r4"} {
		if s.tried(r) {
			t.Errorf("an instance of %s is left", r)
		}
	}
	report := load.Stop()
	clean(t, report)
	versions := map[string]int{}
	for v, n := range report.Versions {
		versions[v] = int(n)
	}
	if got := served(versions); !slices.Equal(got, []string{"3.1"}) {
		t.Errorf("users were answered by %v", got)
	}
	s.rest("chat", "3.1", 2)
}

// Two drills at once are one too many; a rollout is worth more than a drill; and a drill does not begin in one.
func TestDrillGivesWay(t *testing.T) {
	t.Parallel()
	s := start(t, patient("50s"))
	s.deploy(0, "chat", "3.0")
	s.must(0, "deploy", "chat", "3.1-hang", "--detach")
	if _, said, status := s.said("rollback", "chat", "r1", "--drill"); status != 1 || !strings.Contains(said, "rollout chat-2 is open") {
		t.Errorf("a drill in a rollout: %d, %s", status, said)
	}
	s.must(0, "rollback", "chat")
	load := s.load(100)
	ended := make(chan engine.DrillReport)
	background := func() {
		go func() {
			out, _ := s.command("rollback", "chat", "r2", "--drill", "--json").Output()
			var r engine.DrillReport
			_ = json.Unmarshal(out, &r)
			ended <- r
		}()
		s.until(40*time.Second, "the drill has begun", func() error {
			if v := s.status("chat"); !s.tried("r2") || v.Drill == nil || v.Drill.Revision != "r2" || len(v.Instances) != 2 {
				return fmt.Errorf("%+v", v.Drill)
			}
			return nil
		})
	}
	background()
	for _, of := range []string{"r1", "r2"} {
		if _, said, status := s.said("rollback", "chat", of, "--drill"); status != 1 || !strings.Contains(said, "a drill of r2 runs already") {
			t.Errorf("a second drill: %d, %s", status, said)
		}
	}
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	if r := <-ended; r.Passed || !strings.Contains(r.Reason, "rollout chat-3 has begun") {
		t.Errorf("the drill that a rollout met: %+v", r)
	}
	background()
	whole(t, s.receipt(s.must(0, "rollback", "chat", "r1", "--json")), deploy.Promoted)
	<-ended
	s.until(40*time.Second, "nothing of it is left", func() error {
		if s.tried("r2") || s.status("chat").Drill != nil {
			return fmt.Errorf("something is")
		}
		return nil
	})
	clean(t, load.Stop())
	s.rest("chat", "3.0", 2)
}

// What a drill has started is removed by the next serve when this one is killed, and users notice neither.
func TestDrillOutlivedByItsInstance(t *testing.T) {
	t.Parallel()
	s := start(t, patient("50s"))
	s.deploy(0, "chat", "3.0")
	s.must(0, "deploy", "chat", "3.1-hang", "--detach")
	s.must(0, "rollback", "chat")
	load := s.load(100)
	drill := s.command("rollback", "chat", "r2", "--drill")
	if err := drill.Start(); err != nil {
		t.Fatal(err)
	}
	s.until(40*time.Second, "the drill has begun", func() error {
		if left := processes(filepath.Join(s.dir, ".naru/process/instances/chat-r2-0")); len(left) == 0 {
			return fmt.Errorf("no shim runs")
		}
		return nil
	})
	s.kill()
	if err := drill.Wait(); err == nil {
		t.Error("the drill has passed, and its server was killed")
	}
	if !s.tried("r2") {
		t.Error("the instance went with its server: this test shows nothing")
	}
	s.begin()
	s.until(40*time.Second, "the instance is gone", func() error {
		if s.tried("r2") {
			return fmt.Errorf("it is there")
		}
		return nil
	})
	if again := s.drill(0, "r1"); !again.Passed {
		t.Errorf("%+v", again)
	}
	clean(t, load.Stop())
	s.rest("chat", "3.0", 2)
}
