package docker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// dockerConfig is what naru reads of the docker command's own settings, ~/.docker/config.json.
type dockerConfig struct {
	Auths       map[string]loginEntry `json:"auths"`
	CredsStore  string                `json:"credsStore"`
	CredHelpers map[string]string     `json:"credHelpers"`
}

type loginEntry struct {
	Auth          string `json:"auth"` // base64 of user:password
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// credentials returns what docker login has left for a registry, in the form that the engine takes; empty when there is
// nothing. A helper that fails is an error: without its word the pull would fail with a reason that misleads.
func credentials(ctx context.Context, domain string) (string, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil // a service without a home has not logged in
		}
		dir = filepath.Join(home, ".docker")
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the credentials of docker login: %w", err)
	}
	var config dockerConfig
	if err := json.Unmarshal(text, &config); err != nil {
		return "", fmt.Errorf("%s cannot be understood: %w; correct it, or log in again", path, err)
	}
	auth, err := config.find(ctx, domain)
	if auth == nil || err != nil {
		return "", err
	}
	return authconfig.Encode(*auth)
}

// servers are the names under which the credentials of a registry may stand; Docker Hub has its own.
func servers(domain string) []string {
	if domain == "docker.io" {
		return []string{"https://index.docker.io/v1/", "index.docker.io", "docker.io"}
	}
	return []string{domain, "https://" + domain, "http://" + domain, "https://" + domain + "/v1/", "https://" + domain + "/v2/"}
}

func (c dockerConfig) find(ctx context.Context, domain string) (*registry.AuthConfig, error) {
	helper := c.CredsStore
	for _, server := range servers(domain) {
		helper = cmp.Or(c.CredHelpers[server], helper)
	}
	if helper != "" {
		for _, server := range servers(domain)[:1] {
			if auth, err := ask(ctx, helper, server); auth != nil || err != nil {
				return auth, err
			}
		}
	}
	for _, server := range servers(domain) {
		if e, ok := c.Auths[server]; ok && e != (loginEntry{}) {
			return e.auth(server)
		}
	}
	return nil, nil
}

func (e loginEntry) auth(server string) (*registry.AuthConfig, error) {
	a := &registry.AuthConfig{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken, ServerAddress: server}
	if e.Auth == "" {
		return a, nil
	}
	text, err := base64.StdEncoding.DecodeString(e.Auth)
	user, password, ok := strings.Cut(strings.TrimRight(string(text), "\x00"), ":")
	if err != nil || !ok {
		return nil, fmt.Errorf("the credentials for %s in docker's config.json are damaged; run docker login %[1]s again", server)
	}
	a.Username, a.Password = user, password
	return a, nil
}

// helperName keeps the name of a helper from leading to another program.
var helperName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// helperTime is how long a helper may take; some ask another machine.
const helperTime = 30 * time.Second

// ask runs docker-credential-HELPER, which keeps passwords in a safe of the machine. Nil: it knows none for the server.
func ask(ctx context.Context, helper, server string) (*registry.AuthConfig, error) {
	if !helperName.MatchString(helper) {
		return nil, fmt.Errorf("%q is no name of a credential helper; correct docker's config.json", helper)
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	program := "docker-credential-" + helper
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(server)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		// By the helpers' protocol this text, on standard output, is the answer for an unknown server.
		if strings.Contains(out.String(), "credentials not found") {
			return nil, nil
		}
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%s, which docker's config.json asks for credentials, is not in PATH; install it, or log in without it", program)
		}
		// Not its standard output, on which it may have printed a password before it failed.
		text := cmp.Or(strings.TrimSpace(said.String()), fmt.Sprintf("run it by hand to see why: echo %s | %s get", server, program))
		return nil, fmt.Errorf("%s has failed: %w: %s", program, err, text)
	}
	var got struct{ Username, Secret string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return nil, fmt.Errorf("%s has answered what cannot be understood: %w", program, err) // not the answer: it holds a password
	}
	if got.Username == "<token>" { // by the same protocol
		return &registry.AuthConfig{IdentityToken: got.Secret, ServerAddress: server}, nil
	}
	return &registry.AuthConfig{Username: got.Username, Password: got.Secret, ServerAddress: server}, nil
}
