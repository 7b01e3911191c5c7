//go:build linux

package process

import (
	"slices"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/secret"
)

func TestExpand(t *testing.T) {
	s := launch{
		ID: "chat-r7-2", Port: 20007, Artifact: "/a",
		Spec: deploy.InstanceSpec{Service: "chat", Revision: "r7", Version: "3.1"},
	}.scope()
	for text, want := range map[string]string{
		"":                        "",
		"plain $ text":            "plain $ text",
		"${VERSION}":              "3.1",
		"chat-${VERSION}-${PORT}": "chat-3.1-20007",
		"${REVISION}${INSTANCE}":  "r7chat-r7-2",
		"${ARTIFACT}/bin":         "/a/bin",
		"$${VERSION}":             "${VERSION}",
		"$$${VERSION}":            "$${VERSION}",
		"${HOME}/$HOME/${}":       "${HOME}/$HOME/${}",
		"${VERSION":               "${VERSION",
		"${version}":              "${version}",
		"$VERSION":                "$VERSION",
	} {
		if got := s.expand(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PORT", "80")
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	t.Setenv("KEPT", "kept")
	t.Setenv("CHANGED", "no")
	added := map[string]deploy.Variable{"CHANGED": {Text: "for ${VERSION}"}, "NARU_VERSION": {Text: "forged"}}
	spec := deploy.InstanceSpec{Service: "chat", Revision: "r7", Version: "3.1"}
	env := launch{ID: "chat-r7-2", Port: 20007, Spec: spec}.scope().environ(added, secret.Set{})
	for _, want := range []string{
		"KEPT=kept", "CHANGED=for 3.1", "PORT=20007",
		"NARU_VERSION=3.1", "NARU_REVISION=r7", "NARU_INSTANCE=chat-r7-2",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %q", want, env)
		}
	}
	for _, pair := range append(env, launch{ID: "chat-r7-2", Spec: spec}.scope().environ(nil, secret.Set{})...) {
		if pair == "PORT=80" || pair == "NOTIFY_SOCKET=/run/systemd/notify" || pair == "NARU_VERSION=forged" {
			t.Errorf("%s was handed on", pair)
		}
	}
}
