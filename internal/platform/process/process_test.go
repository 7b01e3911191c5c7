//go:build linux

package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// The test binary plays all parts: the shim, the programs, and a controller that is killed.
func TestMain(m *testing.M) {
	// Every process that is built with the race detector sleeps for a second before it ends, unless told otherwise.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "shim":
			if err := Shim(os.Args[2]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "program":
			platformtest.Program(os.Args[2]).Main(os.Args[3:])
		case "controller":
			controller(os.Args[2])
		}
	}
	goleak.VerifyTestMain(m)
}

// controller starts an instance and waits to be killed.
func controller(dir string) {
	p, err := New(Options{Dir: dir})
	if err == nil {
		err = p.Prepare(context.Background(), revision(1, service(platformtest.Echo)))
	}
	if err == nil {
		err = p.Start(context.Background(), "chat-r1-1", spec(revision(1, service(platformtest.Echo)), 1))
	}
	fmt.Println(err)
	select {}
}

var testPorts = deploy.PortSpan{Low: 21000, High: 24999}

func TestPlatform(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platformtest.Setup {
		b := open(t)
		return platformtest.Setup{Platform: b.Platform, Again: b.again, Service: service, Ports: testPorts, Dir: b.dir}
	})
}

// bench is a platform under test with the steps of these tests.
type bench struct {
	*Platform
	t   *testing.T
	all []*Platform // that were ever made on the folder: each has to reap the shims it started
}

// open returns a platform on a fresh folder; at the end of the test it ends everything on it.
func open(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t}
	dir := t.TempDir()
	b.Platform = b.newPlatform(Options{Dir: dir})
	t.Cleanup(func() {
		ctx := context.Background()
		all, err := b.List(ctx, "")
		if err != nil {
			t.Error(err)
		}
		for _, i := range all {
			if err := b.Stop(ctx, i.ID, 0); err != nil {
				t.Error(err)
			}
		}
		platformtest.Eventually(t, func() error { // what has ended may not have become a zombie yet
			for _, p := range b.all {
				p.reap()
			}
			if left := descendants(t, dir); len(left) > 0 {
				return fmt.Errorf("processes that are left: %v", left)
			}
			return nil
		})
	})
	return b
}

func (b *bench) newPlatform(o Options) *Platform {
	b.t.Helper()
	p, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.all = append(b.all, p)
	return p
}

// again is the platform as a restarted controller finds it.
func (b *bench) again() platform.Platform { return b.newPlatform(Options{Dir: b.dir}) }

// descendants returns the shims that work in a folder, and all living programs that such a shim has started, zombies
// included.
func descendants(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		cmdline, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		if strings.Contains(string(cmdline), dir) || strings.Contains(string(environ), "TEST_DIR="+dir+"\x00") {
			found = append(found, e.Name()+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.PPID == os.Getpid() && p.State == "Z" {
			found = append(found, fmt.Sprintf("%d is a zombie", p.PID))
		}
	}
	return found
}

// service runs one of the suite's programs, or any other command that begins with a slash.
func service(p platformtest.Program, args ...string) deploy.Service {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	command := append([]string{exe, "program", string(p)}, args...)
	if p == platformtest.Missing {
		command[0] = "./missing"
	}
	if strings.HasPrefix(string(p), "/") {
		command = append([]string{string(p)}, args...)
	}
	return deploy.Service{Process: &deploy.Process{Command: command, Dir: "/tmp"}}
}

func revision(number int, settings deploy.Service) deploy.Revision {
	return platformtest.Revision(number, settings)
}

func spec(rev deploy.Revision, slot int) deploy.InstanceSpec {
	return platformtest.Spec(rev, slot, testPorts)
}

// run prepares revision r1 with these settings and starts its first instance, which it returns.
func (b *bench) run(settings deploy.Service) deploy.Instance {
	b.t.Helper()
	rev := revision(1, settings)
	if rev.Settings.Process.Env == nil {
		rev.Settings.Process.Env = map[string]deploy.Variable{}
	}
	rev.Settings.Process.Env["TEST_DIR"] = deploy.Variable{Text: b.dir} // by which descendants finds what it starts
	if err := b.Prepare(b.t.Context(), rev); err != nil {
		b.t.Fatal(err)
	}
	b.start(rev, 1)
	return b.find("chat-r1-1")
}

func (b *bench) start(rev deploy.Revision, slot int) {
	b.t.Helper()
	id := deploy.InstanceID(rev.Service, rev.ID, slot)
	if err := b.Start(b.t.Context(), id, spec(rev, slot)); err != nil {
		b.t.Fatal(err)
	}
}

// find returns an instance that must be listed.
func (b *bench) find(id string) deploy.Instance {
	b.t.Helper()
	return platformtest.Listed(b.t, b, id)
}

// await returns the instance once a condition holds for it.
func (b *bench) await(id string, holds func(deploy.Instance) bool) deploy.Instance {
	b.t.Helper()
	return platformtest.Await(b.t, b, id, holds)
}

func exited(i deploy.Instance) bool { return platformtest.Exited(i) }

// serving waits until the program listens.
func (b *bench) serving(i deploy.Instance) {
	b.t.Helper()
	platformtest.Eventually(b.t, func() error {
		c, err := net.DialTimeout("tcp", i.Address, time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// log returns what the instance has printed so far.
func (b *bench) log(id string) string {
	b.t.Helper()
	r, err := b.Logs(b.t.Context(), id, platform.LogOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	return readAll(b.t, r)
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	platformtest.Eventually(t, func() error {
		if stat, err := readStat(pid); err == nil && stat.State != "Z" {
			return fmt.Errorf("process %d still lives: %s", pid, stat.State)
		}
		return nil
	})
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("no process %d", pid)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
