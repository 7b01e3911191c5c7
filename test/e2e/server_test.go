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

// What keeps serve from starting is one line: what, where, who holds it, what to do. Nothing is left running.
func TestServeSaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	first := start(t, chat(1, strategies["rolling"]))
	mine, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	me := strconv.Itoa(os.Getpid())
	cases := []struct {
		name  string
		spoil func(*stand)
		words []string
	}{
		{"http taken by another naru", func(s *stand) { s.http = first.http }, []string{"listen on " + first.http, "is taken by naru (pid ", "stop that program or choose another"}},
		{"http taken by a stranger", func(s *stand) { s.http = mine.Addr().String() }, []string{"listen on " + mine.Addr().String(), "is taken by ", "(pid " + me + ")"}},
		{"admin taken", func(s *stand) { s.admin = first.admin }, []string{"listen on " + first.admin, "is taken by naru (pid " + strconv.Itoa(first.serve.Process.Pid) + ")"}},
		{"state folder locked", func(s *stand) {
			os.RemoveAll(filepath.Join(s.dir, ".naru"))
			if err := os.Symlink(filepath.Join(first.dir, ".naru"), filepath.Join(s.dir, ".naru")); err != nil {
				t.Fatal(err)
			}
		}, []string{"the state folder is in use by another naru serve: ", "/.naru (pid " + strconv.Itoa(first.serve.Process.Pid) + ")", "stop that one"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := stage(t, chat(1, strategies["rolling"]))
			c.spoil(s)
			s.write(chat(1, strategies["rolling"]))
			out, errs, status := s.said("serve", "-f", "naru.yaml")
			if status != 1 || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, want 1 and one line:\n%s%s", status, out, errs)
			}
			contains(t, "serve says", errs, c.words...)
			if c.name == "state folder locked" { // or the end of this stand would take the first one down
				os.Remove(filepath.Join(s.dir, ".naru"))
			}
		})
	}
	first.deploy(0, "chat", "3.0") // which goes on
}

// A state file that cannot be read keeps serve from starting, not users from being answered. Nothing is thrown away.
func TestCorruptStateIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	before := s.status("chat")
	load := s.load(100)
	s.kill()
	path := filepath.Join(s.dir, ".naru", store.File)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{
		"overwritten":          bytes.Repeat([]byte("naru"), len(good)/4),
		"cut off":              good[:12288],
		"empty":                {},
		"damaged in the midst": append(append([]byte(nil), good[:8192]...), bytes.Repeat([]byte{0xa5}, len(good)-8192)...),
	}
	for name, bad := range damage {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			out, errs, status := s.in(t).said("serve", "-f", "naru.yaml")
			if status != 1 || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, want 1 and one line:\n%s%s", status, out, errs)
			}
			contains(t, "serve says", errs, path, "Restore it from a backup; or move it away")
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.sameProcesses(before)
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

// A state that cannot be written stops the rollout, with the file and what to do, and not the traffic; once there is
// room it goes on.
func TestFullDiskStopsTheRollout(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(2, `{canary: {steps: [{weight: 50%, bake: 10m}, 100%], bake: 300ms}}`))
	state := filepath.Join(s.dir, ".naru")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("naru-e2e", state, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { s.end(); syscall.Unmount(state, syscall.MNT_DETACH) })
	s.begin()
	s.deploy(0, "chat", "3.0")
	load := s.load(100)
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.at("chat", 1, deploy.Baking)
	ballast := filepath.Join(state, "ballast")
	fill(t, ballast)
	said := ""
	for range 2000 { // each adds an event, until the room that the file already has is used up
		for _, verb := range []string{"pause", "resume"} {
			if status, text := s.ask("POST", "/v1/services/chat/"+verb, ""); status >= 500 {
				said = text
			}
		}
		if said != "" {
			break
		}
	}
	contains(t, "the command that could not be saved says", said, "write "+filepath.Join(state, store.File), "no space left on device", "make room on the disk", "traffic goes on, deployments wait")
	s.served(load, "3.1", 50)
	if r := s.status("chat").Rollout; r == nil || r.Step != 1 || r.Weight != 50 {
		t.Errorf("on a full disk the rollout went to %+v", r)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.must(0, "promote", "chat", "--full")
	s.rest("chat", "3.1", 2)
	clean(t, load.Stop())
	whole(t, s.last("chat"), deploy.Promoted)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

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
		time.Sleep(300 * time.Millisecond) // the rest of the body is slow to come: that is what is tried
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

// The admin address for other machines asks for the token of the file; SIGHUP reads another one.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(1, strategies["rolling"]))
	_, port, _ := net.SplitHostPort(s.admin)
	s.admin = "0.0.0.0:" + port
	s.write(chat(1, strategies["rolling"]))
	s.refused([]string{"naru.yaml:3:", "admin_token_file"}, "serve", "-f", "naru.yaml")

	token := filepath.Join(s.dir, "token")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(token, "correct-horse")
	s.server = "  admin_token_file: token\n"
	s.write(chat(1, strategies["rolling"]))
	s.begin()
	s.wants(401, "unauthorized", "the token is missing or wrong", "GET", "/v1/services", "")
	s.wants(401, "unauthorized", "the token is missing or wrong", "POST", "/v1/down", "{}")
	s.refused([]string{"the token is missing or wrong"}, "status")
	put(filepath.Join(s.dir, "other"), "battery-staple")
	s.refused([]string{"the token is missing or wrong"}, "status", "--token-file", "other")
	s.must(0, "status", "--token-file", "token")
	s.must(0, "deploy", "chat", "3.0") // the file names the token

	put(token, "battery-staple")
	s.serve.Process.Signal(syscall.SIGHUP)
	s.until(10*time.Second, "the new token is taken", func() error {
		if _, errs, status := s.said("status", "--token-file", "other"); status != 0 {
			return errors.New(errs)
		}
		return nil
	})
}

// No port is left for an instance: that is said, and costs nobody anything.
func TestNoPortIsFree(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(2, strategies["rolling"]))
	low, _, _ := strings.Cut(s.ports, "-")
	s.ports = low + "-" + low[:len(low)-1] + "1" // two
	s.write(chat(2, strategies["rolling"]))
	s.begin()
	s.deploy(0, "chat", "3.0")
	load := s.load(50)
	r := s.deploy(2, "chat", "3.1")
	clean(t, load.Stop())
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "no free port", s.ports)
	s.rest("chat", "3.0", 2)
}
