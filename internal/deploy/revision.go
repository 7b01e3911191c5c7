package deploy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Revision is a numbered, immutable pair of an artifact version and settings.
type Revision struct {
	Service  string    `json:"service"`
	ID       string    `json:"id"` // "r7"; numbers are never used twice within a service
	Version  string    `json:"version"`
	Message  string    `json:"message,omitempty"`
	Who      string    `json:"who,omitempty"` // asked for it, as far as is known
	Created  time.Time `json:"created"`
	Settings Service   `json:"settings"`
}

// Number is the 7 of r7, and 0 for anything that is not a revision's name.
func Number(revision string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(revision, "r"))
	if err != nil || !strings.HasPrefix(revision, "r") {
		return 0
	}
	return n
}

// InstanceID names the copy of a revision in a slot, counted from 1: "chat-r7-2". The same slot always has the
// same name, so starting it twice is the same as starting it once.
func InstanceID(service, revision string, slot int) string {
	return service + "-" + revision + "-" + strconv.Itoa(slot)
}

// InstanceSpec is what a platform needs to start an instance.
type InstanceSpec struct {
	Service  string   `json:"service"`
	Revision string   `json:"revision"`
	Version  string   `json:"version"`
	Slot     int      `json:"slot"`
	Settings Service  `json:"settings"`
	Ports    PortSpan `json:"ports"`
}

// PortSpan is the range of ports, both ends included, that instances may be given.
type PortSpan struct {
	Low  int `json:"low"`
	High int `json:"high"`
}

// String writes the range as the file does: 20000-29999.
func (p PortSpan) String() string { return fmt.Sprintf("%d-%d", p.Low, p.High) }

// RevisionID is the ID of the revision with a number: r7.
func RevisionID(number int) string { return "r" + strconv.Itoa(number) }
