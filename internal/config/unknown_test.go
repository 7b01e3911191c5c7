package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestUnknownKeys(t *testing.T) {
	service, step := reflect.TypeFor[deploy.Service](), reflect.TypeFor[deploy.CanaryStep]()
	analysis, source := reflect.TypeFor[deploy.Analysis](), reflect.TypeFor[deploy.Source]()
	docker := reflect.TypeFor[deploy.Docker]()
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
		{service, "rescue", `"rescue" is not supported yet by this version of naru; remove it (retries`},
		{service, "slow_start", `"slow_start" is not supported yet by this version of naru; remove it`},
		{step, "mirror", "not supported yet"},
		{service, "alpha", "unknown key"},
		{analysis, "min_requests", `unknown key "min_requests"; it is gone: the analysis waits for evidence, not for a number of requests; remove it`},
		{analysis, "metrics", `unknown key "metrics"; figures from elsewhere are named under sources`},
		{analysis, "stream", `did you mean "streams"?`},
		{source, "query", `unknown key "query"; it belongs under prometheus`},
		{docker, "ports", `unknown key "ports"; write port, the one that the program listens on in its container`},
		{docker, "restart", "naru starts an instance again that has ended: remove it"},
		{docker, "imgae", `did you mean "image"?`},
		{source, "max_rato", `did you mean "max_ratio"?`},
	}
	for _, c := range cases {
		if got := unknownKey(c.kind, c.key); !strings.Contains(got, c.says) {
			t.Errorf("%s.%.20s: got %s, want … %s", c.kind, c.key, got, c.says)
		}
	}
}

// TestNotYetKeysAreUnknown: a key that has arrived must leave the lists of those that have not, or are elsewhere.
func TestNotYetKeysAreUnknown(t *testing.T) {
	for _, o := range objects("", reflect.TypeFor[layout]()) {
		for _, f := range fieldsOf(o.kind) {
			if _, planned := notYet(o.kind, f.name); planned {
				t.Errorf("%s.%s exists and is said not to", o.path, f.name)
			}
			if elsewhere(o.kind, f.name) != "" {
				t.Errorf("%s.%s exists and is said to be elsewhere", o.path, f.name)
			}
		}
	}
}
