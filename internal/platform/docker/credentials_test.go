package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/authconfig"
)

// helper puts a docker-credential-NAME before everything else in PATH.
func helper(t *testing.T, name, script string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// Whatever docker login has left is found, in the places and by the helpers that the docker command uses.
func TestCredentialsOfDockerLogin(t *testing.T) {
	helper(t, "safe", `read server
case "$server" in
	https://index.docker.io/v1/) echo '{"Username": "hub", "Secret": "one"}';;
	token.test) echo '{"Username": "<token>", "Secret": "two"}';;
	broken.test) echo 'the safe is locked' >&2; exit 1;;
	half.test) echo '{"Username": "ada", "Secret": "three"'; echo 'the disk is full' >&2; exit 3;;
	mute.test) echo '{"Username": "ada", "Secret": "three"'; exit 4;;
	odd.test) echo 'password three';;
	*) echo 'credentials not found in native keychain'; exit 1;;
esac`)
	helper(t, "own", `echo '{"Username": "own", "Secret": "four"}'`)
	login(t, `{"credsStore": "safe", "credHelpers": {"own.test": "own", "evil.test": "../../bin/sh"},
		"auths": {"plain.test": {"auth": "YWRhOmZpdmU6c2l4"}, "https://url.test/v2/": {"username": "ada", "password": "seven"}, "damaged.test": {"auth": "%"},
			"identity.test": {"identitytoken": "eight"}, "empty.test": {}}}`)
	for registry, want := range map[string]string{
		"docker.io":     "hub one ",
		"token.test":    "  two",
		"own.test":      "own four ",
		"plain.test":    "ada five:six ",
		"url.test":      "ada seven ",
		"identity.test": "  eight",
		"empty.test":    "",
		"unknown.test":  "",
		"broken.test":   "docker-credential-safe has failed: exit status 1: the safe is locked",
		"half.test":     "docker-credential-safe has failed: exit status 3: the disk is full",
		"mute.test":     "docker-credential-safe has failed: exit status 4: run it by hand to see why: echo mute.test | docker-credential-safe get",
		"odd.test":      "docker-credential-safe has answered what cannot be understood",
		"evil.test":     `"../../bin/sh" is no name of a credential helper; correct docker's config.json`,
		"damaged.test":  "the credentials for damaged.test in docker's config.json are damaged; run docker login damaged.test again",
	} {
		text, err := credentials(t.Context(), registry)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
			if strings.Contains(got, "three") {
				t.Errorf("%s: a password is repeated: %s", registry, got)
			}
			if !strings.Contains(got, want) || want == "" {
				t.Errorf("%s: %s, want %q", registry, got, want)
			}
			continue
		case text != "":
			auth, err := authconfig.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			got = fmt.Sprintf("%s %s %s", auth.Username, auth.Password, auth.IdentityToken)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", registry, got, want)
		}
	}
}
