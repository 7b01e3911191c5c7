package deploy

import "time"

// Observation is everything that a decision may know of the world, taken at one moment. An instance that is not listed
// does not exist: a platform that could not be asked makes no observation at all. What proxies, tasks and analysis say may
// be late.
type Observation struct {
	Now       time.Time
	Instances []Instance            // of this service, as the platform lists them
	Proxies   []ProxyState          // a stop needs the word of all of them
	Prepared  map[string]Prepared   // by revision
	Tasks     map[string]TaskResult // by Rollout.TaskKey
	Verdict   Verdict
	Routing   Routing // what was last published; Decide fills it in from the state
}

// ProxyState is what one proxy says of a service.
type ProxyState struct {
	ID       string
	Epoch    string                  // changes when the proxy is started anew
	Version  uint64                  // of the Routing it applies
	Waiting  int                     // requests that wait for an instance
	Backends map[string]BackendState // by instance ID
}

// BackendState is an instance as one proxy sees it.
type BackendState struct {
	Address  string // the address that was probed
	Health   Healthiness
	Reason   string // of the last failed probe
	InFlight int
}

// Healthiness is what probes say; a backend is not healthy until it has proved it. Unknown is what a proxy says that has
// not probed yet: it lets nobody in, and it moves nobody out.
type Healthiness string

const (
	Unknown   Healthiness = "unknown"
	Healthy   Healthiness = "healthy"
	Unhealthy Healthiness = "unhealthy"
)

// Prepared says whether a revision is ready to start.
type Prepared struct {
	Ready bool
	Err   string // why it can certainly not be started
}

// TaskState is how far a task has come.
type TaskState string

const (
	TaskRunning     TaskState = "running"
	TaskPassed      TaskState = "passed"
	TaskFailed      TaskState = "failed"
	TaskInterrupted TaskState = "interrupted" // found started without a result
)

// TaskResult is what became of a task.
type TaskResult struct {
	State  TaskState
	Reason string // why it failed, with the last of its output
	Note   string // what the receipt says aloud of one that has passed
}

// Action is something that brings the world closer to a picture. Each may be repeated without harm.
type Action interface{ action() }

type (
	// Prepare makes a revision ready to start.
	Prepare struct{ Revision string }
	// Start starts an instance in its slot.
	Start struct {
		ID, Revision string
		Slot         int
	}
	// Publish tells every proxy who answers from now on.
	Publish struct{ Routing Routing }
	// Stop ends an instance that no proxy routes to, and forgets it.
	Stop struct{ ID, Revision string }
	// Run runs a task of a gate.
	Run struct {
		Key  string
		Task Task
	}
)

func (Prepare) action() {}
func (Start) action()   {}
func (Publish) action() {}
func (Stop) action()    {}
func (Run) action()     {}
