package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// artifactOf prepares a revision whose artifact is a folder with a program and some data.
func artifactOf(t *testing.T, b *bench, number int) (rev deploy.Revision, copied string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "app")
	if err := os.MkdirAll(source+"/lib", 0o755); err != nil {
		t.Fatal(err)
	}
	script(t, source+"/run", "hello")
	write(t, source+"/lib/data", "data")
	if err := os.Symlink("lib/data", source+"/link"); err != nil {
		t.Fatal(err)
	}
	rev = revision(number, deploy.Service{Process: &deploy.Process{Command: []string{"${ARTIFACT}/run"}, Dir: "/", Artifact: source}})
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	return rev, b.artifact(rev.Service, rev.ID)
}

func TestChangedArtifactIsNotReady(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(copied string) error
		want   string // of readiness; empty: it is ready
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"a file more", func(dir string) error { return os.WriteFile(dir+"/cache", []byte("x"), 0o600) }, ""},
		{"another content", func(dir string) error { return os.WriteFile(dir+"/lib/data", []byte("DATA"), 0o600) }, "lib/data of the artifact of chat r1 has changed since its deploy"},
		{"a file less", func(dir string) error { return os.Remove(dir + "/lib/data") }, "lib/data of the artifact of chat r1 cannot be read now"},
		{"a link to elsewhere", func(dir string) error {
			return errors.Join(os.Remove(dir+"/link"), os.Symlink("run", dir+"/link"))
		}, "link of the artifact of chat r1 has changed"},
		{"no artifact", os.RemoveAll, "the copy of the artifact of chat r1 is gone"},
		{"no manifest, of an older naru", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "../..", manifestFile)), os.WriteFile(dir+"/lib/data", nil, 0o600))
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			rev, copied := artifactOf(t, b, 1)
			for range 2 { // once more when everything is known
				if err := b.Readiness(rev); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.change(copied); err != nil {
				t.Fatal(err)
			}
			switch err := b.Readiness(rev); {
			case c.want == "" && err != nil:
				t.Errorf("not ready: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "deploy version 1.0 again")):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A program that writes into its own copy goes on being started again.
func TestChangedArtifactIsStartedAgain(t *testing.T) {
	b := open(t)
	rev, copied := artifactOf(t, b, 1)
	b.start(rev, 1)
	write(t, copied+"/lib/data", "its own")
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Error(err)
	}
	b.start(rev, 2)
	if i := b.find("chat-r1-2"); i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
}

// What is known of files goes with them: else a machine would remember every file of every deploy.
func TestRemovedRevisionIsForgotten(t *testing.T) {
	b := open(t)
	first, _ := artifactOf(t, b, 1)
	had := len(b.sums.known)
	second, _ := artifactOf(t, b, 2)
	if len(b.sums.known) <= had {
		t.Fatalf("%d files are known, before %d", len(b.sums.known), had)
	}
	if err := b.Remove(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if len(b.sums.known) != had {
		t.Errorf("%d files are known, before %d", len(b.sums.known), had)
	}
	if err := b.Readiness(first); err != nil {
		t.Error(err)
	}
}

// A controller that is killed while it copies, or before it starts an instance, leaves halves.
func TestSweepTakesHalves(t *testing.T) {
	b := open(t)
	rev, _ := artifactOf(t, b, 1)
	half := filepath.Join(b.revision("chat", "r1"), ".artifact-12345")
	unborn := filepath.Join(b.instances(), "chat-r1-7")
	for _, dir := range []string{half + "/app", unborn} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, half+"/app/data", "half of it")
	write(t, unborn+"/spec.json", "{}")
	b.start(rev, 1)
	for _, dry := range []bool{true, false} {
		found, err := b.Sweep(t.Context(), time.Time{}, dry)
		if err != nil || len(found) != 2 || found[0].Name != unborn || found[1].Name != half || found[1].Bytes == 0 {
			t.Errorf("dry %t: %+v, %v", dry, found, err)
		}
	}
	for _, gone := range []string{half, unborn} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if i := b.find("chat-r1-1"); i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
}
