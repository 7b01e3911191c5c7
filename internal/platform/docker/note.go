package docker

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// note is instances/ID.json: what the engine cannot know of an instance.
type note struct {
	Service   string    `json:"service"`
	Revision  string    `json:"revision"`
	Slot      int       `json:"slot"`
	Port      int       `json:"port,omitempty"` // on 127.0.0.1; nobody else gets it, also not while the engine is away
	Boot      string    `json:"boot,omitempty"`
	Container string    `json:"container,omitempty"` // of the last start; empty: none was made
	Counted   bool      `json:"counted,omitempty"`   // the end of that container is among Exits
	Started   time.Time `json:"started,omitzero"`
	Exits     int       `json:"exits,omitempty"`
	Ended     time.Time `json:"ended,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	Stop      time.Time `json:"stop,omitzero"`       // it is to end, and is killed at this moment
	Signalled bool      `json:"signalled,omitempty"` // it was asked to end
}

// soon is the length of a run that is no crash: a program that ends earlier has not really run.
const soon = 60 * time.Second

// end records an exit.
func (n *note) end(started, at time.Time, reason string) {
	n.Exits++
	if !started.IsZero() && at.Sub(started) >= soon {
		n.Exits = 0
	}
	n.Counted, n.Ended, n.Reason = true, at, reason
}

func (n note) instance(id string) deploy.Instance {
	return deploy.Instance{ID: id, Service: n.Service, Revision: n.Revision, Slot: n.Slot, State: deploy.Exited,
		Exits: n.Exits, Ended: n.Ended, Reason: n.Reason}
}

func (p *Platform) noteFile(id string) string { return filepath.Join(p.dir, "instances", id+".json") }

// readNote returns what is noted of an instance; an empty note when nothing is, or when it cannot be read.
func (p *Platform) readNote(id string) (n note, known bool) {
	err := platform.ReadJSON(p.noteFile(id), &n)
	if err != nil && !os.IsNotExist(err) {
		p.log.Warn("what was noted of an instance cannot be read", "instance", id, "error", err)
	}
	return n, err == nil
}

func (p *Platform) writeNote(id string, n note) error { return platform.WriteJSON(p.noteFile(id), n) }

// notes returns all of them by instance.
func (p *Platform) notes() (map[string]note, error) {
	entries, err := os.ReadDir(filepath.Join(p.dir, "instances"))
	if err != nil {
		return nil, err
	}
	all := make(map[string]note, len(entries))
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && !strings.HasPrefix(id, ".") {
			if n, known := p.readNote(id); known {
				all[id] = n
			}
		}
	}
	return all, nil
}
