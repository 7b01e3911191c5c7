// Package platform is the port between naru and whatever runs programs. Each platform is a folder of its own;
// platformtest is the suite that all of them pass.
package platform

import (
	"context"
	"io"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Platform runs instances. Every call is idempotent and keyed by the instance's ID; List is the only truth.
type Platform interface {
	// Prepare makes a revision ready to start: pull, copy, verify. It fails when the revision can certainly not
	// be started, with a reason that tells its user what to do.
	Prepare(ctx context.Context, rev deploy.Revision) error
	// Start starts an instance that does not run and does nothing for one that does. A program that cannot be
	// executed is listed as Exited with the reason; an error means that nothing was tried.
	Start(ctx context.Context, id string, spec deploy.InstanceSpec) error
	// Stop ends an instance, by force once grace is over, and forgets it. It returns when it is gone.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// List returns the instances of a service, or of all services when service is empty.
	List(ctx context.Context, service string) ([]deploy.Instance, error)
	// Logs reads an instance's output, also after its end while the revision is kept.
	Logs(ctx context.Context, id string, o LogOptions) (io.ReadCloser, error)
	// Remove deletes what is kept of a revision that has no instance: its copy, its logs.
	Remove(ctx context.Context, rev deploy.Revision) error
	// Holdings lists what is kept of the revisions of a service, or of all when service is empty, whether or not
	// anybody knows of them any more.
	Holdings(ctx context.Context, service string) ([]Holding, error)
	// Sweep deletes what belongs to no instance and what ended instances have logged before a moment, and returns it;
	// dry: only returns it. It may be called at any time, beside every other method.
	Sweep(ctx context.Context, logsBefore time.Time, dry bool) ([]Leftover, error)
}

// Holding is what a platform keeps of one revision.
type Holding struct {
	Service, Revision string
	What              string // "artifact and logs", "image shop:1.1"
	Bytes             int64  // that removing it frees
}

// Leftover is something that nobody has any use for.
type Leftover struct {
	Kind  string // log, container, image, file
	Name  string // its path or name
	Bytes int64
	Why   string
}

// LogOptions says which part of a log is wanted.
type LogOptions struct {
	Tail   int       // the last lines; 0: everything that is kept
	Since  time.Time // not before; zero: no bound
	Follow bool      // go on until the context ends
}
