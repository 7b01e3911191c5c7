package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/store"
)

// SIGTERM ends serve alone: proxy and instances go on, and the next serve adopts them.
func TestServeIsRestartedAtNoCost(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	before, proxy := s.status("chat"), s.proxyPID()
	load := s.load(150)
	for range 3 {
		s.signal(syscall.SIGTERM, 0)
		s.begin()
		s.sameProcesses(before)
	}
	if again := s.proxyPID(); again != proxy {
		t.Errorf("proxy %d was replaced by %d", proxy, again)
	}
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	clean(t, load.Stop())
}

// sameProcesses checks that every instance of an earlier status still runs as the same process.
func (s *stand) sameProcesses(before engine.Status) {
	s.t.Helper()
	s.until(10*time.Second, "all instances are healthy", func() error {
		v := s.status(before.Service)
		for _, i := range v.Instances {
			if !i.Healthy {
				return fmt.Errorf("%+v", i)
			}
		}
		if len(v.Instances) != len(before.Instances) {
			return fmt.Errorf("%d instances", len(v.Instances))
		}
		return nil
	})
	for i, now := range s.status(before.Service).Instances {
		if was := before.Instances[i]; now.PID != was.PID || now.ID != was.ID {
			s.t.Errorf("%s (pid %d) is now %s (pid %d)", was.ID, was.PID, now.ID, now.PID)
		}
	}
}

// signal sends serve a signal and waits for its end with a status.
func (s *stand) signal(sig syscall.Signal, want int) {
	s.t.Helper()
	if err := s.serve.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.t.Fatalf("serve goes on after %v\n%s", sig, s.logs())
	}
	if got := s.serve.ProcessState.ExitCode(); got != want {
		s.t.Errorf("serve ended with status %d on %v, want %d\n%s", got, sig, want, s.logs())
	}
}

// Ctrl-C, naru down, and naru down without a serve stop everything; what was deployed comes back with the next serve.
func TestEverythingIsStopped(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	stops := []struct {
		name string
		stop func(*stand)
	}{
		{"interrupt", func(s *stand) { s.signal(syscall.SIGINT, 0) }},
		{"down", func(s *stand) { s.must(0, "down", "-f", "naru.yaml"); <-s.ended }},
		{"down without a serve", func(s *stand) {
			s.kill()
			contains(s.t, "down says", s.must(0, "down", "-f", "naru.yaml"), "stopped 2 instances")
		}},
		{"down with a damaged state", func(s *stand) {
			s.kill()
			path := filepath.Join(s.dir, ".naru", store.File)
			good, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte("damaged"), 0o600)
			}
			contains(s.t, "down says", s.must(0, "down", "-f", "naru.yaml"), "stopped 2 instances")
			if err := errors.Join(err, os.WriteFile(path, good, 0o600)); err != nil {
				s.t.Fatal(err)
			}
		}},
		{"down with nothing there", func(s *stand) {
			s.must(0, "down", "-f", "naru.yaml", "--now")
			<-s.ended
			contains(s.t, "down says", s.must(0, "down", "-f", "naru.yaml"), "stopped 0 instances")
		}},
	}
	for _, c := range stops {
		t.Run(c.name, func(t *testing.T) {
			s := s.in(t)
			late := s.slowly() // what is in flight is finished first
			c.stop(s)
			if err := late(); err != nil && !strings.HasPrefix(c.name, "down with nothing") {
				t.Errorf("a request in flight: %v", err)
			}
			if left := processes(s.dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
		s.begin()
		s.rest("chat", "3.0", 2)
	}
}

// slowly begins an upload that takes a while, and returns a function that waits for its answer.
func (s *stand) slowly() (wait func() error) {
	s.t.Helper()
	return s.uploading(300 * time.Millisecond)
}

// uploading begins an upload whose end is so long in coming.
func (s *stand) uploading(lasts time.Duration) (wait func() error) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.http)
	if err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /upload HTTP/1.1\r\nHost: chat\r\nContent-Length: 4\r\nConnection: close\r\n\r\nna")
	s.until(10*time.Second, "the upload is in flight", func() error {
		for _, i := range s.status("chat").Instances {
			if i.InFlight > 0 {
				return nil
			}
		}
		return errors.New("nothing is")
	})
	done := make(chan error, 1)
	go func() {
		defer conn.Close()
		time.Sleep(lasts) // the rest of the body is slow to come: that is what is tried
		if _, err := conn.Write([]byte("ru")); err != nil {
			done <- err
			return
		}
		var answer bytes.Buffer
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err := answer.ReadFrom(conn)
		if err == nil && !strings.HasPrefix(answer.String(), "HTTP/1.1 200 ") {
			err = fmt.Errorf("answered %q", answer.String())
		}
		done <- err
	}()
	return func() error { return <-done }
}

// A machine that is rebooted in the middle of a canary: everything dies at once. After the start the instances are there
// again and the rollout goes on to its end.
func TestRebootInTheMiddleOfACanary(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, `{canary: {steps: [{weight: 50%, bake: 3s}, 100%], bake: 300ms}}`))
	s.deploy(0, "chat", "3.0")
	before := s.load(100)
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.at("chat", 1, deploy.Baking)
	s.served(before, "3.1", 20)
	before.Stop() // what is in flight when the power goes cannot be saved
	s.kill()
	for len(processes(s.dir)) > 0 {
		for _, p := range processes(s.dir) {
			number, _, _ := strings.Cut(p, " ")
			pid, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	s.begin()
	load := s.load(100)
	s.rest("chat", "3.1", 2)
	s.served(load, "3.1", 50)
	clean(t, load.Stop())
	r := s.last("chat")
	if r.Outcome != deploy.Promoted || r.Complete || r.Requests.ByNaru != 0 {
		t.Errorf("the receipt should say that counters were lost: %+v", r)
	}
}

// A rollout that is open when everything is taken down in good order goes on with the next serve as well; and a proxy
// that is killed in the middle of it costs only what it had counted.
func TestRolloutOutlivesDownAndProxy(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, `{canary: {steps: [{weight: 50%, bake: 10m}, {weight: 80%, bake: 10m}, 100%], bake: 300ms}}`))
	s.deploy(0, "chat", "3.0")
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.at("chat", 1, deploy.Baking)
	s.must(0, "down", "-f", "naru.yaml")
	<-s.ended
	s.begin()
	load := s.load(50)
	s.at("chat", 1, deploy.Baking)
	s.must(0, "promote", "chat")
	s.at("chat", 2, deploy.Baking)
	clean(t, load.Stop())

	s.kill() // the next serve has not opened the sockets itself
	s.begin()
	proxy := s.proxyPID()
	if err := syscall.Kill(proxy, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.until(10*time.Second, "another proxy", func() error {
		if pid := s.proxyPID(); pid == proxy {
			return fmt.Errorf("%d still answers", pid)
		}
		return nil
	})
	load = s.load(50)
	if v := s.at("chat", 2, deploy.Baking); v.Rollout.Weight != 80 {
		t.Errorf("the weight is %v", v.Rollout.Weight)
	}
	s.must(0, "promote", "chat", "--full")
	s.rest("chat", "3.1", 2)
	clean(t, load.Stop())
	if r := s.last("chat"); r.Outcome != deploy.Promoted || r.Complete || r.Requests.Failed != 0 {
		t.Errorf("the receipt should say that counters were lost: %+v", r)
	}
}
