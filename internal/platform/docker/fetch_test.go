package docker

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// fromRegistry is a service whose image a registry has under its version.
func fromRegistry(r imageServer) deploy.Service {
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/chat:${VERSION}", "missing"
	return s
}

// An image that was pulled for a revision which cannot be started goes again, and its name means what it meant before.
func TestFailedPrepareLeavesNothing(t *testing.T) {
	b := open(t)
	r := serveImages(t)
	if err := r.Push("alien-1", dockertest.RegistryImage{Word: "alien-1", Arch: "s390x"}); err != nil {
		t.Fatal(err)
	}
	name := r.Name + "/team/chat:alien-1"
	try := func(number int, pull string) {
		t.Helper()
		s := fromRegistry(r)
		s.Docker.Pull = pull
		rev := revision(number, s)
		rev.Version = "alien-1"
		err := b.Prepare(t.Context(), rev)
		if err == nil {
			t.Fatal("an image of another architecture was taken")
		}
		contains(t, err.Error(), "made for linux/s390x")
		if _, err := os.Stat(b.revision("chat", rev.ID)); err == nil {
			t.Error("its folder stays")
		}
		if b.there(b.keepTag("chat", rev.ID)) {
			t.Error("its tag stays")
		}
	}
	try(1, "missing")
	if b.there(name) {
		t.Error("the image stays that was pulled for nothing")
	}
	if err := b.keep(t.Context(), testImage+":1", name); err != nil { // somebody has built it here
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.untag(t.Context(), name) })
	try(2, "always")
	was, err := b.image(t.Context(), testImage+":1")
	if err != nil {
		t.Fatal(err)
	}
	if now, err := b.image(t.Context(), name); err != nil || now == nil || now.id != was.id {
		t.Errorf("%s was %s and is %+v, %v", name, was.id, now, err)
	}
}

// What is said of a pull: nothing of sizes before any is known, and no percentage that goes back.
func TestPullInWords(t *testing.T) {
	seen := progress{layers: map[string]jsonstream.Progress{}}
	for _, m := range []struct {
		layer, status  string
		current, total int64
		want           string
	}{
		{"", "Pulling from team/chat", 0, 0, "pulling image chat:1"},
		{"a", "Pulling fs layer", 0, 0, "pulling image chat:1"},
		{"a", "Downloading", 300_000, 1_500_000, "pulling image chat:1: 0.3 of 1.5 MB"},
		{"b", "Downloading", 34_000_000, 118_500_000, "pulling image chat:1: 34 of 120 MB"},
		{"a", "Download complete", 0, 0, "pulling image chat:1: 35 of 120 MB"},
		{"a", "Extracting", 100_000, 1_500_000, "pulling image chat:1: 35 of 120 MB"},
		{"b", "Verifying Checksum", 0, 0, "unpacking image chat:1"},
		{"b", "Pull complete", 0, 0, "unpacking image chat:1"},
	} {
		message := jsonstream.Message{ID: m.layer, Status: m.status}
		if m.total > 0 {
			message.Progress = &jsonstream.Progress{Current: m.current, Total: m.total}
		}
		seen.note(message)
		if got := seen.words("chat:1"); got != m.want {
			t.Errorf("%s %s: %q, want %q", m.layer, m.status, got, m.want)
		}
	}
}

// A controller that is killed when the image is there and the record is not: the next one knows whose the image is.
func TestPullWithoutRecord(t *testing.T) {
	b := open(t)
	r := serveImages(t, "half-1", "half-2")
	half := func(number int) (deploy.Revision, string) {
		t.Helper()
		rev := revision(number, fromRegistry(r))
		rev.Version = fmt.Sprintf("half-%d", number)
		name := r.Name + "/team/chat:" + rev.Version
		if found, err := b.fetch(t.Context(), rev, name); found == nil || err != nil {
			t.Fatal(err)
		}
		return rev, name
	}
	first, one := half(1)
	_, two := half(2)
	if err := b.Prepare(t.Context(), first); err != nil { // the rollout goes on
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		found, err := b.Sweep(t.Context(), time.Time{}, dry)
		if err != nil || len(found) != 1 || found[0].Kind != "image" || found[0].Name != two {
			t.Errorf("dry %t: %+v, %v", dry, found, err)
		}
		if b.there(two) != dry {
			t.Errorf("dry %t, and the image is there: %t", dry, !dry)
		}
	}
	b.remove(first)
	if b.there(one) {
		t.Error("the image of the first stays when its revision is gone")
	}
}

// An image that naru has brought back goes with the last revision that has it, although it was there before naru came.
func TestImageThatWasFetchedAgainGoes(t *testing.T) {
	b := open(t)
	r := serveImages(t, "again-1")
	stream, err := b.api.ImagePull(t.Context(), r.Name+"/team/chat:again-1", client.ImagePullOptions{})
	if err == nil {
		_, err = io.Copy(io.Discard, stream)
	}
	if err != nil {
		t.Fatal(err)
	}
	first, one := b.prepared(1, "again-1", fromRegistry(r))
	second, two := b.prepared(2, "again-1", fromRegistry(r))
	if one.Pulled || two.Pulled {
		t.Fatal("the image counts as naru's")
	}
	if _, err := b.api.ImageRemove(t.Context(), one.ID, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	b.remove(first)
	if !b.there(one.ID) {
		t.Fatal("it went with a revision that was not the last")
	}
	b.remove(second)
	if b.there(one.ID) {
		t.Error("it stays, and nobody has it")
	}
}

// meanwhile runs f once, when the engine is asked for a path for the first time, and waits until it is done, or for as long as f
// would surely take if nothing held it up.
func meanwhile(path string, f func()) (between func(*http.Request), done *sync.WaitGroup) {
	var once sync.Once
	done = &sync.WaitGroup{}
	return func(q *http.Request) {
		if !strings.Contains(q.URL.Path, path) {
			return
		}
		once.Do(func() {
			ended := make(chan struct{})
			done.Go(func() { defer close(ended); f() })
			select {
			case <-ended:
			case <-time.After(500 * time.Millisecond):
			}
		})
	}, done
}

// One revision finds an image at the moment at which another gives it up: the image is there in the end.
func TestImageIsGivenUpMeanwhile(t *testing.T) {
	for name, path := range map[string]string{
		"after it was found":      "/version",
		"while it is to be kept":  "/tag",
		"while it is looked for":  "/images/",
		"before its first answer": "/_ping",
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			r := serveImages(t, "meanwhile-1")
			first, one := b.prepared(1, "meanwhile-1", fromRegistry(r))
			var p *Platform
			hook, done := meanwhile(path, func() {
				if err := p.Remove(t.Context(), first); err != nil {
					t.Error(err)
				}
			})
			var err error
			if p, err = New(Options{Dir: b.dir, Host: b.between(hook)}); err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			second := revision(2, fromRegistry(r))
			second.Version = "meanwhile-1"
			if err := p.Prepare(t.Context(), second); err != nil {
				t.Error(err)
			}
			done.Wait()
			if err := b.Readiness(second); err != nil || !b.there(one.ID) {
				t.Errorf("the image is gone: %v", err)
			}
			b.remove(second)
			if b.there(one.ID) {
				t.Error("it stays when nobody has it any more")
			}
		})
	}
}

// Two revisions with one image go at once: one of them is the last.
func TestLastTwoRevisionsGoAtOnce(t *testing.T) {
	b := open(t)
	r := serveImages(t, "twins-1")
	first, one := b.prepared(1, "twins-1", fromRegistry(r))
	second, _ := b.prepared(2, "twins-1", fromRegistry(r))
	var p *Platform
	hook, done := meanwhile("/images/naru-kept/", func() {
		if err := p.Remove(t.Context(), second); err != nil {
			t.Error(err)
		}
	})
	var err error
	if p, err = New(Options{Dir: b.dir, Host: b.between(hook)}); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Remove(t.Context(), first); err != nil {
		t.Error(err)
	}
	done.Wait()
	if b.there(one.ID) {
		t.Error("each took the other for the last")
	}
}
