//go:build linux

package process

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// folder is the place of one instance's files.
type folder string

func (f folder) id() string                  { return filepath.Base(string(f)) }
func (f folder) file(name string) string     { return filepath.Join(string(f), name) }
func (f folder) lockFile() string            { return f.file("lock") }
func (f folder) write(n string, v any) error { return platform.WriteJSON(f.file(n), v) }

const (
	specFile  = "spec.json"
	stateFile = "state.json"
	stopFile  = "stop"
	readyFile = "ready"
)

// launch is spec.json: everything the shim needs but the secrets, which it is handed by a pipe. The file is readable by its
// owner alone, because people write passwords into the environment all the same.
type launch struct {
	ID       string              `json:"id"`
	Spec     deploy.InstanceSpec `json:"spec"`
	Port     int                 `json:"port,omitempty"`     // 0: a worker
	Artifact string              `json:"artifact,omitempty"` // the revision's copy
	Logs     string              `json:"logs"`               // folder
}

// address is where the instance listens; empty for a worker.
func (l launch) address() string {
	if l.Port == 0 {
		return ""
	}
	return fmt.Sprintf("127.0.0.1:%d", l.Port)
}

// state is state.json: what became of the instance.
type state struct {
	Boot    string    `json:"boot"`
	Shim    identity  `json:"shim"`
	Child   identity  `json:"child"`
	Running bool      `json:"running"`        // started, and its end is not recorded
	Lost    bool      `json:"lost,omitempty"` // ended with its shim: processes of its group may be left
	Started time.Time `json:"started,omitzero"`
	Exits   int       `json:"exits,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// soon is the length of a run that is no crash: a program that ends earlier has not really run.
const soon = 60 * time.Second

// end records an exit.
func (s *state) end(at time.Time, reason string) {
	s.Exits++
	if !s.Started.IsZero() && at.Sub(s.Started) >= soon {
		s.Exits = 0
	}
	s.Running, s.Ended, s.Reason = false, at, reason
}

// stopOrder is the file stop: the instance is to end, and is killed at the deadline.
type stopOrder struct {
	Deadline time.Time `json:"deadline"`
}

func (f folder) readLaunch() (l launch, err error) { return l, platform.ReadJSON(f.file(specFile), &l) }
func (f folder) readState() (s state, err error)   { return s, platform.ReadJSON(f.file(stateFile), &s) }
func (f folder) readStop() (o stopOrder, err error) {
	return o, platform.ReadJSON(f.file(stopFile), &o)
}
func (f folder) readReady() (child identity, err error) {
	return child, platform.ReadJSON(f.file(readyFile), &child)
}

// orderStop writes the order to end. An earlier order may be tightened by a later one but not loosened, so
// repeating a stop never prolongs it.
func (f folder) orderStop(deadline time.Time) error {
	if o, err := f.readStop(); err == nil && o.Deadline.Before(deadline) {
		return nil
	}
	return f.write(stopFile, stopOrder{Deadline: deadline})
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
