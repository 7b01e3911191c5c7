//go:build linux

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
)

// script writes an executable that prints a word and waits.
func script(t *testing.T, path, word string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\necho "+word+"\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestPrepareSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	script(t, dir+"/program", "hello")
	write(t, dir+"/text", "hello")
	for _, test := range []struct {
		name    string
		process *deploy.Process
		want    string
	}{
		{"no command", &deploy.Process{Dir: dir}, "no process.command"},
		{"no such file", &deploy.Process{Command: []string{"./chat"}, Dir: dir}, "./chat: no such file or directory in " + dir},
		{"no such version", &deploy.Process{Command: []string{"./chat-${VERSION}"}, Dir: dir}, "./chat-1.0: no such file"},
		{"not in PATH", &deploy.Process{Command: []string{"program"}, Dir: dir}, "no such program in PATH"},
		{"not executable", &deploy.Process{Command: []string{"./text"}, Dir: dir}, "./text: not executable in " + dir},
		{"a folder", &deploy.Process{Command: []string{dir}, Dir: dir}, "is a folder"},
		{"no such folder", &deploy.Process{Command: []string{"./program"}, Dir: dir + "/no"}, "working directory " + dir + "/no does not exist"},
		{"dir is a file", &deploy.Process{Command: []string{"sh"}, Dir: dir + "/text"}, "is not a folder"},
		{"no artifact", &deploy.Process{Command: []string{"./program"}, Dir: dir, Artifact: dir + "/app-${VERSION}"}, dir + "/app-1.0 does not exist"},
		{"the whole world", &deploy.Process{Command: []string{"./program"}, Dir: dir, Artifact: "/"}, "naru's own state folder"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t)
			rev := revision(1, deploy.Service{Process: test.process})
			err := b.Prepare(t.Context(), rev)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "chat r1") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if b.Readiness(rev) == nil {
				t.Error("the revision is ready all the same")
			}
		})
	}
}

func TestSecretPathIsNotQuoted(t *testing.T) {
	b := open(t)
	t.Setenv("TEST_PATH", "/no/such/folder/of/programs")
	rev := revision(1, deploy.Service{Process: &deploy.Process{
		Command: []string{"no-such-program"}, Dir: "/", Env: map[string]deploy.Variable{"PATH": {Text: "${env:TEST_PATH}:/none"}},
	}})
	err := b.Prepare(t.Context(), rev)
	if err == nil || !strings.Contains(err.Error(), "no such program in PATH ([PATH]:/none)") {
		t.Error(err)
	}
}

func TestProgramInPathOfTheService(t *testing.T) {
	b := open(t)
	dir := t.TempDir()
	script(t, dir+"/program", "hello")
	rev := revision(1, deploy.Service{Process: &deploy.Process{
		Command: []string{"program"}, Dir: "/", Env: map[string]deploy.Variable{"PATH": {Text: dir + ":/usr/bin:/bin"}},
	}})
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Error(err)
	}
}

func TestChangedProgramIsNotStarted(t *testing.T) {
	b := open(t)
	dir := t.TempDir()
	script(t, dir+"/program", "old")
	rev := revision(1, deploy.Service{Process: &deploy.Process{Command: []string{"./program"}, Dir: dir}})
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	if err := b.Readiness(rev); err != nil {
		t.Error(err)
	}
	script(t, dir+"/program", "new")
	const want = "the file has changed since"
	for name, err := range map[string]error{"readiness": b.Readiness(rev), "prepare": b.Prepare(t.Context(), rev)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.start(rev, 1)
	if i := b.find("chat-r1-1"); i.State != deploy.Exited || i.Exits != 1 || !strings.Contains(i.Reason, want) {
		t.Errorf("%+v", i)
	}
	if err := os.Remove(dir + "/program"); err != nil {
		t.Fatal(err)
	}
	if err := b.Readiness(rev); err == nil || !strings.Contains(err.Error(), "cannot be read now") {
		t.Errorf("without the file: %v", err)
	}
	script(t, dir+"/program", "old") // brought back
	if err := b.Readiness(rev); err != nil {
		t.Error(err)
	}
	b.start(rev, 1)
	if i := b.find("chat-r1-1"); i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
}

func TestArtifactIsWhatItWas(t *testing.T) {
	unmask := unix.Umask(0o077) // the modes of the copy must not depend on it
	defer unix.Umask(unmask)
	b := open(t)
	source := filepath.Join(t.TempDir(), "app-1.0")
	if err := os.MkdirAll(source+"/lib/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	script(t, source+"/run", "old")
	write(t, source+"/lib/data", "data")
	for path, mode := range map[string]os.FileMode{"run": 0o755, "lib": 0o555, "lib/empty": 0o750, "lib/data": 0o640} {
		if err := os.Chmod(filepath.Join(source, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("lib/data", source+"/link"); err != nil {
		t.Fatal(err)
	}
	before := tree(t, source)
	rev := revision(1, deploy.Service{Process: &deploy.Process{
		Command: []string{"${ARTIFACT}/run"}, Dir: "/", Artifact: filepath.Dir(source) + "/app-${VERSION}",
	}})
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	script(t, source+"/run", "new")
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tree(t, b.artifact("chat", "r1"))); diff != "" {
		t.Errorf("the copy differs:\n%s", diff)
	}
	if err := os.RemoveAll(source); err != nil {
		t.Fatal(err)
	}
	if err := b.Readiness(rev); err != nil {
		t.Errorf("without the source: %v", err)
	}
	b.start(rev, 1)
	b.await("chat-r1-1", func(deploy.Instance) bool { return strings.HasSuffix(b.log("chat-r1-1"), " old\n") })
	if err := b.Stop(t.Context(), "chat-r1-1", 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(b.dir, "revisions")); err != nil || len(entries) > 0 {
		t.Errorf("left after the removal: %v, %v", entries, err)
	}
	if err := b.Readiness(rev); err == nil || !strings.Contains(err.Error(), "deploy version 1.0 again") {
		t.Errorf("after the removal: %v", err)
	}
}

// tree describes a folder: modes, contents and links.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		found[name] = info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			text, err := os.ReadFile(path)
			found[name] += " " + string(text)
			return err
		case os.ModeSymlink:
			target, err := os.Readlink(path)
			found[name] += " -> " + target
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestArtifactThatIsAFile(t *testing.T) {
	b := open(t)
	source := filepath.Join(t.TempDir(), "chat.sh")
	script(t, source, "hello")
	rev := revision(1, deploy.Service{Process: &deploy.Process{
		Command: []string{"${ARTIFACT}"}, Dir: "/", Artifact: source,
	}})
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	if copied := b.artifact("chat", "r1"); filepath.Base(copied) != "chat.sh" {
		t.Errorf("the copy is named %s", copied)
	}
	b.start(rev, 1)
	if i := b.find("chat-r1-1"); i.State != deploy.Running {
		t.Errorf("%+v", i)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/bad", "#!/no/such/interpreter\n")
	write(t, dir+"/garbage", "\x00\x01\x02")
	for name, want := range map[string]string{
		"bad":     "cannot start ./bad: the interpreter or loader that it names does not exist",
		"garbage": "cannot start ./garbage: it is not a program for this machine",
		"gone":    "cannot start ./gone: no such file or directory in " + dir,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			settings := deploy.Service{Process: &deploy.Process{Command: []string{"./" + name}, Dir: dir}}
			if name == "gone" { // after it was prepared from a copy
				settings.Process.Artifact = dir + "/bad"
				script(t, dir+"/gone", "hello")
			}
			if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			rev := revision(1, settings)
			if err := b.Prepare(t.Context(), rev); err != nil {
				t.Fatal(err)
			}
			if name == "gone" {
				if err := os.Remove(dir + "/gone"); err != nil {
					t.Fatal(err)
				}
			}
			b.start(rev, 1)
			i := b.find("chat-r1-1")
			if i.State != deploy.Exited || i.Exits != 1 || i.Ended.IsZero() || !strings.Contains(i.Reason, want) {
				t.Errorf("%s: %+v, want %q", name, i, want)
			}
		})
	}
}

func TestNamesThatAreNoFileNames(t *testing.T) {
	b := open(t)
	good := revision(1, service("/bin/sleep", "1"))
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a\x00b"} {
		if err := b.Start(t.Context(), name, spec(good, 1)); err == nil {
			t.Errorf("started %q", name)
		}
		if err := b.Stop(t.Context(), name, 0); err == nil {
			t.Errorf("stopped %q", name)
		}
		bad := good
		bad.Service = name
		for call, err := range map[string]error{
			"prepare": b.Prepare(t.Context(), bad), "remove": b.Remove(t.Context(), bad), "readiness": b.Readiness(bad),
		} {
			if err == nil {
				t.Errorf("%s of the service %q", call, name)
			}
		}
	}
}
