package secret

import (
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Early keeps what commands have printed from the moment at which a revision is made ready to start until its instances are
// started. Where a program has to end before the next one begins, requests wait for that start: no safe should be asked, and be slow
// or locked, while they do. Each instance is given the values once; one that starts again is given what the commands say then.
// After five minutes they are forgotten. The zero value is ready; it may be used by many goroutines.
type Early struct {
	mu sync.Mutex
	of map[string]*early // by service and revision
}

type early struct {
	values map[string]string // by variable, of commands alone: everything else is found in no time
	given  map[string]bool   // to instances
	end    *time.Timer
}

// earlyFor is longer than requests wait, as a rule; where it is not, the commands are asked again.
const earlyFor = 5 * time.Minute

// Keep replaces what is kept of a revision by what was found for it.
func (e *Early) Keep(rev deploy.Revision, found Set) {
	key := rev.Service + "/" + rev.ID
	kept := &early{values: make(map[string]string), given: make(map[string]bool)}
	env, _ := rev.Settings.Environment()
	for name, v := range env {
		if value, ok := found.Value(name); ok && v.Command != nil {
			kept.values[name] = value
		}
	}
	if len(kept.values) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = make(map[string]*early)
	}
	if old := e.of[key]; old != nil {
		old.end.Stop()
	}
	e.of[key] = kept
	kept.end = time.AfterFunc(earlyFor, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.of[key] == kept {
			delete(e.of, key)
		}
	})
}

// Take returns the values for an instance that is about to be started, by variable; none when it has had them.
func (e *Early) Take(service, revision, instance string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := e.of[service+"/"+revision]
	if kept == nil || kept.given[instance] {
		return nil
	}
	kept.given[instance] = true
	return kept.values
}
