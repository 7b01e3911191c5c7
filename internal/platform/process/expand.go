//go:build linux

package process

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

// scope fills in the ${…} of one instance or revision.
type scope map[string]string

// scope of an instance: every name of the contract. A worker's port is empty.
func (l launch) scope() scope {
	port := ""
	if l.Port != 0 {
		port = strconv.Itoa(l.Port)
	}
	return scope{
		"VERSION": l.Spec.Version, "REVISION": l.Spec.Revision, "INSTANCE": l.ID, "PORT": port,
		"ARTIFACT": l.Artifact,
	}
}

func (s scope) expand(text string) string { return platform.Expand(text, s) }

func (s scope) expandAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = s.expand(t)
	}
	return out
}

// notInherited are variables of the server that would mislead a program: they speak of the server's own sockets
// and readiness, or are set per instance.
var notInherited = []string{
	"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC",
	"NARU_VERSION", "NARU_REVISION", "NARU_INSTANCE", "PORT",
}

// environ returns the instance's environment: the server's, then the service's, then naru's own names. Secrets that were
// not found are left out.
func (s scope) environ(added map[string]deploy.Variable, found secret.Set) []string {
	env := make(map[string]string)
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	for _, name := range notInherited {
		delete(env, name)
	}
	for name, v := range added {
		value, known := found.Value(name)
		switch {
		case known:
			env[name] = value
		case v.Secret():
			delete(env, name)
		default:
			env[name] = s.expand(v.Text)
		}
	}
	env["NARU_VERSION"], env["NARU_REVISION"], env["NARU_INSTANCE"] = s["VERSION"], s["REVISION"], s["INSTANCE"]
	if s["PORT"] != "" {
		env["PORT"] = s["PORT"]
	}
	pairs := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		pairs = append(pairs, name+"="+env[name])
	}
	return pairs
}
