package docker

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// imageServer is a registry with the steps of these tests.
type imageServer struct{ *dockertest.Registry }

// serveImages runs a registry with an empty image under every tag; each has a WORD of its own.
func serveImages(t *testing.T, tags ...string) imageServer {
	t.Helper()
	r := imageServer{dockertest.NewRegistry()}
	t.Cleanup(r.Close)
	for _, tag := range tags {
		r.push(t, tag, tag)
	}
	return r
}

// push puts an image under a tag.
func (r imageServer) push(t *testing.T, tag, word string) {
	t.Helper()
	if err := r.Push(tag, dockertest.RegistryImage{Word: word}); err != nil {
		t.Fatal(err)
	}
}

// login writes what docker login would have left.
func login(t *testing.T, config string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

func TestPull(t *testing.T) {
	b := open(t)
	r := serveImages(t, "1.0")
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/chat:${VERSION}", "missing"
	rev := revision(1, s)
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	first, err := b.readRecord("chat", "r1", "1.0")
	if err != nil || !strings.Contains(first.Digest, r.Name+"/team/chat@sha256:") {
		t.Fatalf("%+v, %v", first, err)
	}
	// The tag moves. Missing asks nobody; always finds the new one; the first revision stays what it was.
	r.push(t, "1.0", "moved")
	for i, test := range []struct {
		pull string
		same bool
	}{{"missing", true}, {"always", false}} {
		s.Docker = new(*s.Docker)
		s.Docker.Pull = test.pull
		later := revision(i+2, s)
		later.Version = "1.0"
		if err := b.Prepare(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		record, err := b.readRecord("chat", later.ID, "1.0")
		if err != nil || (record.ID == first.ID) != test.same {
			t.Errorf("%s: %s after %s, %v", test.pull, record.ID, first.ID, err)
		}
		if err := b.Remove(t.Context(), later); err != nil {
			t.Error(err)
		}
	}
	// Whoever removes the image by force has it fetched again, by its digest.
	if _, err := b.api.ImageRemove(t.Context(), first.ID, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Readiness(rev); err != nil {
		t.Errorf("it can be pulled again: %v", err)
	}
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Error(err)
	}
	if i, err := b.image(t.Context(), first.ID); i == nil || err != nil {
		t.Errorf("%v, %v", i, err)
	}
}

func TestPullFails(t *testing.T) {
	b := open(t)
	r := serveImages(t, "1.0", "2.0", "3.0")
	try := func(number int, says ...string) {
		t.Helper()
		s := service(platformtest.Echo)
		s.Docker.Image, s.Docker.Pull = r.Name+"/team/fails:${VERSION}", "missing"
		err := b.Prepare(t.Context(), revision(number, s))
		if err == nil {
			t.Fatal("no error")
		}
		contains(t, err.Error(), append(says, "r"+fmt.Sprint(number)+" cannot be started", "pull "+r.Name)...)
		if _, err := os.Stat(b.recordFile("chat", fmt.Sprintf("r%d", number))); err == nil {
			t.Error("it is recorded all the same")
		}
	}
	try(9, "there is no such image; push it, or correct docker.image and the version")
	if err := r.PushFor("8.0", "s390x", dockertest.RegistryImage{Word: "8.0"}); err != nil {
		t.Fatal(err)
	}
	try(8, "no matching manifest", "the image is not made for this machine; build it with --platform")
	r.User, r.Password = "ada", "secret"
	login(t, `{}`)
	try(1, "wants credentials", "run docker login "+r.Name)
	login(t, fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, r.Name, base64.StdEncoding.EncodeToString([]byte("ada:wrong"))))
	try(1, "refuses the credentials")
	login(t, `{"credsStore": "no-such-helper"}`)
	try(1, "docker-credential-no-such-helper", "is not in PATH")
	login(t, `{"auths": `)
	try(1, "config.json cannot be understood")
}

func TestCredentials(t *testing.T) {
	b := open(t)
	r := serveImages(t, "1.0", "2.0")
	r.User, r.Password = "ada", "sec:ret"
	prepare := func(number int) {
		t.Helper()
		s := service(platformtest.Echo)
		s.Docker.Image, s.Docker.Pull = r.Name+"/team/private:${VERSION}", "missing"
		if err := b.Prepare(t.Context(), revision(number, s)); err != nil {
			t.Error(err)
		}
	}
	login(t, fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, r.Name, base64.StdEncoding.EncodeToString([]byte("ada:sec:ret"))))
	prepare(1)
	bin := t.TempDir()
	helper := fmt.Sprintf("#!/bin/sh\nread server\n[ \"$1 $server\" = \"get %s\" ] || { echo 'credentials not found in native keychain'; exit 1; }\necho '{\"Username\": \"ada\", \"Secret\": \"sec:ret\"}'\n", r.Name)
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	login(t, fmt.Sprintf(`{"auths": {%q: {}}, "credHelpers": {%[1]q: "test"}}`, r.Name))
	prepare(2)
	if auth, err := credentials(t.Context(), "registry.test"); auth != "" || err != nil {
		t.Errorf("of another registry: %q, %v", auth, err)
	}
}

// A transfer that breaks off leaves nothing half done, and the next try may succeed.
func TestPullIsCutOff(t *testing.T) {
	b := open(t)
	r := serveImages(t)
	r.push(t, "1.0", fmt.Sprint("cut", time.Now().UnixNano())) // a layer that the engine does not have
	s := service(platformtest.Echo)
	s.Docker.Image, s.Docker.Pull = r.Name+"/team/cut:${VERSION}", "missing"
	r.Cut.Store(true)
	if err := b.Prepare(t.Context(), revision(1, s)); err == nil {
		t.Fatal("half an image was taken for a whole one")
	}
	if _, err := os.Stat(b.revision("chat", "r1")); err == nil {
		t.Error("the revision is half prepared")
	}
	r.Cut.Store(false)
	if err := b.Prepare(t.Context(), revision(1, s)); err != nil {
		t.Error(err)
	}
}

func TestEnvFile(t *testing.T) {
	t.Setenv("FROM_SERVER", "of the server")
	file := filepath.Join(t.TempDir(), "env")
	for text, want := range map[string]string{
		"":                                    "map[]",
		"# a comment\n\nA=1\r\nB=x = \"y\"\n": `map[A:1 B:x = "y"]`,
		"\ufeffA=\n  B=2":                     "map[A: B:2]",
		"FROM_SERVER\nNOT_THERE\n":            "map[FROM_SERVER:of the server]",
		"A=1\n2B=secret":                      ":2: is no NAME=value line",
		"A=1\nabc+SECRET":                     ":2: is no NAME=value line; a value of several lines belongs into env: {NAME: {file: …}}",
		"PORT=1":                              ":1: PORT and NARU_… are set by naru",
		"NARU_SECRET":                         ":1: PORT and NARU_… are set by naru",
		"A=sec\x00ret":                        ":1: the value holds a NUL character",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env, err := readEnvFile(file)
		got := fmt.Sprint(env)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || strings.Contains(strings.ToLower(got), "secret") {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestOnlyThisMachine(t *testing.T) {
	for host, right := range map[string]bool{
		"unix:///run/docker.sock": true, "tcp://127.0.0.1:2375": true, "tcp://localhost:2375": true,
		"tcp://build.example.com:2375": false, "ssh://ada@example.com": false, "%": false,
	} {
		if err := local(host); (err == nil) != right {
			t.Errorf("%s: %v", host, err)
		}
	}
}
