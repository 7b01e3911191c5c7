package docker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// patience is how long the engine may take for what it usually does within milliseconds.
const patience = 20 * time.Second

// engine is the connection to the Docker engine, made when it is needed first.
type engine struct {
	host string // empty: as the docker command finds it

	mu     sync.Mutex
	client *client.Client
}

// api returns the client. It need not reach the engine: the first question does.
func (e *engine) api() (*client.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	options := []client.Opt{client.FromEnv}
	if host := e.address(); host != "" {
		if err := local(host); err != nil {
			return nil, err
		}
		options = append(options, client.WithHost(host))
	}
	c, err := client.New(options...) // it agrees on a version of the API with the engine
	if err != nil {
		return nil, fmt.Errorf("use the Docker engine: %w; check DOCKER_HOST", err)
	}
	e.client = c
	return c, nil
}

// close drops the connections, so that the next question finds an engine that was replaced, perhaps by another version.
func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		_ = e.client.Close()
		e.client = nil
	}
}

// address is where the engine is; empty leaves it to the client. An engine without root has its socket elsewhere.
func (e *engine) address() string {
	if e.host != "" {
		return e.host
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	path, isUnix := strings.CutPrefix(client.DefaultDockerHost, "unix://")
	if _, err := os.Stat(path); err == nil || !isUnix {
		return ""
	}
	rootless := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "docker.sock")
	if _, err := os.Stat(rootless); err == nil && filepath.IsAbs(rootless) {
		return "unix://" + rootless
	}
	return ""
}

// local refuses an engine on another machine: its instances could not be reached at 127.0.0.1.
func local(host string) error {
	u, err := url.Parse(host)
	if err != nil {
		return fmt.Errorf("%q is no address of a Docker engine: %w; write unix:///path/of/its/socket into DOCKER_HOST", host, err)
	}
	if u.Scheme == "unix" || u.Scheme == "tcp" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1") {
		return nil
	}
	return fmt.Errorf("DOCKER_HOST is %s: naru reaches instances at 127.0.0.1, so the engine must be on this machine; unset it, or write unix:///path/of/its/socket", host)
}

// explain turns what the client says into words that help: an engine that cannot be reached has a remedy.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case client.IsErrConnectionFailed(err) && strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("the Docker engine may not be used by this user: %w; add the user to the group docker, or run naru as root", err)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("the Docker engine does not answer: %w; start it (systemctl start docker), or name its socket by DOCKER_HOST", err)
	case errors.Is(err, context.DeadlineExceeded):
		if asked := (*url.Error)(nil); errors.As(err, &asked) { // its address is a question to the engine, with an escaped path: nobody can use it
			err = asked.Err
		}
		return fmt.Errorf("the Docker engine has not answered in time: %w; look at its log (journalctl -u docker)", err)
	}
	return errors.New(words(err))
}

// words is what the engine said, without what only its programmers need.
func words(err error) string {
	text := strings.TrimPrefix(err.Error(), "Error response from daemon: ")
	for _, noise := range []string{"failed to create task for container: ", "failed to create shim task: ", "failed to create shim: ",
		"OCI runtime create failed: ", "runc create failed: ", "unable to start container process: ", "starting container process caused: "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	if _, rest, ok := strings.Cut(text, "container_linux.go:"); ok {
		if _, rest, ok = strings.Cut(rest, ": "); ok {
			text = rest
		}
	}
	return strings.TrimSuffix(text, ": unknown")
}

// unreachable reports whether an error says nothing of what was asked for: the engine has not answered.
func unreachable(err error) bool {
	return client.IsErrConnectionFailed(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errdefs.IsUnavailable(err) || strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "connection reset")
}
