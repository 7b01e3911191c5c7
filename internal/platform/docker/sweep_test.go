package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// there reports whether the engine has an image of that name or ID.
func (b *bench) there(name string) bool {
	b.t.Helper()
	found, err := b.image(b.t.Context(), name)
	if err != nil {
		b.t.Fatal(err)
	}
	return found != nil
}

func (b *bench) prepared(number int, version string, settings deploy.Service) (deploy.Revision, record) {
	b.t.Helper()
	rev := revision(number, settings)
	rev.Version = version
	if err := b.Prepare(b.t.Context(), rev); err != nil {
		b.t.Fatal(err)
	}
	r, err := b.readRecord(rev.Service, rev.ID, version)
	if err != nil {
		b.t.Fatal(err)
	}
	return rev, r
}

func (b *bench) remove(rev deploy.Revision) {
	b.t.Helper()
	if err := b.Remove(b.t.Context(), rev); err != nil {
		b.t.Fatal(err)
	}
}

// What naru has pulled goes with the last revision that has it. What somebody uses besides stays.
func TestPulledImageGoesWithItsLastRevision(t *testing.T) {
	b := open(t)
	r := serveImages(t, "alone-1", "alone-2", "alone-3") // the same content in another test would be the same image
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/chat:${VERSION}", "missing"
	first, one := b.prepared(1, "alone-1", s)
	again, _ := b.prepared(2, "alone-1", s)
	other, two := b.prepared(3, "alone-2", s)
	used, three := b.prepared(4, "alone-3", s)
	made, err := b.api.ContainerCreate(t.Context(), client.ContainerCreateOptions{Config: &container.Config{Image: three.ID}}) // somebody else's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.discard(t.Context(), made.ID) })

	b.remove(first)
	if !b.there(one.ID) || !b.there(one.Image) {
		t.Fatal("an image went that another revision has")
	}
	if err := b.Readiness(again); err != nil {
		t.Error(err)
	}
	b.remove(again)
	if b.there(one.ID) || b.there(one.Image) {
		t.Error("a pulled image stays when no revision has it")
	}
	if !b.there(two.ID) {
		t.Error("the image of a kept revision is gone")
	}
	b.remove(other)
	b.remove(used)
	if b.there(two.ID) || !b.there(three.ID) || !b.there(three.Image) {
		t.Error("an image that a container of somebody else has must stay, and no other")
	}
}

// What was on the machine before is not naru's to remove.
func TestImageOfSomebodyElseStays(t *testing.T) {
	b := open(t)
	rev, r := b.prepared(1, "1.0", service(platformtest.Echo))
	held, err := b.Holdings(t.Context(), "chat")
	if err != nil || len(held) != 1 || !strings.Contains(held[0].What, testImage) || held[0].Bytes > 1<<20 {
		t.Errorf("an image that stays frees nothing: %+v, %v", held, err)
	}
	b.remove(rev)
	if !b.there(testImage+":1") || !b.there(r.ID) || b.there(b.keepTag("chat", "r1")) {
		t.Error("of a local image the kept tag alone may go")
	}
}

// An image that is gone from here counts as there while its registry has it.
func TestReadinessAsksTheRegistry(t *testing.T) {
	b := open(t)
	r := serveImages(t, "1.0")
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/chat:${VERSION}", "missing"
	rev, one := b.prepared(1, "1.0", s)
	if _, err := b.api.ImageRemove(t.Context(), one.ID, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Readiness(rev); err != nil {
		t.Errorf("the registry has it: %v", err)
	}
	r.Gone.Store(true)
	if err := b.Readiness(rev); err != nil {
		t.Errorf("the registry was asked again at once: %v", err)
	}
	clear(b.offers) // as if time had passed
	if err := b.Readiness(rev); err == nil {
		t.Error("neither machine nor registry have the image, and nothing is said")
	} else {
		contains(t, err.Error(), "is not on this machine any more", "could not be pulled again")
	}
}

// What is left when the last revision has gone is found as well; and when nothing is, a machine without an engine is as good as any.
func TestSweepAfterTheLastRevision(t *testing.T) {
	b := open(t)
	rev, r := b.prepared(1, "1.0", service(platformtest.Echo))
	b.remove(rev)
	if err := b.keep(t.Context(), r.ID, b.keepTag("chat", "r99")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.create(t.Context(), "chat-r1-7", spec(rev, 7), r, finding{}, 23499); err != nil {
		t.Fatal(err)
	}
	p := b.newPlatform(b.dir, nil)
	for _, dry := range []bool{true, false} {
		if found, err := p.Sweep(t.Context(), time.Time{}, dry); err != nil || len(found) != 2 {
			t.Errorf("dry %t: %+v, %v", dry, found, err)
		}
	}
	if b.there(b.keepTag("chat", "r99")) {
		t.Error("the tag stays")
	}
	away, err := New(Options{Dir: b.dir, Host: "unix:///no/such/docker.sock"})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := away.Sweep(t.Context(), time.Time{}, false); err != nil || len(found) > 0 {
		t.Errorf("nothing is left, and the engine is asked: %+v, %v", found, err)
	}
	if b.prepared(2, "1.0", service(platformtest.Echo)); !away.used() {
		t.Error("a new revision is not noticed")
	}
}

// A controller that is killed between two calls of the engine leaves a container that never ran, a note, or a tag.
func TestSweepTakesHalves(t *testing.T) {
	b := open(t)
	rev, r := b.prepared(1, "1.0", service(platformtest.Echo))
	b.start(rev, 1)
	if _, err := b.create(t.Context(), "chat-r1-7", spec(rev, 7), r, finding{}, 23499); err != nil {
		t.Fatal(err)
	}
	if err := b.writeNote("chat-r1-8", note{Service: "chat", Revision: "r1", Slot: 8}); err != nil {
		t.Fatal(err)
	}
	if err := b.keep(t.Context(), r.ID, b.keepTag("chat", "r99")); err != nil {
		t.Fatal(err)
	}
	other := b.newPlatform(t.TempDir(), nil) // of another state folder: none of our business
	if err := other.keep(t.Context(), r.ID, other.keepTag("chat", "r99")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.untag(t.Context(), other.keepTag("chat", "r99")) })
	want := []string{"container " + b.name("chat-r1-7"), "file " + b.noteFile("chat-r1-8"), "image " + b.keepTag("chat", "r99")}
	for _, dry := range []bool{true, false} {
		found, err := b.Sweep(t.Context(), time.Time{}, dry)
		if err != nil || len(found) != len(want) {
			t.Fatalf("dry %t: %+v, %v", dry, found, err)
		}
		for i, l := range found {
			if got := l.Kind + " " + l.Name; got != want[i] {
				t.Errorf("dry %t: found %s, want %s", dry, got, want[i])
			}
		}
	}
	if c, err := b.find(t.Context(), "chat-r1-7"); c != nil || err != nil {
		t.Errorf("the container is still there: %+v, %v", c, err)
	}
	if _, err := os.Stat(b.noteFile("chat-r1-8")); !os.IsNotExist(err) {
		t.Errorf("the note is still there: %v", err)
	}
	if b.there(b.keepTag("chat", "r99")) || !b.there(b.keepTag("chat", "r1")) || !b.there(other.keepTag("chat", "r99")) {
		t.Error("the tag of the revision that is gone must go, and no other")
	}
	if i := b.listed("chat-r1-1"); i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
}

// A tag stays as long as somebody else's container is made of its image, and nobody says that it went.
func TestSweepLeavesWhatSomebodyUses(t *testing.T) {
	b := open(t)
	r := serveImages(t, "used-1")
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/used:${VERSION}", "missing"
	rev, one := b.prepared(1, "used-1", s)
	kept := b.keepTag("chat", "r1")
	for _, name := range []string{one.Image, one.Digest} {
		if err := b.untag(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	made, err := b.api.ContainerCreate(t.Context(), client.ContainerCreateOptions{Name: "foreign-" + b.server, Config: &container.Config{Image: one.ID}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.discard(t.Context(), made.ID) })
	b.remove(rev)
	for _, dry := range []bool{true, false, false} {
		found, err := b.Sweep(t.Context(), time.Time{}, dry)
		if err == nil || len(found) > 0 || !b.there(kept) {
			t.Fatalf("dry %t: %+v, %v, and the image is there: %t", dry, found, err, b.there(kept))
		}
		contains(t, err.Error(), kept, "used by container foreign-"+b.server+", which is not naru's", "docker rm foreign-")
	}
	if err := b.discard(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if found, err := b.Sweep(t.Context(), time.Time{}, false); err != nil || len(found) != 1 || found[0].Name != kept || b.there(kept) {
		t.Errorf("nobody uses it any more: %+v, %v", found, err)
	}
}

// Whoever loses the file with our name is told of the containers that nobody attends to any more, and what to do.
func TestSweepTellsOfStrays(t *testing.T) {
	b := open(t)
	rev, r := b.prepared(1, "1.0", service(platformtest.Echo))
	b.start(rev, 1)
	before, tag := b.name("chat-r1-1"), b.keepTag("chat", "r1")
	name := filepath.Join(b.dir, "server")
	if err := os.Rename(name, name+".lost"); err != nil {
		t.Fatal(err)
	}
	p := b.newPlatform(b.dir, nil)
	for _, dry := range []bool{true, false} {
		found, err := p.Sweep(t.Context(), time.Time{}, dry)
		if err == nil || len(found) > 0 {
			t.Fatalf("dry %t: %+v, %v", dry, found, err)
		}
		contains(t, err.Error(), "containers that nobody attends to", name, b.server, "docker rm -f "+before+" && docker image rm "+tag)
	}
	if err := os.Rename(filepath.Join(b.dir, "revisions"), filepath.Join(b.dir, "revisions.lost")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Sweep(t.Context(), time.Time{}, true); err == nil || p.used() {
		t.Error("where the whole folder is lost nothing is said")
	}
	if err := os.Rename(filepath.Join(b.dir, "revisions.lost"), filepath.Join(b.dir, "revisions")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sweep(t.Context(), time.Time{}, true); err != nil {
		t.Errorf("to whom they belong nothing is to be said: %v", err)
	}
	if c, err := b.find(t.Context(), "chat-r1-1"); !c.live() || err != nil || !b.there(r.ID) {
		t.Errorf("what is only told of was touched: %+v, %v", c, err)
	}
}
