package docker

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// The engine of these tests, and a folder with the program of the images; none and the reason where there is no engine.
var (
	theEngine *dockertest.Engine
	noEngine  error
	programs  string
)

const (
	testImage    = "naru-test/program"
	missingImage = "naru-test/missing:1"
)

func TestMain(m *testing.M) {
	stop := func() {}
	if theEngine, noEngine = dockertest.Find(); noEngine == nil {
		stop = theEngine.Stop
		noEngine = images()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		stop()
		_ = os.RemoveAll(programs)
		os.Exit(status)
	}))
}

// images makes the images that most tests run.
func images() (err error) {
	if programs, err = os.MkdirTemp("", "naru-programs"); err != nil {
		return err
	}
	program, err := dockertest.Build(programs, "./dockertest/program")
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := theEngine.Image(ctx, testImage+":1", program, `ENTRYPOINT ["/program"]`); err != nil {
		return err
	}
	return theEngine.Image(ctx, missingImage, program, `ENTRYPOINT ["/missing"]`)
}

var testPorts = deploy.PortSpan{Low: 22500, High: 23499}

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
	api *client.Client // of the engine, to look behind the platform's back
}

// open returns a platform on a fresh folder, with its Run; at the end of the test it ends everything on it.
func open(t *testing.T) *bench {
	t.Helper()
	if noEngine != nil {
		t.Skip(noEngine)
	}
	api, err := theEngine.API()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, api: api}
	b.Platform = b.newPlatform(t.TempDir(), nil)
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
		left, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: b.ours()})
		if err != nil || len(left.Items) > 0 {
			t.Errorf("containers that are left: %v, %v", left.Items, err)
		}
		b.Close() // its Run has ended before, and what came after has connected again
		api.Close()
	})
	return b
}

// newPlatform runs a platform until the end of the test.
func (b *bench) newPlatform(dir string, changed func(string)) *Platform {
	b.t.Helper()
	p, err := New(Options{Dir: dir, Host: theEngine.Host, Changed: changed})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = p.Run(ctx) })
	b.t.Cleanup(func() {
		cancel()
		run.Wait()
		p.Close()
	})
	return p
}

// again is the platform as a restarted controller finds it.
func (b *bench) again() platform.Platform { return b.newPlatform(b.dir, nil) }

// service runs one of the suite's programs in a container.
func service(p platformtest.Program, args ...string) deploy.Service {
	d := &deploy.Docker{Image: testImage + ":1", Port: 8080, Command: append([]string{string(p)}, args...),
		Env: map[string]deploy.Variable{"ECHO_HOST": {Text: "0.0.0.0"}}, Pull: "never"}
	if p == platformtest.Missing {
		d.Image = missingImage
	}
	return deploy.Service{Docker: d}
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
	if err := b.Prepare(b.t.Context(), rev); err != nil {
		b.t.Fatal(err)
	}
	b.start(rev, 1)
	return b.listed("chat-r1-1")
}

func (b *bench) start(rev deploy.Revision, slot int) {
	b.t.Helper()
	if err := b.Start(b.t.Context(), deploy.InstanceID(rev.Service, rev.ID, slot), spec(rev, slot)); err != nil {
		b.t.Fatal(err)
	}
}

// listed returns an instance that must be listed.
func (b *bench) listed(id string) deploy.Instance {
	b.t.Helper()
	return platformtest.Listed(b.t, b, id)
}

// await returns the instance once a condition holds for it.
func (b *bench) await(id string, holds func(deploy.Instance) bool) deploy.Instance {
	b.t.Helper()
	return platformtest.Await(b.t, b, id, holds)
}

func exited(i deploy.Instance) bool { return platformtest.Exited(i) }

// contains fails unless the text holds all of the words.
func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q lacks %q", text, w)
		}
	}
}
