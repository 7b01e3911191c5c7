package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// shop is the shop example, blue-green with the test and the load test of its naru.yaml, shortened.
func shop(options string) string {
	return fmt.Sprintf(`  shop:
    instances: 2
    process: {command: [./shop, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"]}
    health: {http: /healthz, interval: 200ms, timeout: 1s, start_timeout: 10s}
    drain_timeout: 2s
    stop_timeout: 3s
    deadline: 60s
    affinity: {by: cookie, sticky: true}
    strategy:
      blue_green: {tests: [[./shop, --check]], load_test: {path: /products, rate: 200, duration: 1s, p99: 5s, errors: 0%%}, %s}
`, options)
}

// The whole way of a shop: green is tested and looked at where no customer is, waits for a person, is swapped in at
// once, and is swapped out again at once while blue is still warm.
func TestBlueGreen(t *testing.T) {
	t.Parallel()
	s := start(t, shop(`preview: {host: green.example.com}, approve: true, bake: 500ms, scale_down_delay: 4s`))
	s.deploy(0, "shop", "1.0")
	load := s.users(100, "", "/products", "/cart", "/version")

	out, errs, status := s.said("deploy", "shop", "1.1", "--json")
	if status != 3 {
		t.Fatalf("deploy without a terminal: exit %d, want 3\n%s%s", status, out, errs)
	}
	contains(t, "deploy says", errs, "approval", "naru promote shop")
	v := lastStatus(t, out)
	if r := v.Rollout; r == nil || r.Phase != deploy.Approval || r.Step != 1 || r.Steps != 2 || r.Weight != 0 || v.Canary == nil || v.Canary.Version != "1.1" || v.Stable.Version != "1.0" {
		t.Errorf("the last line while it waits: %s", out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:])
	}
	if _, version := s.get("green.example.com", "/products"); version != "1.1" {
		t.Errorf("the preview's host reaches %q", version)
	}
	if _, version := s.get("www.example.com", "/products"); version != "1.0" {
		t.Errorf("users reach %q before the swap", version)
	}
	if n := load.Report().Versions["1.1"]; n > 0 {
		t.Errorf("%d users reached green before the swap", n)
	}

	watch := s.watchVersions()
	s.must(0, "promote", "shop")
	s.served(load, "1.1", 50)
	watch.clean("1.0", "1.1")
	v = s.rested("shop", "1.1")
	if o := v.Obligations; len(o) != 1 || o[0].Kind != deploy.ScaleDown || o[0].Revision != "r1" || len(v.Instances) != 4 {
		t.Errorf("blue should be owed its end and stand by: %+v, %d instances", o, len(v.Instances))
	}
	contains(t, "naru status shows", s.must(0, "status", "shop"), "owed: scale_down of r1 (2 instances), due ")

	watch, began := s.watchVersions(), time.Now()
	back := s.receipt(s.must(0, "rollback", "shop", "--json"))
	t.Logf("after naru rollback the first user was on 1.0 again in %s, the command took %s", watch.clean("1.1", "1.0").Sub(began), time.Since(began))
	whole(t, back, deploy.Promoted)
	s.rest("shop", "1.0", 2)

	s.must(3, "deploy", "shop", "1.1", "-m", "again")
	s.must(0, "promote", "shop", "--full")
	s.rested("shop", "1.1")
	v = s.rest("shop", "1.1", 2) // once the delay is over, blue goes
	if len(v.Obligations) != 0 {
		t.Errorf("still owed: %+v", v.Obligations)
	}
	clean(t, load.Stop())
	whole(t, s.last("shop"), deploy.Promoted)
}

// lastStatus reads the last line of a command that has stopped waiting.
func lastStatus(t *testing.T, out string) (v engine.Status) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil || v.Service == "" {
		t.Fatalf("the last line is not a status: %v\n%s", err, out)
	}
	return v
}

// rested waits until no rollout is open; instances that are kept warm may remain.
func (s *stand) rested(service, version string) (v engine.Status) {
	s.t.Helper()
	s.until(30*time.Second, version+" is promoted", func() error {
		v = s.status(service)
		if v.Rollout != nil || v.Stable == nil || v.Stable.Version != version {
			return fmt.Errorf("stable %+v, rollout %+v", v.Stable, v.Rollout)
		}
		return nil
	})
	return v
}

// versionWatch asks for the version on fresh connections, one after the other in several lines.
type versionWatch struct {
	s     *stand
	lines sync.WaitGroup
	end   chan struct{}
	mu    sync.Mutex
	seen  []sighting
}

type sighting struct {
	sent, answered time.Time
	version        string
}

func (s *stand) watchVersions() *versionWatch {
	w := &versionWatch{s: s, end: make(chan struct{})}
	for range 4 {
		w.lines.Go(func() {
			for {
				select {
				case <-w.end:
					return
				case <-time.After(2 * time.Millisecond): // the machine has others to serve
				}
				sent := time.Now()
				status, version := s.get("", "/version")
				if status != 200 {
					s.t.Errorf("GET /version: %d", status)
				}
				w.mu.Lock()
				w.seen = append(w.seen, sighting{sent, time.Now(), version})
				w.mu.Unlock()
			}
		})
	}
	return w
}

// clean ends the watch, once the new version has answered, and checks that the swap was atomic: whoever asks after the
// first answer of the new version has come is never answered by the old one. It returns when that first answer came.
func (w *versionWatch) clean(from, to string) (swapped time.Time) {
	w.s.t.Helper()
	w.s.until(20*time.Second, to+" answers", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		n := 0
		for _, a := range w.seen {
			if a.version == to {
				n++
			}
		}
		if n < 100 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	close(w.end)
	w.lines.Wait()
	for _, a := range w.seen {
		if a.version == to && (swapped.IsZero() || a.answered.Before(swapped)) {
			swapped = a.answered
		}
	}
	late := 0
	for _, a := range w.seen {
		if a.version == from && a.sent.After(swapped) {
			late++
		}
	}
	if late > 0 {
		w.s.t.Errorf("%d of %d requests were answered by %s although they were sent after %s had answered", late, len(w.seen), from, to)
	}
	return swapped
}

// Instead of stopping blue, the service keeps it warm with the new version; the next deploy takes it away again.
func TestStandbyIsUpdated(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, `{blue_green: {bake: 300ms, scale_down_delay: 1s, standby: update}}`))
	s.deploy(0, "chat", "3.0")
	load := s.load(100)
	s.deploy(0, "chat", "3.1")
	warm := func(version string) {
		t.Helper()
		s.until(20*time.Second, "standby of "+version, func() error {
			v := s.status("chat")
			enabled, healthy := 0, 0
			for _, i := range v.Instances {
				if i.Version != version {
					return fmt.Errorf("instance %s is %s", i.ID, i.Version)
				}
				if i.Enabled {
					enabled++
				}
				if i.Healthy {
					healthy++
				}
			}
			if len(v.Obligations) > 0 || len(v.Instances) != 4 || enabled != 2 || healthy != 4 {
				return fmt.Errorf("owed %+v, %d instances, %d enabled, %d healthy", v.Obligations, len(v.Instances), enabled, healthy)
			}
			return nil
		})
	}
	warm("3.1")
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	warm("3.2")
	clean(t, load.Stop())
}

// What the functional test or the load test finds out about green, no customer ever sees.
func TestGreenIsTestedFirst(t *testing.T) {
	t.Parallel()
	s := start(t, shop(`bake: 300ms`))
	s.deploy(0, "shop", "1.0")
	for _, c := range []struct{ version, test, reason string }{
		{"1.1-bad", "test 1 (./shop) failed", "check failed: the order costs"},
		{"1.2", "load test failed", "of the requests failed, at most 0.00% may"},
	} {
		t.Run(c.version, func(t *testing.T) {
			s := s.in(t)
			load := s.users(100, "", "/products", "/cart")
			r := s.deploy(2, "shop", c.version)
			report := load.Stop()
			clean(t, report)
			whole(t, r, deploy.RolledBack)
			contains(t, "the reason is", r.Reason, c.test, c.reason)
			if n := report.Versions[c.version]; n > 0 {
				t.Errorf("%d users were answered by %s", n, c.version)
			}
			s.rest("shop", "1.0", 2)
		})
	}
}
