package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestUnknownKeys(t *testing.T) {
	service, step, analysis := reflect.TypeFor[deploy.Service](), reflect.TypeFor[deploy.CanaryStep](), reflect.TypeFor[deploy.Analysis]()
	cases := []struct {
		kind      reflect.Type
		key, says string
	}{
		{service, "hsots", `did you mean "hosts"?`}, // two letters swapped are one mistake
		{service, "Instances", `did you mean "instances"?`},
		{service, "draintimeout", `did you mean "drain_timeout"?`},
		{service, "stratgy", `did you mean "strategy"?`},
		{service, "image", "known here: hosts, path, port,"},
		{service, strings.Repeat("long", 1000), "known here: "},
		{service, "docker", `"docker" is not supported yet by this version of naru; remove it and use process`},
		{service, "slow_start", `"slow_start" is not supported yet by this version of naru; remove it`},
		{step, "mirror", "not supported yet"},
		{service, "alpha", "unknown key"},
		{analysis, "alpha", "not supported yet"},
	}
	for _, c := range cases {
		if got := unknownKey(c.kind, c.key); !strings.Contains(got, c.says) {
			t.Errorf("%s.%.20s: got %s, want … %s", c.kind, c.key, got, c.says)
		}
	}
}

// TestNotYetKeysAreUnknown: a key that has arrived must leave the list of those that have not.
func TestNotYetKeysAreUnknown(t *testing.T) {
	for _, o := range objects("", reflect.TypeFor[layout]()) {
		for _, f := range fieldsOf(o.kind) {
			if _, planned := notYet(o.kind, f.name); planned {
				t.Errorf("%s.%s exists and is said not to", o.path, f.name)
			}
		}
	}
}
