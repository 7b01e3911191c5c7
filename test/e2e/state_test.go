package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

// A state file that cannot be read keeps serve from starting, not users from being answered. Nothing is thrown away.
func TestCorruptStateIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	before := s.status("chat")
	load := s.load(100)
	s.kill()
	path := filepath.Join(s.dir, ".naru", store.File)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{
		"overwritten":          bytes.Repeat([]byte("naru"), len(good)/4),
		"cut off":              good[:12288],
		"empty":                {},
		"damaged in the midst": append(append([]byte(nil), good[:8192]...), bytes.Repeat([]byte{0xa5}, len(good)-8192)...),
	}
	for name, bad := range damage {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			out, errs, status := s.in(t).said("serve", "-f", "naru.yaml")
			if status != 1 || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, want 1 and one line:\n%s%s", status, out, errs)
			}
			contains(t, "serve says", errs, path, "Restore it from a backup; or move it away")
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.sameProcesses(before)
	clean(t, load.Stop())
}

// A state that cannot be written stops the rollout, with the file and what to do, and not the traffic; once there is
// room it goes on.
func TestFullDiskStopsTheRollout(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(2, `{canary: {steps: [{weight: 50%, bake: 10m}, 100%], bake: 300ms}}`))
	state := filepath.Join(s.dir, ".naru")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("naru-e2e", state, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { s.end(); syscall.Unmount(state, syscall.MNT_DETACH) })
	s.begin()
	s.deploy(0, "chat", "3.0")
	load := s.load(100)
	s.must(0, "deploy", "chat", "3.1", "--detach")
	s.at("chat", 1, deploy.Baking)
	ballast := filepath.Join(state, "ballast")
	fill(t, ballast)
	said := ""
	for range 2000 { // each adds an event, until the room that the file already has is used up
		for _, verb := range []string{"pause", "resume"} {
			if status, text := s.ask("POST", "/v1/services/chat/"+verb, ""); status >= 500 {
				said = text
			}
		}
		if said != "" {
			break
		}
	}
	contains(t, "the command that could not be saved says", said, "write "+filepath.Join(state, store.File), "no space left on device", "make room on the disk", "traffic goes on, deployments wait")
	s.served(load, "3.1", 50)
	if r := s.status("chat").Rollout; r == nil || r.Step != 1 || r.Weight != 50 {
		t.Errorf("on a full disk the rollout went to %+v", r)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.must(0, "promote", "chat", "--full")
	s.rest("chat", "3.1", 2)
	clean(t, load.Stop())
	whole(t, s.last("chat"), deploy.Promoted)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
