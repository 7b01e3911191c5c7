package docker

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// imageServer is an image registry that speaks as much of the distribution protocol as a pull needs.
type imageServer struct {
	user, password string
	blobs          map[string][]byte // by digest; the manifests too
	tags           map[string]string
	cut            atomic.Bool // layers end before they are whole
	gone           atomic.Bool // it has lost everything
	name           string      // host:port
	arch           string      // of what is pushed; empty: this machine's
}

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	listType     = "application/vnd.docker.distribution.manifest.list.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// serveImages runs a registry with an empty image under every tag; each has a WORD of its own.
func serveImages(t *testing.T, tags ...string) *imageServer {
	t.Helper()
	r := &imageServer{blobs: map[string][]byte{}, tags: map[string]string{}}
	for _, tag := range tags {
		r.push(t, tag, tag)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.name = strings.TrimPrefix(server.URL, "http://")
	return r
}

// push puts an image under a tag.
func (r *imageServer) push(t *testing.T, tag, word string) {
	t.Helper()
	r.pushLayer(t, tag, word, nil)
}

// pushLayer puts an image under a tag whose one file holds some bytes.
func (r *imageServer) pushLayer(t *testing.T, tag, word string, content []byte) {
	t.Helper()
	var layer, packed bytes.Buffer
	files := tar.NewWriter(&layer)
	err := files.WriteHeader(&tar.Header{Name: word, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = files.Write(content)
	}
	if err := errors.Join(err, files.Close()); err != nil {
		t.Fatal(err)
	}
	raw := layer.Bytes()
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(raw)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := func(v any) []byte {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	config := text(map[string]any{"architecture": cmp.Or(r.arch, runtime.GOARCH), "os": "linux", "config": map[string]any{"Env": []string{"WORD=" + word}, "Cmd": []string{"/none"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(raw)}}})
	manifest := text(map[string]any{"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": configType, "size": len(config), "digest": r.add(config)},
		"layers": []any{map[string]any{"mediaType": layerType, "size": packed.Len(), "digest": r.add(packed.Bytes())}}})
	r.tags[tag] = r.add(manifest)
}

// pushFor puts an image under a tag that a registry has for another architecture alone.
func (r *imageServer) pushFor(t *testing.T, tag, arch string) {
	t.Helper()
	r.push(t, tag, tag)
	only, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": listType, "manifests": []any{map[string]any{"mediaType": manifestType,
		"size": len(r.blobs[r.tags[tag]]), "digest": r.tags[tag], "platform": map[string]any{"architecture": arch, "os": "linux"}}}})
	if err != nil {
		t.Fatal(err)
	}
	r.tags[tag] = r.add(only)
}

func (r *imageServer) empty() { r.gone.Store(true) }

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func (r *imageServer) add(blob []byte) string {
	d := digest(blob)
	r.blobs[d] = blob
	return d
}

func (r *imageServer) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if user, password, _ := q.BasicAuth(); user != r.user || password != r.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		return
	}
	at := filepath.Base(q.URL.Path)
	if d, tagged := r.tags[at]; tagged {
		at = d
	}
	blob, known := r.blobs[at]
	switch {
	case q.URL.Path == "/v2/":
	case !known, r.gone.Load():
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
	default:
		if strings.Contains(q.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", manifestType)
			if bytes.Contains(blob, []byte(listType)) {
				w.Header().Set("Content-Type", listType)
			}
		}
		w.Header().Set("Docker-Content-Digest", at)
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		if r.cut.Load() && strings.Contains(q.URL.Path, "/blobs/") {
			blob = blob[:len(blob)/2]
		}
		_, _ = w.Write(blob)
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
	s.Docker.Image, s.Docker.Pull = r.name+"/team/chat:${VERSION}", "missing"
	rev := revision(1, s)
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	first, err := b.readRecord("chat", "r1", "1.0")
	if err != nil || !strings.Contains(first.Digest, r.name+"/team/chat@sha256:") {
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
		s.Docker.Image, s.Docker.Pull = r.name+"/team/fails:${VERSION}", "missing"
		err := b.Prepare(t.Context(), revision(number, s))
		if err == nil {
			t.Fatal("no error")
		}
		contains(t, err.Error(), append(says, "r"+fmt.Sprint(number)+" cannot be started", "pull "+r.name)...)
		if _, err := os.Stat(b.recordFile("chat", fmt.Sprintf("r%d", number))); err == nil {
			t.Error("it is recorded all the same")
		}
	}
	try(9, "there is no such image; push it, or correct docker.image and the version")
	r.pushFor(t, "8.0", "s390x")
	try(8, "no matching manifest", "the image is not made for this machine; build it with --platform")
	r.user, r.password = "ada", "secret"
	login(t, `{}`)
	try(1, "wants credentials", "run docker login "+r.name)
	login(t, fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, r.name, base64.StdEncoding.EncodeToString([]byte("ada:wrong"))))
	try(1, "refuses the credentials")
	login(t, `{"credsStore": "no-such-helper"}`)
	try(1, "docker-credential-no-such-helper", "is not in PATH")
	login(t, `{"auths": `)
	try(1, "config.json cannot be understood")
}

func TestCredentials(t *testing.T) {
	b := open(t)
	r := serveImages(t, "1.0", "2.0")
	r.user, r.password = "ada", "sec:ret"
	prepare := func(number int) {
		t.Helper()
		s := service(platformtest.Echo)
		s.Docker.Image, s.Docker.Pull = r.name+"/team/private:${VERSION}", "missing"
		if err := b.Prepare(t.Context(), revision(number, s)); err != nil {
			t.Error(err)
		}
	}
	login(t, fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, r.name, base64.StdEncoding.EncodeToString([]byte("ada:sec:ret"))))
	prepare(1)
	bin := t.TempDir()
	helper := fmt.Sprintf("#!/bin/sh\nread server\n[ \"$1 $server\" = \"get %s\" ] || { echo 'credentials not found in native keychain'; exit 1; }\necho '{\"Username\": \"ada\", \"Secret\": \"sec:ret\"}'\n", r.name)
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	login(t, fmt.Sprintf(`{"auths": {%q: {}}, "credHelpers": {%[1]q: "test"}}`, r.name))
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
	s.Docker.Image, s.Docker.Pull = r.name+"/team/cut:${VERSION}", "missing"
	r.cut.Store(true)
	if err := b.Prepare(t.Context(), revision(1, s)); err == nil {
		t.Fatal("half an image was taken for a whole one")
	}
	if _, err := os.Stat(b.revision("chat", "r1")); err == nil {
		t.Error("the revision is half prepared")
	}
	r.cut.Store(false)
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
		"A=1\n2B=secret":                      `:2: "2B" is no name`,
		"PORT=1":                              ":1: PORT is set by naru",
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
		if !strings.Contains(got, want) || strings.Contains(got, "secret") {
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
