package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// A version that does not work is taken back by itself, with the reason, and costs no request but those that it
// answered itself.
func TestBadVersionsAreTakenBack(t *testing.T) {
	t.Parallel()
	s := start(t, chat(3, strategies["canary"]))
	s.deploy(0, "chat", "3.0")
	cases := []struct {
		version, reason string
		app             bool // it answers users before it is found out
	}{
		{"3.2-crash", "times in a row", false},
		{"3.2-hang", "was not healthy within", false},
		{"3.2-500", " failed; by chance alone less than 1 in ", true},
	}
	for _, c := range cases {
		t.Run(c.version, func(t *testing.T) {
			s := s.in(t)
			load := s.load(200)
			r := s.deploy(2, "chat", c.version)
			report := load.Stop()
			if r.Outcome != deploy.RolledBack || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("outcome %s, reason %q, want %q in it", r.Outcome, r.Reason, c.reason)
			}
			if r.Requests.ByNaru != 0 || !c.app && r.Requests.Failed != 0 {
				t.Errorf("requests: %+v", r.Requests)
			}
			if !c.app {
				clean(t, report)
			} else if report.Failed != int(r.Requests.ByApp) {
				t.Errorf("users saw %d failures, the receipt counts %d", report.Failed, r.Requests.ByApp)
			}
			if v := s.status("chat"); v.Stable.Version != "3.0" || v.Rollout != nil || len(v.Instances) != 3 {
				t.Errorf("afterwards: %+v", v)
			}
		})
	}
}

func TestVersionThatCannotStart(t *testing.T) {
	t.Parallel()
	s := start(t, strings.ReplaceAll(chat(2, strategies["rolling"]), "BIN/chat,", `"BIN/chat-${VERSION}",`))
	for _, v := range []string{"3.0", "3.1"} {
		if err := os.Link(bin+"/chat", bin+"/chat-"+v); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	s.deploy(0, "chat", "3.0")
	load := s.load(100)
	began := time.Now()
	r := s.deploy(2, "chat", "9.9")
	clean(t, load.Stop())
	if !strings.Contains(r.Reason, "chat-9.9") || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %q", time.Since(began), r.Reason)
	}
}

// kill -9 of serve at any moment of a canary costs no request, and the rollout goes on where it was.
func TestKilledControllerLosesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, `{canary: {steps: [5%, 10%, 25%, 50%, 75%, 100%], bake: 1s}}`))
	s.deploy(0, "chat", "3.0")
	load := s.load(200)
	s.must(0, "deploy", "chat", "3.1", "--detach")
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		time.Sleep(time.Duration(200+rnd.IntN(1200)) * time.Millisecond) // the moment is the point
		s.kill()
		s.begin()
	}
	s.until(60*time.Second, "promoted", func() error {
		if v := s.status("chat"); v.Rollout != nil || v.Stable.Version != "3.1" {
			return fmt.Errorf("%+v", v.Rollout)
		}
		return nil
	})
	clean(t, load.Stop())
	whole(t, s.receipt(s.must(0, "receipt", "chat", "--json")), deploy.Promoted)
}

// An instance that is killed in steady state loses no request that may be repeated, and comes back.
func TestKilledInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, chat(3, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	load := traffic.Load{URL: "http://" + s.http, Rate: 200, Sources: 40, Fresh: .2, Request: traffic.Get("/api/echo?text=a", "/version")}.Start(t.Context())
	for range 3 {
		victim := s.status("chat").Instances[0]
		if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.until(20*time.Second, "replaced", func() error {
			healthy := 0
			for _, i := range s.status("chat").Instances {
				if i.Healthy && i.Enabled && i.PID != victim.PID {
					healthy++
				}
			}
			if healthy != 3 {
				return fmt.Errorf("%d healthy", healthy)
			}
			return nil
		})
	}
	clean(t, load.Stop())
}

// The only instance is killed: there is nobody else to ask, so requests wait until it is back.
func TestOnlyInstanceIsKilled(t *testing.T) {
	t.Parallel()
	s := start(t, chat(1, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	load := traffic.Load{URL: "http://" + s.http, Rate: 100, Sources: 20, Fresh: .2, Request: traffic.Get("/api/echo?text=a", "/version")}.Start(t.Context())
	victim := s.status("chat").Instances[0]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.until(20*time.Second, "replaced", func() error {
		for _, i := range s.status("chat").Instances {
			if i.Healthy && i.Enabled && i.PID != victim.PID {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.status("chat").Instances)
	})
	clean(t, load.Stop())
}

// A host that another service has taken meanwhile is not taken back by a rollback, and nobody's routing stands still.
func TestRollbackToAHostThatIsTaken(t *testing.T) {
	t.Parallel()
	service := func(name, host string) string {
		text := strings.ReplaceAll(chat(1, strategies["rolling"]), "  chat:\n", "  "+name+":\n    hosts: ["+host+"]\n")
		return text
	}
	s := start(t, service("one", "one.test"))
	s.deploy(0, "one", "3.0")
	s.write(service("one", "other.test") + service("two", "one.test"))
	s.quiet("one", "3.1")
	s.deploy(0, "two", "3.0")
	out, status := s.naru("rollback", "one", "--json")
	if status != 1 || !strings.Contains(out, "two already answers one.test/") {
		t.Errorf("exit %d: %s", status, out)
	}
	for _, host := range []string{"one.test", "other.test"} {
		clean(t, traffic.Load{URL: "http://" + s.http, Host: host, Rate: 50, Duration: time.Second, Request: traffic.Get("/version")}.Run(t.Context()))
	}
}

// quiet deploys a version that nobody uses: the missing evidence is waived.
func (s *stand) quiet(service, version string) {
	s.t.Helper()
	s.must(0, "deploy", service, version, "--detach")
	s.until(30*time.Second, "promoted", func() error {
		v := s.status(service)
		if v.Rollout != nil {
			s.naru("promote", service, "--full")
			return fmt.Errorf("%+v", v.Rollout)
		}
		if v.Stable == nil || v.Stable.Version != version {
			return fmt.Errorf("%+v", v.Stable)
		}
		return nil
	})
}

// A proxy that is killed is replaced within a second with the stored table; the instances do not notice. What was in
// flight on it is lost, what comes meanwhile waits.
func TestKilledProxyIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	before := s.status("chat").Instances
	pid := s.proxyPID()
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r := traffic.Load{URL: "http://" + s.http, Rate: 50, Duration: 2 * time.Second, Fresh: 1, Request: traffic.Get("/version")}.Run(t.Context())
	clean(t, r)
	t.Logf("answered again after at most %s", time.Since(began)-2*time.Second+r.Latency.Max())
	if again := s.proxyPID(); again == pid {
		t.Errorf("proxy %d is still said to serve", pid)
	}
	for i, after := range s.status("chat").Instances {
		if after.PID != before[i].PID {
			t.Errorf("instance %s was restarted", after.ID)
		}
	}
}

// A deploy in the middle of a rollout replaces it; users of what it had brought in are served until they are moved.
func TestSupersededRollout(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]string{"canary": `{canary: {steps: [20%, 60%, 100%], bake: 1s}}`, "rolling": `{rolling: {max_surge: 1, bake: 1s}}`} {
		t.Run(name, func(t *testing.T) {
			s := start(t, chat(3, strategy))
			s.deploy(0, "chat", "3.0")
			load := s.load(150)
			waiting := s.command("deploy", "chat", "3.1")
			if err := waiting.Start(); err != nil {
				t.Fatal(err)
			}
			s.until(20*time.Second, "second step", func() error {
				if v := s.status("chat"); v.Rollout == nil || v.Rollout.Step < 2 {
					return fmt.Errorf("%+v", v.Rollout)
				}
				return nil
			})
			r := s.deploy(0, "chat", "3.2")
			if err := waiting.Wait(); waiting.ProcessState.ExitCode() != 2 {
				t.Errorf("the superseded client: %v", err)
			}
			clean(t, load.Stop())
			whole(t, r, deploy.Promoted)
			if r.MinHealthy < 3 {
				t.Errorf("only %d instances were healthy at one moment", r.MinHealthy)
			}
		})
	}
}
