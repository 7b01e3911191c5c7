package dockertest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// Registry is an image registry that speaks as much of the distribution protocol as a pull needs.
type Registry struct {
	// Name is its address, host:port, with which names of its images begin.
	Name string
	// User and Password are asked for when there are any.
	User, Password string
	// Cut: layers end before they are whole. Gone: it has lost everything.
	Cut, Gone atomic.Bool
	// Gate holds every layer up after each tenth of it until something is received, or it is closed. Nil: nothing is held up.
	Gate chan struct{}

	server *httptest.Server
	mu     sync.Mutex
	blobs  map[string][]byte // by digest; the manifests too
	tags   map[string]string
}

// RegistryImage is an image with one layer.
type RegistryImage struct {
	Word    string // the value of its variable WORD; images with other words are other images
	Program string // path of what it runs; empty: it runs nothing
	Content []byte // of a file beside it, named by the word
	Volume  string // a folder that every container has a volume for; empty: none
	Arch    string // empty: this machine's
	Label   string // value of its label naru-test; empty: none
}

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	listType     = "application/vnd.docker.distribution.manifest.list.v2+json"
	configType   = "application/vnd.docker.container.image.v1+json"
	layerType    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// NewRegistry runs a registry without images on a free port of 127.0.0.1, until Close.
func NewRegistry() *Registry {
	r := &Registry{blobs: map[string][]byte{}, tags: map[string]string{}}
	r.server = httptest.NewServer(r)
	r.Name = strings.TrimPrefix(r.server.URL, "http://")
	return r
}

// Close ends it.
func (r *Registry) Close() { r.server.Close() }

// Push puts an image under a tag, whatever repository is asked for.
func (r *Registry) Push(tag string, i RegistryImage) error {
	raw, err := i.layer()
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	run := map[string]any{"Env": []string{"WORD=" + i.Word}, "Cmd": []string{"/none"}}
	if i.Program != "" {
		run["Entrypoint"], run["Cmd"] = []string{"/" + filepath.Base(i.Program)}, nil
	}
	if i.Volume != "" {
		run["Volumes"] = map[string]any{i.Volume: map[string]any{}}
	}
	if i.Label != "" {
		run["Labels"] = map[string]string{"naru-test": i.Label}
	}
	config, err := json.Marshal(map[string]any{"architecture": cmp.Or(i.Arch, runtime.GOARCH), "os": "linux", "config": run,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(raw)}}})
	if err != nil {
		return err
	}
	return r.tag(tag, map[string]any{"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": configType, "size": len(config), "digest": r.add(config)},
		"layers": []any{map[string]any{"mediaType": layerType, "size": packed.Len(), "digest": r.add(packed.Bytes())}}})
}

func (i RegistryImage) layer() ([]byte, error) {
	files := []file{{i.Word, 0o644, i.Content}}
	if i.Program != "" {
		text, err := os.ReadFile(i.Program)
		if err != nil {
			return nil, err
		}
		files = []file{{filepath.Base(i.Program), 0o755, text}}
	}
	return archive(files...)
}

// PushFor puts an image under a tag that there is for another architecture alone.
func (r *Registry) PushFor(tag, arch string, i RegistryImage) error {
	if err := r.Push(tag, i); err != nil {
		return err
	}
	r.mu.Lock()
	of, size := r.tags[tag], len(r.blobs[r.tags[tag]])
	r.mu.Unlock()
	return r.tag(tag, map[string]any{"schemaVersion": 2, "mediaType": listType, "manifests": []any{map[string]any{"mediaType": manifestType,
		"size": size, "digest": of, "platform": map[string]any{"architecture": arch, "os": "linux"}}}})
}

func (r *Registry) tag(tag string, manifest map[string]any) error {
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	d := r.add(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags[tag] = d
	return nil
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func (r *Registry) add(blob []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digest(blob)
	r.blobs[d] = blob
	return d
}

// find returns what is meant by the end of a path.
func (r *Registry) find(at string) (digest string, blob []byte, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, tagged := r.tags[at]; tagged {
		at = d
	}
	blob, known = r.blobs[at]
	return at, blob, known
}

// ServeHTTP answers the engine.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if user, password, _ := q.BasicAuth(); user != r.User || password != r.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		return
	}
	at, blob, known := r.find(filepath.Base(q.URL.Path))
	switch {
	case q.URL.Path == "/v2/":
	case !known, r.Gone.Load():
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
		if r.Cut.Load() && strings.Contains(q.URL.Path, "/blobs/") {
			blob = blob[:len(blob)/2]
		}
		r.write(w, q, blob)
	}
}

// write sends a blob, at leisure if that is wanted.
func (r *Registry) write(w http.ResponseWriter, q *http.Request, blob []byte) {
	part := len(blob)
	if r.Gate != nil {
		part = len(blob)/10 + 1
	}
	for len(blob) > 0 {
		part = min(part, len(blob))
		if _, err := w.Write(blob[:part]); err != nil {
			return
		}
		if blob = blob[part:]; r.Gate != nil && len(blob) > 0 && strings.Contains(q.URL.Path, "/blobs/") {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-q.Context().Done():
				return
			case <-r.Gate:
			}
		}
	}
}
