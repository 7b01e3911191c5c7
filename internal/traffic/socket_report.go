package traffic

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// SocketReport is what happened to the users of [Sockets]. After the end of a
// run, Sent = Echoed + Lost.
type SocketReport struct {
	Users int
	Open  int // connections open now

	Connected int // connections made, the first of each user and all later ones
	Told      int // connections ended by the service with 1001, "come back"
	Dropped   int // connections that ended in any other way
	Refused   int // connections that did not come about

	Sent   int // messages, each counted once
	Resent int // messages sent again because their connection was told to end
	Echoed int // messages seen again
	Lost   int // messages that went down with a dropped connection, or never came back

	Versions map[string]int // connections by version, "" where none was named
	Failures []Failure      // the first 20 that were dropped or refused, by time
	Latency  Latency        // from the first sending of a message to its return
}

// Err is nil when no connection was dropped or refused and no message lost.
func (r SocketReport) Err() error {
	switch {
	case len(r.Failures) > 0:
		return fmt.Errorf("%d WebSockets dropped, %d refused, %d messages lost; the first: %v",
			r.Dropped, r.Refused, r.Lost, r.Failures[0])
	case r.Dropped+r.Refused+r.Lost > 0:
		return fmt.Errorf("%d WebSockets dropped, %d refused, %d messages lost", r.Dropped, r.Refused, r.Lost)
	case r.Connected == 0:
		return errors.New("no WebSocket was opened")
	default:
		return nil
	}
}

// Merge adds the reports of different users, or of the same ones later on.
func (r SocketReport) Merge(other SocketReport) SocketReport {
	m := r
	m.Users += other.Users
	m.Open += other.Open
	m.Connected += other.Connected
	m.Told += other.Told
	m.Dropped += other.Dropped
	m.Refused += other.Refused
	m.Sent += other.Sent
	m.Resent += other.Resent
	m.Echoed += other.Echoed
	m.Lost += other.Lost
	m.Versions = sum(r.Versions, other.Versions)
	m.Failures = firstOf(r.Failures, other.Failures)
	m.Latency.Merge(other.Latency)
	return m
}

// String is a short text of several lines, for people.
func (r SocketReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d WebSocket users: %d connections, %d told to come back, %d dropped, %d refused\n",
		r.Users, r.Connected, r.Told, r.Dropped, r.Refused)
	fmt.Fprintf(&b, "messages %d sent, %d came back, %d lost, %d sent again\n", r.Sent, r.Echoed, r.Lost, r.Resent)
	fmt.Fprintf(&b, "version  %s\n", counts(r.Versions, nil))
	fmt.Fprintf(&b, "latency  %s\n", r.Latency.String())
	describe(&b, r.Failures, r.Dropped+r.Refused)
	return b.String()
}

// socketBooks is the one place where running sockets count. It is safe for
// concurrent use.
type socketBooks struct {
	mu    sync.Mutex
	total SocketReport
}

func newSocketBooks(users int) *socketBooks {
	return &socketBooks{total: SocketReport{Users: users, Versions: make(map[string]int)}}
}

// with changes the total under the lock.
func (b *socketBooks) with(change func(*SocketReport)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.total)
}

func (b *socketBooks) connected(version string) {
	b.with(func(r *SocketReport) { r.Connected++; r.Open++; r.Versions[version]++ })
}

func (b *socketBooks) disconnected() { b.with(func(r *SocketReport) { r.Open-- }) }
func (b *socketBooks) told()         { b.with(func(r *SocketReport) { r.Told++ }) }
func (b *socketBooks) sent()         { b.with(func(r *SocketReport) { r.Sent++ }) }
func (b *socketBooks) resent()       { b.with(func(r *SocketReport) { r.Resent++ }) }
func (b *socketBooks) lost(n int)    { b.with(func(r *SocketReport) { r.Lost += n }) }

func (b *socketBooks) echoed(after time.Duration) {
	b.with(func(r *SocketReport) { r.Echoed++; r.Latency.Add(after) })
}

func (b *socketBooks) dropped(f Failure) {
	b.with(func(r *SocketReport) { r.Dropped++; r.keep(f) })
}

func (b *socketBooks) refused(f Failure) {
	b.with(func(r *SocketReport) { r.Refused++; r.keep(f) })
}

// keep describes a failure while there is room.
func (r *SocketReport) keep(f Failure) {
	if len(r.Failures) < keptFailures {
		r.Failures = append(r.Failures, f)
	}
}

// report returns a copy that later counting leaves alone.
func (b *socketBooks) report() SocketReport {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.total
	r.Versions = maps.Clone(r.Versions)
	r.Failures = slices.Clone(r.Failures)
	return r
}
