package deploy

import "time"

// InstanceState is what the platform says of an instance.
type InstanceState string

const (
	// Running: the program runs; whether it is healthy is another question.
	Running InstanceState = "running"
	// Exited: the program has ended, or could not be started. One that was told to end is listed until all of it is put away.
	Exited InstanceState = "exited"
	// Stopping: the program was told to end and has not yet.
	Stopping InstanceState = "stopping"
)

// Instance is one running copy of a revision, as the platform sees it.
type Instance struct {
	ID       string        `json:"id"`
	Service  string        `json:"service"`
	Revision string        `json:"revision"`
	Slot     int           `json:"slot"`
	State    InstanceState `json:"state"`
	Address  string        `json:"address,omitempty"` // host:port; empty for a worker
	PID      int           `json:"pid,omitempty"`
	Started  time.Time     `json:"started,omitzero"`

	// Exits counts how often in a row the program ended soon after its start (within 60 s); the next Start
	// waits longer each time. Ended and Reason belong to the last of them; Reason carries the last log lines.
	Exits  int       `json:"exits,omitempty"`
	Ended  time.Time `json:"ended,omitzero"`
	Reason string    `json:"reason,omitempty"`

	// Ready is the verdict of a command check; nil when the platform checks nothing.
	Ready *bool `json:"ready,omitempty"`

	CPU    time.Duration `json:"cpu,omitempty"`    // processor time used so far
	Memory int64         `json:"memory,omitempty"` // resident bytes
}

// Live reports whether the instance occupies the machine.
func (i Instance) Live() bool { return i.State == Running || i.State == Stopping }
