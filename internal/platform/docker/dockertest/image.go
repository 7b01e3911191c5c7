package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/moby/moby/client"
)

// Build compiles a package of this repository into a static program in a folder, and returns its path.
func Build(dir, pkg string) (string, error) {
	out := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, said)
	}
	return out, nil
}

// Image makes an image from scratch that holds one program, under a tag. The changes are lines of a Dockerfile.
func (e *Engine) Image(ctx context.Context, tag, program string, changes ...string) error {
	layer, err := layer(program)
	if err != nil {
		return err
	}
	api, err := e.API()
	if err != nil {
		return err
	}
	defer api.Close()
	answer, err := api.ImageImport(ctx, client.ImageImportSource{Source: bytes.NewReader(layer), SourceName: "-"}, tag, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("make the image %s: %w", tag, err)
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

// Alien makes an image that says it is for another architecture, whatever the program is.
func (e *Engine) Alien(ctx context.Context, tag, arch, program string) error {
	layer, err := layer(program)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{"architecture": arch, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/" + filepath.Base(program)}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}}})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{tag}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	whole, err := archive(file{"manifest.json", 0o644, manifest}, file{"config.json", 0o644, config}, file{"layer.tar", 0o644, layer})
	if err != nil {
		return err
	}
	api, err := e.API()
	if err != nil {
		return err
	}
	defer api.Close()
	answer, err := api.ImageLoad(ctx, bytes.NewReader(whole))
	if err != nil {
		return fmt.Errorf("load the image %s: %w", tag, err)
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

// layer holds the program at the top.
func layer(program string) ([]byte, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	return archive(file{filepath.Base(program), 0o755, text})
}

type file struct {
	name string
	mode int64
	text []byte
}

func archive(files ...file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: f.mode, Size: int64(len(f.text))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil { // it writes the end
		return nil, err
	}
	return out.Bytes(), nil
}
