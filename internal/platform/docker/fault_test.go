package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

func TestKilledByHand(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Stubborn))
	if _, err := b.api.ContainerKill(t.Context(), b.name(i.ID), client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	after := b.await(i.ID, exited)
	contains(t, after.Reason, "SIGKILL", "its last output:\nready")
	if after.Exits != 1 {
		t.Errorf("%d exits", after.Exits)
	}
	b.start(revision(1, service(platformtest.Stubborn)), 1)
	if again := b.listed(i.ID); again.State != deploy.Running || again.PID == i.PID || again.Exits != 1 {
		t.Errorf("started again: %+v", again)
	}
}

func TestRemovedByHand(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Stubborn))
	if _, err := b.api.ContainerRemove(t.Context(), b.name(i.ID), client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	after := b.await(i.ID, exited)
	contains(t, after.Reason, "was removed, and not by naru")
	if later := b.listed(i.ID); after.Exits != 1 || !later.Ended.Equal(after.Ended) {
		t.Errorf("first %+v, then %+v", after, later)
	}
	b.start(revision(1, service(platformtest.Stubborn)), 1)
	b.await(i.ID, func(i deploy.Instance) bool { return i.State == deploy.Running })
}

func TestOutOfMemory(t *testing.T) {
	b := open(t)
	s := service("eat")
	s.Docker.Memory = 32 << 20
	i := b.run(s)
	contains(t, b.await(i.ID, exited).Reason, "ran out of memory: docker.memory allows 32MiB")
}

func TestHealthCommand(t *testing.T) {
	b := open(t)
	program, err := dockertest.Build(programs, "./dockertest/program")
	if err != nil {
		t.Fatal(err)
	}
	if err := theEngine.Image(t.Context(), testImage+":checked", program, `ENTRYPOINT ["/program"]`, `HEALTHCHECK CMD ["/program", "missing"]`); err != nil {
		t.Fatal(err)
	}
	passes, fails := []string{"/program", "pass"}, []string{"/program", "missing"}
	for _, test := range []struct {
		name   string
		image  string
		health deploy.Health
		ready  *bool
	}{
		{"a command that passes", "1", deploy.Health{Command: passes}, new(true)},
		{"a command that fails", "1", deploy.Health{Command: fails}, new(false)},
		{"an image's own that fails", "checked", deploy.Health{TCP: true}, new(false)},
		{"an image's own beside http", "checked", deploy.Health{HTTP: "/"}, nil},
	} {
		s := service(platformtest.Echo)
		s.Docker.Image, s.Health = testImage+":"+test.image, test.health
		s.Health.Interval, s.Health.Timeout = deploy.Duration(200*time.Millisecond), deploy.Duration(5*time.Second)
		rev := revision(len(test.name), s)
		if err := b.Prepare(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		b.start(rev, 1)
		id := deploy.InstanceID("chat", rev.ID, 1)
		i := b.await(id, func(i deploy.Instance) bool {
			return test.ready == nil || *test.ready == false || i.Ready != nil && *i.Ready
		})
		if (i.Ready == nil) != (test.ready == nil) || i.Ready != nil && *i.Ready != *test.ready {
			t.Errorf("%s: %+v", test.name, i)
		}
		if err := b.Stop(t.Context(), id, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestRevisionIsAnImageNotATag(t *testing.T) {
	b := open(t)
	program, err := dockertest.Build(programs, "./dockertest/program")
	if err != nil {
		t.Fatal(err)
	}
	const tag = testImage + ":moving"
	build := func(word string) {
		if err := theEngine.Image(t.Context(), tag, program, `ENTRYPOINT ["/program"]`, "ENV WORD="+word); err != nil {
			t.Fatal(err)
		}
	}
	build("first")
	s := service(platformtest.Echo)
	s.Docker.Image = tag
	first, second := revision(1, s), revision(2, s)
	if err := b.Prepare(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	build("second")
	if theEngine.Own() { // on anybody else's it would take their images
		if _, err := b.api.ImagePrune(t.Context(), client.ImagePruneOptions{}); err != nil { // of what has no tag
			t.Fatal(err)
		}
	}
	if err := b.Prepare(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	for _, rev := range []deploy.Revision{first, second} {
		if err := b.Readiness(rev); err != nil {
			t.Error(err)
		}
		b.start(rev, 1)
		c, err := b.api.ContainerInspect(t.Context(), b.name(deploy.InstanceID("chat", rev.ID, 1)), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"r1": "WORD=first", "r2": "WORD=second"}[rev.ID]
		contains(t, fmt.Sprint(c.Container.Config.Env), want)
		if err := b.Stop(t.Context(), deploy.InstanceID("chat", rev.ID, 1), 0); err != nil {
			t.Fatal(err)
		}
	}
	// Removed by force, with every tag.
	r, err := b.readRecord("chat", "r1", "1.0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.api.ImageRemove(t.Context(), r.ID, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{b.Readiness(first), b.Prepare(t.Context(), first)} {
		if err == nil {
			t.Fatal("the image is gone, and nothing is said")
		}
		contains(t, err.Error(), "is not on this machine any more", "deploy version 1.0 again")
	}
	b.start(first, 1)
	contains(t, b.await("chat-r1-1", exited).Reason, "is not on this machine any more")
	if err := b.Remove(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if i, err := b.image(t.Context(), b.keepTag("chat", "r2")); err != nil || i != nil {
		t.Errorf("the tag of a removed revision: %v, %v", i, err)
	}
}

func TestCannotBeStarted(t *testing.T) {
	b := open(t)
	program := filepath.Join(programs, "program")
	if err := theEngine.Alien(t.Context(), testImage+":alien", "s390x", program); err != nil {
		t.Fatal(err)
	}
	if err := theEngine.Image(t.Context(), testImage+":mute", program); err != nil {
		t.Fatal(err)
	}
	for number, test := range []struct {
		change func(*deploy.Docker)
		says   []string
	}{
		{func(d *deploy.Docker) { d.Image = testImage + ":never" }, []string{"is not on this machine, and docker.pull is never"}},
		{func(d *deploy.Docker) { d.Image, d.Pull = "127.0.0.1:1/x:${VERSION}", "missing" }, []string{"127.0.0.1:1/x:1.0", "the registry 127.0.0.1:1 cannot be reached"}},
		{func(d *deploy.Docker) { d.Image = testImage + ":alien" }, []string{"made for linux/s390x", "--platform"}},
		{func(d *deploy.Docker) { d.Volumes = []string{"/no/such/folder:/data"} }, []string{"/no/such/folder cannot be mounted"}},
		{func(d *deploy.Docker) { d.EnvFile = "/no/such/file" }, []string{"docker.env_file", "no such file"}},
		{func(d *deploy.Docker) { d.Image, d.Command = testImage+":mute", nil }, []string{"names no program; write docker.command"}},
		{func(d *deploy.Docker) { d.User = "nobody-knows" }, []string{"cannot start the container", "nobody-knows"}},
	} {
		s := service(platformtest.Echo)
		test.change(s.Docker)
		rev := revision(number+1, s)
		rev.Version = "1.0"
		err := b.Prepare(t.Context(), rev)
		if err == nil { // found out by the engine alone
			b.start(rev, 1)
			err = fmt.Errorf("%s", b.await(deploy.InstanceID("chat", rev.ID, 1), exited).Reason)
		}
		contains(t, err.Error(), test.says...)
	}
}

// Two narus on one engine do not see each other's containers, not even those of the same service and revision.
func TestTwoServersOnOneEngine(t *testing.T) {
	one, other := open(t), open(t)
	i, j := one.run(service(platformtest.Stubborn)), other.run(service(platformtest.Stubborn))
	if i.ID != j.ID || i.PID == j.PID {
		t.Errorf("%+v and %+v", i, j)
	}
	if err := one.Stop(t.Context(), i.ID, 0); err != nil {
		t.Fatal(err)
	}
	if left := other.listed(j.ID); left.State != deploy.Running || left.PID != j.PID {
		t.Errorf("the other's: %+v", left)
	}
}

// A port that somebody takes between the choice and the start is not insisted on.
func TestPortsAreShared(t *testing.T) {
	b := open(t)
	s := service(platformtest.Echo)
	rev := revision(1, s)
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	b.start(rev, 1)
	b.start(rev, 2)
	if one, two := b.listed("chat-r1-1"), b.listed("chat-r1-2"); one.Address == two.Address {
		t.Errorf("both at %s", one.Address)
	}
	narrow := spec(rev, 3)
	port := 0
	fmt.Sscanf(b.listed("chat-r1-1").Address, "127.0.0.1:%d", &port)
	narrow.Ports = deploy.PortSpan{Low: port, High: port}
	if err := b.Start(t.Context(), "chat-r1-3", narrow); err == nil || !strings.Contains(err.Error(), "widen server.ports") {
		t.Errorf("all ports are taken: %v", err)
	}
}

// The end of a container wakes whoever waits, and the engine may be restarted meanwhile.
func TestEngineRestarted(t *testing.T) {
	b := open(t)
	if !theEngine.Own() {
		t.Skip("the engine is not the tests' own, so it is not restarted")
	}
	var changes atomic.Int64
	b.Platform = b.newPlatform(b.dir, func(string) { changes.Add(1) })
	i := b.run(service(platformtest.Echo))
	if err := theEngine.Down(); err != nil {
		t.Fatal(err)
	}
	platformtest.Eventually(t, func() error { // the last word of the engine holds until its events end
		all, err := b.List(t.Context(), "")
		if err == nil {
			return fmt.Errorf("without an engine there are %v", all)
		}
		contains(t, err.Error(), "the Docker engine does not answer", "systemctl start docker")
		return nil
	})
	// The container goes on, and nobody listens for it: its port is no free one all the same, to nobody.
	port := 0
	if _, err := fmt.Sscanf(i.Address, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	var shared platform.Ports
	if _, err := New(Options{Dir: b.dir, Host: theEngine.Host, Ports: &shared}); err != nil {
		t.Fatal(err)
	}
	took := func(int) error { t.Error("the port of a container that goes on was given out"); return nil }
	if err := shared.Take("shop-r1-1", deploy.PortSpan{Low: port, High: port}, took); err == nil || !strings.Contains(err.Error(), "no free port") {
		t.Errorf("its port is to be had: %v", err)
	}
	for _, err := range []error{b.Prepare(t.Context(), revision(2, service(platformtest.Echo))), b.Readiness(revision(1, service(platformtest.Echo))),
		b.Start(t.Context(), "chat-r1-2", spec(revision(1, service(platformtest.Echo)), 2))} {
		if err == nil {
			t.Fatal("nothing is said of an engine that is away")
		}
		contains(t, err.Error(), "the Docker engine does not answer")
	}
	if _, err := os.Stat(b.revision("chat", "r2")); err == nil {
		t.Error("a revision is half prepared")
	}
	if all, err := b.List(t.Context(), "shop"); err != nil || all != nil {
		t.Errorf("a service without containers: %v, %v", all, err)
	}
	if err := theEngine.Up(); err != nil {
		t.Fatal(err)
	}
	if after := b.listed(i.ID); after.PID != i.PID || after.Address != i.Address {
		t.Errorf("before %+v, after %+v", i, after)
	}
	platformtest.Eventually(t, func() error { // Run has called again
		if _, err := b.List(t.Context(), ""); err != nil {
			return err
		}
		b.world.mu.Lock()
		defer b.world.mu.Unlock()
		if !b.world.watching {
			return fmt.Errorf("no events are followed")
		}
		return nil
	})
	before := changes.Load()
	if _, err := b.api.ContainerKill(context.Background(), b.name(i.ID), client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	b.await(i.ID, exited)
	if changes.Load() == before {
		t.Error("nobody was told")
	}
}

// An order to stop that its controller did not live to carry out is the next one's.
func TestOrderOutlivesController(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Stubborn))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop(ctx, i.ID, 2*time.Second) }()
	b.await(i.ID, func(i deploy.Instance) bool { return i.State == deploy.Stopping })
	cancel()
	if err := <-stopped; err == nil {
		t.Fatal("stopped at once")
	}
	platformtest.Eventually(t, func() error {
		all, err := b.List(t.Context(), "")
		if _, noted := os.Stat(b.noteFile(i.ID)); err == nil && (len(all) > 0 || noted == nil) {
			err = fmt.Errorf("not forgotten: %+v", all)
		}
		return err
	})
}

// What is noted of an instance is lost, as with a backup that is brought back: its labels tell whose it is.
func TestAdoptionByLabels(t *testing.T) {
	b := open(t)
	rev := revision(1, service(platformtest.Echo))
	i := b.run(rev.Settings)
	forget := func() {
		t.Helper()
		if err := os.Remove(b.noteFile(i.ID)); err != nil {
			t.Fatal(err)
		}
		if all, err := b.List(t.Context(), ""); err != nil || len(all) > 0 {
			t.Fatalf("without a note there are %+v, %v: this shows nothing", all, err)
		}
	}
	found := func(by string) {
		t.Helper()
		if after := b.listed(i.ID); after.PID != i.PID || after.Address != i.Address || after.Service != "chat" || after.Revision != "r1" || after.Slot != 1 {
			t.Errorf("before %+v, %s %+v", i, by, after)
		}
	}
	forget()
	b.start(rev, 1)
	found("by a start")
	forget()
	b.newPlatform(b.dir, nil)
	platformtest.Eventually(t, func() error {
		if all, err := b.List(t.Context(), "chat"); err != nil || len(all) != 1 {
			return fmt.Errorf("%+v, %w", all, err)
		}
		return nil
	})
	found("by the next controller")
	if n, known := b.readNote(i.ID); !known || n.Port == 0 || n.Container == "" {
		t.Errorf("noted is %+v", n)
	}
}

// While nobody listens in a container, its port does not look as if somebody did: what the engine's own proxy accepts, it
// drops, by which a probe by tcp knows.
func TestNobodyListens(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Stubborn))
	c, err := net.DialTimeout("tcp", i.Address, 5*time.Second)
	if err != nil {
		return // as it is where the engine uses the firewall alone
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stands: %v", err)
	}
}
