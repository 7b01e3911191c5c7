package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The step of make test that sees to a Docker engine installs one where that is allowed, and elsewhere says why not; it fails nowhere.
func TestMakeSeesToAnEngine(t *testing.T) {
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("an engine runs here, so nothing would be installed")
	}
	const installs = "install -y --no-install-recommends docker.io iproute2"
	for _, test := range []struct {
		name     string
		programs map[string]string // what there is beside make and a shell, and what it does
		says     string            // empty: nothing
		asked    bool              // of apt-get
	}{
		{"root", map[string]string{"id": "echo 0", "apt-get": `echo "$@" >> "$ASKED"`}, "", true},
		{"root, and it fails", map[string]string{"id": "echo 0", "apt-get": `echo "$@" >> "$ASKED"; test "$1" = update`}, "could not install docker.io", true},
		{"no root", map[string]string{"id": "echo 1000", "apt-get": `echo "$@" >> "$ASKED"`}, "takes root", false},
		{"no apt-get", map[string]string{"id": "echo 0"}, "there is no apt-get here", false},
		{"an engine to start", map[string]string{"id": "echo 0", "apt-get": `echo "$@" >> "$ASKED"`, "dockerd": ":"}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			bin, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
			for name, does := range test.programs {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+does+"\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			makes, err := exec.LookPath("make")
			if err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(makes, "-s", "engine")
			cmd.Dir, cmd.Env = "..", []string{"PATH=" + bin, "ASKED=" + asked}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if said := strings.TrimSpace(string(out)); (test.says == "") != (said == "") || !strings.Contains(said, test.says) {
				t.Errorf("it says %q", said)
			}
			orders, _ := os.ReadFile(asked)
			if strings.Contains(string(orders), installs) != test.asked {
				t.Errorf("apt-get was asked for %q", orders)
			}
		})
	}
}
