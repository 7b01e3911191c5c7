package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

var _ platform.Platform = (*Platform)(nil)

// Options says where a Platform keeps its files, which engine it uses and whom it tells.
type Options struct {
	// Dir is the folder of all state; it is created. One controller at a time may use it.
	Dir string
	// Host is the engine's address, such as unix:///run/docker.sock. Empty: as the docker command finds it, by
	// DOCKER_HOST or at the usual places.
	Host string
	// Ports hands out the ports. Platforms that share a range of ports share it. Nil: one of its own.
	Ports *platform.Ports
	// Log gets what nobody asked for but somebody may need. Nil: nothing is logged.
	Log *slog.Logger
	// Changed is called by Run, from its goroutines, soon after something became of an instance of the service; the
	// empty name means any service. It must not block. May be nil.
	Changed func(service string)
}

// Platform runs instances as containers. Its methods may be called from many goroutines.
type Platform struct {
	dir     string
	server  string // 16 hex digits
	key     secret.Key
	boot    string // changes when the machine is started anew; empty: not known
	engine  engine
	log     *slog.Logger
	changed func(service string)
	busy    platform.Keyed // one Start or Stop at a time per instance, one Prepare or Remove per revision
	ports   *platform.Ports
	early   secret.Early  // what commands printed at Prepare, for the start that follows
	world   world         // what the engine said last
	wanted  chan struct{} // wakes Run when the first revision is prepared

	listening time.Duration // between two calls of an engine whose events are open

	mu       sync.Mutex
	stopping map[string]int // how many Stops of this process attend to an instance
	offers   map[string]offer
	saying   map[string]string // how far Prepare has come, by service/revision
}

// New opens the state folder. It does not ask the engine.
func New(o Options) (*Platform, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("docker platform: %w", err)
	}
	p := &Platform{
		dir: dir, engine: engine{host: o.Host}, listening: listening, log: o.Log, changed: o.Changed, ports: o.Ports,
		wanted: make(chan struct{}, 1), stopping: make(map[string]int), offers: make(map[string]offer), saying: make(map[string]string),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.changed == nil {
		p.changed = func(string) {}
	}
	if p.ports == nil {
		p.ports = &platform.Ports{}
	}
	p.ports.Respect(p.promised)
	if err := os.MkdirAll(filepath.Join(dir, "instances"), 0o700); err != nil {
		return nil, fmt.Errorf("docker platform: %w: the state folder must be writable", err)
	}
	if p.server, err = identity(filepath.Join(dir, "server")); err != nil {
		return nil, fmt.Errorf("docker platform: %w", err)
	}
	if p.key, err = secret.OpenKey(filepath.Join(dir, "key")); err != nil {
		return nil, fmt.Errorf("docker platform: %w", err)
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it a reboot looks like an exit
	p.boot = strings.TrimSpace(string(boot))
	return p, nil
}

// Close lets go of the engine. The instances go on.
func (p *Platform) Close() { p.engine.close() }

// identity reads the name of the state folder's server, and gives it one the first time. It is in the folder, so that a folder
// that is moved finds its containers again, and two folders never claim the same.
func identity(path string) (string, error) {
	var id string
	if err := platform.ReadJSON(path, &id); err == nil && len(id) == 16 {
		return id, nil
	} else if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // it never fails
	id = hex.EncodeToString(random)
	return id, platform.WriteJSON(path, id)
}

// revision is the folder of what is kept of a revision.
func (p *Platform) revision(service, revision string) string {
	return filepath.Join(p.dir, "revisions", service, revision)
}

// used reports whether anything was prepared here since all was last seen to be gone: else there is nothing to ask the engine
// about, and there may be none. The folder of revisions is made before anything else, and goes after everything.
func (p *Platform) used() bool {
	_, err := os.Stat(filepath.Join(p.dir, "revisions"))
	return err == nil
}

// unuse notes that nothing is left.
func (p *Platform) unuse() {
	p.mu.Lock()
	defer p.mu.Unlock() // whoever begins anew makes its folder before or after, not meanwhile
	if notes, err := p.notes(); err == nil && len(notes) == 0 {
		_ = os.Remove(filepath.Join(p.dir, "revisions")) // only when it is empty
	}
}

// promised returns the ports of all instances but one, which is about to get a new one. That the engine listens on them is not
// enough: while it is away nobody does, and the containers go on.
func (p *Platform) promised(but string) (map[int]bool, error) {
	notes, err := p.notes()
	if err != nil {
		return nil, err
	}
	taken := make(map[int]bool)
	for id, n := range notes {
		if id != but && n.Port != 0 {
			taken[n.Port] = true
		}
	}
	return taken, nil
}

// scope fills in the ${…} of one instance; the port is the container's own.
func scope(id string, spec deploy.InstanceSpec) map[string]string {
	names := map[string]string{"VERSION": spec.Version, "REVISION": spec.Revision, "INSTANCE": id, "PORT": ""}
	if d := spec.Settings.Docker; d.Port != 0 && !spec.Settings.Worker() {
		names["PORT"] = fmt.Sprint(d.Port)
	}
	return names
}

// tell lets go of what was known and wakes whoever waits for news of a service.
func (p *Platform) tell(service string) {
	p.world.forget()
	p.changed(service)
}

// want wakes Run: there is something to watch from now on.
func (p *Platform) want() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// mark counts the Stops of this process that attend to an instance.
func (p *Platform) mark(id string, more int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping[id] += more; p.stopping[id] == 0 {
		delete(p.stopping, id)
	}
}

func (p *Platform) attended(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopping[id] > 0
}

// bounded is for questions that an engine answers at once, so that one that hangs does not hang naru.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
