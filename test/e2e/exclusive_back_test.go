package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// changing is a chat whose settings change from one revision to the next: alone or several, and how long requests wait and
// revisions are kept.
func changing(instances int, hold string, keep int) string {
	more := "    strategy: " + quickly + "\n"
	if instances == 1 {
		more = "    exclusive: true\n"
	}
	return fmt.Sprintf(`  chat:
    instances: %d
    process: {artifact: BIN/chat, command: ["${ARTIFACT}", --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"]}
    health: {http: /healthz, interval: 200ms, start_timeout: 30s}
    hold_timeout: %s
    drain_timeout: 3s
    stop_timeout: 2s
    keep: {revisions: %d}
%s`, instances, hold, keep, more)
}

// Whatever the settings of the revision are that is gone back to: requests wait as long as either of the two lets them, as many
// instances come as its file says, and nothing is lost that the newest settings keep.
func TestRollbackAcrossSettings(t *testing.T) {
	t.Parallel()
	const impatient = "10ms" // less than any start takes
	s := start(t, changing(1, impatient, 2))
	s.promoted("3.0")
	load := s.load(40)
	s.write(changing(1, "20s", 10))
	s.promoted("3.1")
	s.write(changing(3, "20s", 10))
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	s.rest("chat", "3.2", 3)
	for _, c := range []struct {
		to, version string
		instances   int
	}{{"r2", "3.1", 1}, {"r3", "3.2", 3}, {"r1", "3.0", 1}, {"r2", "3.1", 1}, {"r1", "3.0", 1}} {
		s.until(40*time.Second, c.to+" is ready", func() error {
			if r := s.history("chat").revision(t, c.to).Readiness; r == nil || !r.Ready {
				return fmt.Errorf("%+v", r)
			}
			return nil
		})
		r := s.receipt(s.must(0, "rollback", "chat", c.to, "--json"))
		whole(t, r, deploy.Promoted)
		s.rest("chat", c.version, c.instances)
	}
	s.keeps("chat", "r1", "r2", "r3")

	// A version that never becomes healthy is taken back: who waits for r1 waits by the clock of the move, not by r1's.
	s.write(changing(1, "8s", 10))
	r := s.deploy(2, "chat", "3.3-crash")
	whole(t, r, deploy.RolledBack)
	if r.Requests.Held == 0 || strings.Contains(r.Reason, "too short") {
		t.Errorf("%d requests were held: %s", r.Requests.Held, r.Reason)
	}
	s.rest("chat", "3.0", 1)

	// Where neither of the two gives any time, readiness says so, and nothing is touched.
	whole(t, s.receipt(s.must(0, "rollback", "chat", "r2", "--json")), deploy.Promoted)
	s.write(changing(3, impatient, 10))
	whole(t, s.deploy(0, "chat", "3.4"), deploy.Promoted)
	before := s.rest("chat", "3.4", 3)
	const short = "is too short: r5 takes "
	s.until(40*time.Second, "r1 is not ready", func() error {
		if r := s.history("chat").revision(t, "r1").Readiness; r == nil || r.Ready || !strings.Contains(fmt.Sprint(r.Checks), "{allowed false hold_timeout (10ms) "+short) {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	hopeless := s.receipt(s.must(2, "rollback", "chat", "r1", "--json"))
	whole(t, hopeless, deploy.RolledBack)
	contains(t, "the reason is", hopeless.Reason, short)
	if hopeless.Requests.Held > 0 {
		t.Errorf("%+v", hopeless.Requests)
	}
	s.sameProcesses(before)
	clean(t, load.Stop())
}
