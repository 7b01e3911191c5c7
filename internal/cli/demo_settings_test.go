//go:build linux

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/config"
)

// What the demo writes is the example's own file with shorter times: read again, nothing else differs.
func TestDemoKeepsTheSettingsOfAnExample(t *testing.T) {
	for _, one := range scenarios() {
		t.Run(one.name, func(t *testing.T) {
			original, err := config.Load(filepath.Join("../../examples", one.name, "naru.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			before := original.Services[one.name]
			probe, bake := before.Health.Interval, stepBake(before)
			want, said := shortened(before)
			if want.Health.Interval >= probe || stepBake(want) >= bake {
				t.Errorf("nothing is shorter: %+v", want)
			}
			for _, part := range []string{"health.interval " + probe.String() + " -> ", "bake " + bake.String() + " -> ", "drain_timeout"} {
				if !strings.Contains(strings.Join(said, ", "), part) {
					t.Errorf("%q does not say %q", said, part)
				}
			}
			text, err := written(want, one.name, "127.0.0.1:1", "127.0.0.1:2")
			if err != nil {
				t.Fatal(err)
			}
			read, err := config.Parse("naru.yaml", text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if diff := cmp.Diff(want, read.Services[one.name]); diff != "" {
				t.Errorf("the settings differ from what was written (-want +got):\n%s", diff)
			}
			if again, more := shortened(want); len(more) > 0 {
				t.Errorf("shortened twice: %v, %+v", more, again)
			}
		})
	}
}

func TestCheckout(t *testing.T) {
	elsewhere := t.TempDir()
	other := filepath.Join(elsewhere, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.com/other\n\nrequire "+module+" v1.0.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if root, err := checkout(elsewhere, other); err == nil || !strings.Contains(err.Error(), "run it in a clone") {
		t.Errorf("outside of a clone: %q, %v", root, err)
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, places := range [][]string{{here}, {filepath.Join(here, "internal/cli")}, {other, filepath.Join(here, "docs")}} {
		if root, err := checkout(places...); err != nil || root != here {
			t.Errorf("checkout(%v) = %q, %v", places, root, err)
		}
	}
}
