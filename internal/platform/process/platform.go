//go:build linux

package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

var _ platform.Platform = (*Platform)(nil)

// Options says where a Platform keeps its files and whom it tells.
type Options struct {
	// Dir is the folder of all state; it is created. One controller at a time may use it.
	Dir string
	// Exe is the naru binary that is run as shim. Empty: the binary that is running now, even when its file
	// has been replaced since.
	Exe string
	// Ports hands out the ports. Platforms that share a range of ports share it. Nil: one of its own.
	Ports *platform.Ports
	// Log gets what nobody asked for but somebody may need. Nil: nothing is logged.
	Log *slog.Logger
	// Changed is called by Run, from its goroutines, soon after an instance of the service ended or a command
	// check changed its mind. It must not block. May be nil.
	Changed func(service string)
}

// Platform runs instances as processes of this machine. Its methods may be called from many goroutines.
type Platform struct {
	dir     string
	exe     string
	log     *slog.Logger
	changed func(service string)
	boot    string
	key     secret.Key

	busy    platform.Keyed // one Start or Stop at a time per instance, one Prepare or Remove per revision
	claims  platform.Keyed // who of this process holds the lock of an instance's folder
	ports   *platform.Ports
	early   secret.Early  // what commands printed at Prepare, for the start that follows
	sums    digests       // SHA-256 of files that have not changed
	usage   usage         // processor time and memory, a second old at most
	arrived chan struct{} // wakes Run when fresh has grown

	mu    sync.Mutex
	fresh map[folder]struct{} // started since Run looked last; some may have ended again already
	shims map[int]struct{}    // shims that this process started and has to reap
}

// New opens the state folder and finds in it whatever an earlier controller started.
func New(o Options) (*Platform, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("process platform: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return nil, fmt.Errorf("process platform: %w: naru needs Linux with /proc", err)
	}
	p := &Platform{
		dir: dir, exe: o.Exe, ports: o.Ports, log: o.Log, changed: o.Changed, boot: boot,
		arrived: make(chan struct{}, 1),
		fresh:   make(map[folder]struct{}),
		shims:   make(map[int]struct{}),
	}
	if p.exe == "" {
		// Resolved by the kernel at the moment of the exec, so it is this very program even after its file
		// was replaced by another version.
		p.exe = "/proc/self/exe"
	}
	if p.ports == nil {
		p.ports = &platform.Ports{}
	}
	p.ports.Respect(p.promised)
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.changed == nil {
		p.changed = func(string) {}
	}
	if err := os.MkdirAll(p.instances(), 0o700); err != nil {
		return nil, fmt.Errorf("process platform: %w: the state folder must be writable", err)
	}
	if p.key, err = secret.OpenKey(filepath.Join(dir, "key")); err != nil {
		return nil, fmt.Errorf("process platform: %w", err)
	}
	p.sweep()
	return p, nil
}

func (p *Platform) instances() string { return filepath.Join(p.dir, "instances") }

// revision is the folder of what is kept of a revision.
func (p *Platform) revision(service, revision string) string {
	return filepath.Join(p.dir, "revisions", service, revision)
}

// folder is where an instance's files are. The ID comes from outside, so it must not lead elsewhere.
func (p *Platform) folder(id string) (folder, error) {
	if err := checkName(id); err != nil {
		return "", err
	}
	return folder(filepath.Join(p.instances(), id)), nil
}

// sweep removes what a controller that was killed had begun to remove.
func (p *Platform) sweep() {
	leftovers, _ := filepath.Glob(filepath.Join(p.instances(), ".*"))
	for _, path := range leftovers {
		if err := os.RemoveAll(path); err != nil {
			p.log.Warn("cannot remove what is left of an instance", "error", err)
		}
	}
}

func checkName(name string) error { return platform.CheckNames(name) }

// claim takes the lock of an instance's folder, to change it while no shim can come to life. It fails with errLocked
// when there is one. The file lock would refuse another goroutine of this process too, at once, so those queue
// up first.
func (p *Platform) claim(ctx context.Context, f folder) (release func(), err error) {
	leave, err := p.claims.Lock(ctx, string(f))
	if err != nil {
		return nil, err
	}
	unlock, err := lockAsController(f.lockFile())
	if err != nil {
		leave()
		return nil, err
	}
	return func() { unlock(); leave() }, nil
}
