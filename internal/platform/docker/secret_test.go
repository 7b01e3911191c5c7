package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
	"github.com/naru-deploy/naru/internal/secret"
)

// changes fails unless these places have changed, and nothing stands against a start.
func (b *bench) changes(rev deploy.Revision, want ...string) {
	b.t.Helper()
	changed, problems := b.Examine(b.t.Context(), rev)
	if !slices.Equal(changed, want) || problems != nil {
		b.t.Errorf("changed: %q, want %q; problems: %v", changed, want, problems)
	}
}

// The variables of an env_file are as secret as others: what is kept of them is a digest.
func TestEnvFileIsNotKept(t *testing.T) {
	b := open(t)
	file := filepath.Join(t.TempDir(), "env")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const piece = "bWFybGlu" // of a key that was pasted in: with the = at its end it passes for a variable
	write("SECRET=marlin-2204\nLEVEL=low\n" + piece + "==\n")
	s := service(platformtest.Confess)
	s.Docker.EnvFile = file
	s.Docker.Env = map[string]deploy.Variable{"LEVEL": {Text: "high"}}
	rev := revision(1, s)
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	b.changes(rev)
	b.start(rev, 1)
	contains(t, b.await("chat-r1-1", exited).Reason, "cannot log in as ada:[docker.env_file]@db")
	c, err := b.api.ContainerInspect(t.Context(), b.name("chat-r1-1"), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	env := c.Container.Config.Env
	if !slices.Contains(env, "SECRET=marlin-2204") || !slices.Contains(env, "LEVEL=high") || strings.Contains(fmt.Sprint(c.Container.Config.Labels), piece) {
		t.Errorf("the container has %q, %v", env, c.Container.Config.Labels)
	}
	text, err := os.ReadFile(b.recordFile("chat", "r1"))
	if err != nil || strings.Contains(string(text), "marlin") || !strings.Contains(string(text), `"docker.env_file": "`) {
		t.Errorf("%s, %v", text, err)
	}
	write("# a comment\nLEVEL=low\n" + piece + "==\nSECRET=marlin-2204\n")
	b.changes(rev)
	write("SECRET=marlin-2205\nLEVEL=low\n")
	b.changes(rev, "docker.env_file")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, problems := b.Examine(t.Context(), rev)
	if len(problems) != 1 || problems[0].Path != "docker.env_file" {
		t.Errorf("%+v", problems)
	}
	for _, err := range []error{b.Readiness(rev), b.Prepare(t.Context(), rev)} {
		if err == nil {
			t.Fatal("the file is gone, and nothing is said")
		}
		contains(t, err.Error(), "docker.env_file: open "+file+": no such file or directory; make it on the machine that naru serves on")
	}
}

// What a container must not repeat is known by its labels alone: also of one that an older server has labelled.
func TestHiddenByLabels(t *testing.T) {
	said := "of the env, of the file, in the open, by the image"
	env := []string{"A=of the env", "B=of the file", "C=in the open", "D=by the image"}
	for _, test := range []struct {
		labels map[string]string
		want   string
	}{
		{nil, said},
		{map[string]string{labelSecrets: "A"}, "[A], of the file, in the open, by the image"},
		{map[string]string{labelSecrets: "A B"}, "[A], [B], in the open, by the image"},
		{map[string]string{labelSecrets: "A", labelOpen: "C D"}, "[A], [docker.env_file], in the open, by the image"},
		{map[string]string{labelOpen: ""}, "[docker.env_file], [docker.env_file], [docker.env_file], [docker.env_file]"},
	} {
		if got := hidden(&container.Config{Env: env, Labels: test.labels}).Redact(said); got != test.want {
			t.Errorf("%v: %s", test.labels, got)
		}
	}
}

// Beside an env_file, what is no secret is still repeated as it is: texts of env, and what the image sets.
func TestShownBesideEnvFile(t *testing.T) {
	d := &deploy.Docker{Env: map[string]deploy.Variable{"LEVEL": {Text: "high"}, "KEY": {File: "/key"}}}
	own := finding{secrets: secret.Set{}.With(map[string]string{"KEY": "x"}), file: map[string]string{"LEVEL": "low", "LANG": "de", "SECRET": "x"}}
	if got := shown(d, own, record{Env: []string{"PATH", "LANG"}}); fmt.Sprint(got) != "[LEVEL NARU_INSTANCE NARU_REVISION NARU_VERSION PATH PORT]" {
		t.Error(got)
	}
}

func TestSecretThatIsNoText(t *testing.T) {
	b := open(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("\xff\xfe\xfd\xfc"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := service(platformtest.Echo)
	s.Docker.Env = map[string]deploy.Variable{"KEY": {File: file}}
	err := b.Prepare(t.Context(), revision(1, s))
	if err == nil {
		t.Fatal("the engine would have got something else")
	}
	contains(t, err.Error(), "docker.env.KEY: is not UTF-8 text", "base64")
}

// The name of an image may come to mean another one: at its registry, which pull: always asks, or on this machine.
func TestTagThatMoves(t *testing.T) {
	b := open(t)
	r := serveImages(t, "1.0")
	s := service(platformtest.Echo)
	s.Docker.Image = r.Name + "/team/moves:${VERSION}"
	revs := map[string]deploy.Revision{}
	for number, pull := range []string{"always", "missing"} {
		s.Docker = new(*s.Docker)
		s.Docker.Pull = pull
		rev := revision(number+1, s)
		rev.Version = "1.0"
		if err := b.Prepare(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
		b.moved(rev, false)
		revs[pull] = rev
	}
	r.push(t, "1.0", "moved")
	b.moved(revs["always"], true)
	b.moved(revs["missing"], false)
	program, err := dockertest.Build(programs, "./dockertest/program")
	if err != nil {
		t.Fatal(err)
	}
	if err := theEngine.Image(t.Context(), r.Name+"/team/moves:1.0", program, "ENV WORD=built"); err != nil {
		t.Fatal(err)
	}
	b.moved(revs["missing"], true)
	r.User, r.Password = "ada", "secret"
	login(t, `{}`)
	_, err = b.Moved(t.Context(), revs["always"])
	if err == nil {
		t.Fatal("the registry says nothing, and it is not said")
	}
	contains(t, err.Error(), "the registry was asked whether "+r.Name+"/team/moves:1.0 is another image by now", "run docker login "+r.Name)
	if err := b.Readiness(revs["always"]); err != nil {
		t.Errorf("a way back does not need the registry: %v", err)
	}
	b.changes(revs["always"])
}

// moved fails unless it is so of the name of a revision's image.
func (b *bench) moved(rev deploy.Revision, want bool) {
	b.t.Helper()
	if got, err := b.Moved(b.t.Context(), rev); got != want || err != nil {
		b.t.Errorf("%s has moved: %t, %v", rev.Settings.Docker.Image, got, err)
	}
}
