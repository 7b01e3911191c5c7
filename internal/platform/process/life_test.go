//go:build linux

package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInstanceOutlivesAKilledController(t *testing.T) {
	b := open(t)
	cmd := exec.Command("/proc/self/exe", "controller", b.dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("the controller says %q, %v", line, err)
	}
	kill(t, cmd.Process.Pid)
	_ = cmd.Wait()

	i := b.find("chat-r1-1")
	if i.State != deploy.Running {
		t.Fatalf("%+v", i)
	}
	b.serving(i)
	if err := b.Stop(t.Context(), i.ID, time.Second); err != nil {
		t.Fatal(err)
	}
	gone(t, i.PID)
}

func TestKilledProgram(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Echo))
	kill(t, i.PID)
	i = b.await(i.ID, exited)
	if i.Exits != 1 || !strings.Contains(i.Reason, "SIGKILL") {
		t.Errorf("%+v", i)
	}
}

func TestKilledShimTakesTheWholeGroupAlong(t *testing.T) {
	for _, again := range []string{"start", "stop"} {
		t.Run(again, func(t *testing.T) {
			b := open(t)
			i := b.run(service(platformtest.Parent))
			child := b.childOf(i.ID)
			f, _ := b.folder(i.ID)
			kill(t, lockHolder(f.lockFile()))
			gone(t, i.PID) // by its parent-death signal

			i = b.await(i.ID, exited)
			if i.Exits != 1 || i.Ended.IsZero() || !strings.Contains(i.Reason, "shim was killed") {
				t.Errorf("%+v", i)
			}
			if second := b.find(i.ID); !second.Ended.Equal(i.Ended) || second.Exits != 1 {
				t.Errorf("listed first as %+v, then as %+v", i, second)
			}
			if _, err := readStat(child); err != nil {
				t.Fatalf("the grandchild should have survived so far: %v", err)
			}
			if again == "start" {
				b.start(revision(1, service(platformtest.Parent)), 1)
			} else if err := b.Stop(t.Context(), i.ID, 0); err != nil {
				t.Fatal(err)
			}
			gone(t, child)
		})
	}
}

// childOf returns the number of the process that Parent has started.
func (b *bench) childOf(id string) (pid int) {
	b.t.Helper()
	platformtest.Eventually(b.t, func() error {
		text := b.log(id)
		_, number, found := strings.Cut(text, " child ")
		if !found || !strings.Contains(text, " ready\n") {
			return fmt.Errorf("no child in the log: %s", text)
		}
		number, _, _ = strings.Cut(number, "\n")
		var err error
		pid, err = strconv.Atoi(number)
		return err
	})
	return pid
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Parent))
	child := b.childOf(i.ID)
	began := time.Now()
	if err := b.Stop(t.Context(), i.ID, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	// The parent has ended at once, but the rest of the group keeps the time it was promised.
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("stopped after %s", took)
	}
	if _, err := readStat(child); err == nil {
		t.Error("the grandchild still lives")
	}
}

func TestCrashOfTheParentEndsTheRest(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Parent))
	child := b.childOf(i.ID)
	kill(t, i.PID)
	b.await(i.ID, exited)
	if _, err := readStat(child); err == nil {
		t.Error("the grandchild still lives")
	}
}

func TestProcessThatLeftItsGroup(t *testing.T) {
	b := open(t)
	i := b.run(service("/bin/sh", "-c", "setsid sleep 1000 & echo away; wait"))
	platformtest.Eventually(t, func() error {
		if !strings.Contains(b.log(i.ID), "away") || len(descendants(t, b.dir)) < 3 {
			return fmt.Errorf("processes so far: %q", descendants(t, b.dir))
		}
		return nil
	})
	if err := b.Stop(t.Context(), i.ID, time.Second); err != nil {
		t.Fatal(err)
	} // open's cleanup sees that nothing is left
}

func TestHungShim(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Echo))
	f, _ := b.folder(i.ID)
	if err := unix.Kill(lockHolder(f.lockFile()), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	kill(t, i.PID)
	if i = b.await(i.ID, exited); !strings.Contains(i.Reason, "has not said how") {
		t.Errorf("a zombie with a shim that hangs: %+v", i)
	}
	b.start(revision(1, service(platformtest.Echo)), 1)
	i = b.find(i.ID)
	if i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
	if err := unix.Kill(lockHolder(f.lockFile()), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(t.Context(), i.ID, 0); err != nil {
		t.Error(err)
	}
	gone(t, i.PID)
}

func TestReusedNumberIsNotOurs(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Echo))
	f, _ := b.folder(i.ID)
	kill(t, i.PID)
	b.await(i.ID, exited)
	s, err := f.readState()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Process.Kill(); err != nil {
			t.Errorf("the other program: %v", err)
		}
		_ = other.Wait()
	}()
	s.Running, s.Child.PID = true, other.Process.Pid // the start time stays that of ours
	if err := f.write(stateFile, s); err != nil {
		t.Fatal(err)
	}
	if i := b.find(i.ID); i.State != deploy.Exited {
		t.Errorf("%+v", i)
	}
	if err := b.Stop(t.Context(), i.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(other.Process.Pid, 0); err != nil {
		t.Errorf("the other program was hit: %v", err)
	}
}

func TestRestartOfTheMachine(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Echo))
	f, _ := b.folder(i.ID)
	s, err := f.readState()
	if err != nil {
		t.Fatal(err)
	}
	kill(t, i.PID)
	b.await(i.ID, exited)
	s.Boot, s.Exits, s.Ended = "another", 4, time.Now() // as it was found after the loss of power
	if err := f.write(stateFile, s); err != nil {
		t.Fatal(err)
	}
	i = b.find(i.ID)
	if i.State != deploy.Exited || i.Reason != "the machine was restarted" || i.Exits != 0 || !i.Ended.IsZero() {
		t.Errorf("%+v", i)
	}
	b.start(revision(1, service(platformtest.Echo)), 1)
	if i = b.find(i.ID); i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
}

func TestDamagedState(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Echo))
	b.serving(i)
	rev := revision(1, service(platformtest.Fail))
	b.start(rev, 2)
	b.await("chat-r1-2", exited)
	for _, id := range []string{"chat-r1-1", "chat-r1-2"} {
		f, _ := b.folder(id)
		if err := os.Truncate(f.file(stateFile), 20); err != nil {
			t.Fatal(err)
		}
	}
	if found := b.find("chat-r1-1"); found.State != deploy.Running || found.Address != i.Address || found.PID != i.PID {
		t.Errorf("one that runs: %+v, want %+v", found, i)
	}
	if found := b.find("chat-r1-2"); found.State != deploy.Exited || !strings.Contains(found.Reason, "state.json is damaged") {
		t.Errorf("one that has exited: %+v", found)
	}
	f, _ := b.folder("chat-r1-2")
	if err := os.Truncate(f.file(specFile), 20); err != nil {
		t.Fatal(err)
	}
	if found := b.find("chat-r1-2"); found.Service != "chat" || found.Revision != "r1" || found.Slot != 2 {
		t.Errorf("without a spec: %+v", found)
	}
	b.start(rev, 2)
	if found := b.await("chat-r1-2", exited); found.Exits != 1 {
		t.Errorf("started again: %+v", found)
	}
	if err := b.Stop(t.Context(), "chat-r1-1", time.Second); err != nil {
		t.Fatal(err)
	}
	gone(t, i.PID)
}

func TestExitAfterALongRunIsNoCrash(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		run  time.Duration
		want int
	}{{time.Second, 4}, {59 * time.Second, 4}, {60 * time.Second, 0}, {time.Hour, 0}} {
		s := state{Running: true, Exits: 3, Started: now.Add(-test.run)}
		if s.end(now, "over"); s.Exits != test.want || s.Running || !s.Ended.Equal(now) {
			t.Errorf("after %s: %+v, want %d exits", test.run, s, test.want)
		}
	}
}

func TestLongRunClearsTheExits(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Echo))
	f, _ := b.folder(i.ID)
	s, err := f.readState()
	if err != nil {
		t.Fatal(err)
	}
	s.Exits, s.Reason, s.Ended = 3, "boom", time.Now()
	for _, age := range []time.Duration{0, time.Minute} {
		s.Started = time.Now().Add(-age)
		if err := f.write(stateFile, s); err != nil {
			t.Fatal(err)
		}
		if i := b.find(i.ID); i.State != deploy.Running || (i.Exits == 0) != (age == time.Minute) {
			t.Errorf("running for %s: %+v", age, i)
		}
	}
}

func TestPortsOfFiftyConcurrentStarts(t *testing.T) {
	b := open(t)
	settings := service("/bin/sleep", "1000")
	b.run(settings)
	rev := revision(1, settings)
	var all sync.WaitGroup
	for slot := 2; slot <= 50; slot++ {
		all.Go(func() { b.start(rev, slot) })
	}
	all.Wait()
	instances, err := b.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ports := make(map[string]bool)
	for _, i := range instances {
		if i.State != deploy.Running {
			t.Errorf("%+v", i)
		}
		ports[i.Address] = true
	}
	if len(ports) != 50 {
		t.Errorf("%d different addresses", len(ports))
	}
	for _, i := range instances {
		all.Go(func() {
			if err := b.Stop(context.Background(), i.ID, time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestNoFreePort(t *testing.T) {
	b := open(t)
	settings := service("/bin/sleep", "1000")
	i := b.run(settings)
	rev := revision(1, settings)
	only := spec(rev, 2)
	fmt.Sscanf(i.Address, "127.0.0.1:%d", &only.Ports.Low)
	only.Ports.High = only.Ports.Low
	err := b.Start(t.Context(), "chat-r1-2", only)
	if err == nil || !strings.Contains(err.Error(), "no free port in "+only.Ports.String()+" on 127.0.0.1") {
		t.Errorf("%v", err)
	}
	if all, _ := b.List(t.Context(), ""); len(all) != 1 {
		t.Errorf("listed: %+v", all)
	}
}

func TestShimHoldsNothingOfTheController(t *testing.T) {
	b := open(t)
	// A file that is open in the controller and, unlike those that Go opens, handed on to all its children.
	path := filepath.Join(t.TempDir(), "held")
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	i := b.run(service(platformtest.Echo))
	f, _ := b.folder(i.ID)
	shim := lockHolder(f.lockFile())
	for _, pid := range []int{shim, i.PID} {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if target, _ := os.Readlink(filepath.Join(dir, e.Name())); target == path {
				t.Errorf("process %d holds %s", pid, target)
			}
		}
	}
	stat, err := readStat(shim)
	if err != nil || stat.Session != shim {
		t.Errorf("the shim's session is %d, its number %d, %v", stat.Session, shim, err)
	}
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT} {
		if err := unix.Kill(shim, sig); err != nil {
			t.Fatal(err)
		}
	}
	b.serving(i)
	if again := b.find(i.ID); again.State != deploy.Running || lockHolder(f.lockFile()) != shim {
		t.Errorf("after signals to the shim: %+v", again)
	}
}

func TestRunTellsOfExitsAndReaps(t *testing.T) {
	b := open(t)
	changed := make(chan string, 10)
	b.Platform = b.newPlatform(Options{Dir: b.dir, Changed: func(service string) { changed <- service }})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = b.Run(ctx) })
	defer running.Wait()
	defer cancel()

	i := b.run(service(platformtest.Echo))
	f, _ := b.folder(i.ID)
	for _, victim := range []func() int{
		func() int { return b.find(i.ID).PID },
		func() int { return lockHolder(f.lockFile()) },
	} {
		b.start(revision(1, service(platformtest.Echo)), 1)
		kill(t, victim())
		if service := <-changed; service != "chat" {
			t.Errorf("a change of %q", service)
		}
		if i := b.find(i.ID); i.State != deploy.Exited {
			t.Errorf("told of %+v", i)
		}
	}
}

func TestCommandCheck(t *testing.T) {
	b := open(t)
	changed := make(chan string, 100)
	options := Options{Dir: b.dir, Changed: func(service string) { changed <- service }}
	b.Platform = b.newPlatform(options)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = b.Run(ctx) })

	flag := filepath.Join(t.TempDir(), "chat-r1-1.ok")
	settings := service(platformtest.Echo)
	settings.Process.Env = map[string]deploy.Variable{"FLAG": {Text: filepath.Dir(flag) + "/${INSTANCE}.ok"}, "KEY": {File: filepath.Dir(flag) + "/key"}}
	settings.Health.Command = []string{"sh", "-c", `test -e "$FLAG" && test -n "$PORT" && test "$KEY" = sesame`}
	write(t, filepath.Dir(flag)+"/key", "sesame\n")
	settings.Health.Interval = deploy.Duration(20 * time.Millisecond)
	settings.Health.Timeout = deploy.Duration(5 * time.Second)
	i := b.run(settings)
	ready := func(want bool) func(deploy.Instance) bool {
		return func(i deploy.Instance) bool { return i.Ready != nil && *i.Ready == want }
	}
	if !ready(false)(i) {
		t.Errorf("before the first check: %+v", i)
	}
	write(t, filepath.Dir(flag)+"/key", "changed\n") // the check is given what the program was started with
	write(t, flag, "")
	b.await(i.ID, ready(true))
	<-changed
	cancel()
	running.Wait()

	// The verdict outlives the controller, and the run of the program does not outlive its verdict.
	b.Platform = b.newPlatform(options)
	if i := b.find(i.ID); !ready(true)(i) {
		t.Errorf("after a restart of the controller: %+v", i)
	}
	ctx, cancel = context.WithCancel(t.Context())
	running.Go(func() { _ = b.Run(ctx) })
	defer running.Wait()
	defer cancel()
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	b.await(i.ID, ready(false))
	write(t, flag, "")
	b.await(i.ID, ready(true))
	kill(t, i.PID)
	if i := b.await(i.ID, exited); i.Ready != nil {
		t.Errorf("exited and ready: %+v", i)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
