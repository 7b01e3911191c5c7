//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// module is naru's own, by which a checkout is recognised.
const module = "github.com/naru-deploy/naru"

// sources are the folders that may lie in a clone of naru: the working directory, and where this binary was built from.
func sources() (places []string) {
	if dir, err := os.Getwd(); err == nil {
		places = append(places, dir)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // not in a binary built with -trimpath
		places = append(places, filepath.Dir(file))
	}
	return places
}

// checkout finds the root of naru's source, in one of the places or above it.
func checkout(places ...string) (string, error) {
	for _, place := range places {
		for dir := filepath.Clean(place); ; dir = filepath.Dir(dir) {
			if isCheckout(dir) {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("the demo builds the example programs from naru's source, and there is none around the working directory; run it in a clone: go run ./cmd/naru demo")
}

// isCheckout reports whether dir is the root of naru's module.
func isCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "module" {
			return f[1] == module
		}
	}
	return false
}

// build compiles the programs of the scenarios into the folder of the demo.
func (d *demo) build(ctx context.Context, root string, play []scenario) error {
	compiler, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the demo builds the example programs with Go, and there is no go on the PATH; install it from https://go.dev/dl")
	}
	d.item("build", fmt.Sprintf("%s from %s", plural(len(play), "program"), filepath.Join(root, "examples")))
	began := time.Now()
	args := []string{"build", "-buildvcs=false", "-o", d.programs() + string(filepath.Separator)}
	for _, one := range play {
		args = append(args, "./examples/"+one.name)
	}
	cmd := exec.CommandContext(ctx, compiler, args...)
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go then removes its temporary files
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the examples in %s: %w\n%s", root, err, out)
	}
	d.item("", "done in "+time.Since(began).Round(100*time.Millisecond).String())
	return nil
}

// programs is the folder of the binaries, in which the instances run.
func (d *demo) programs() string { return filepath.Join(d.folder, "programs") }
