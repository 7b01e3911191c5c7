package proxy

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
)

// Meter is what was counted of one service, revision and assignment. Counters
// only grow. Every user request belongs to exactly one meter, that of its first
// attempt; one that never reached an instance belongs to revision "".
type Meter struct {
	Revision   string `json:"revision"`
	Assignment string `json:"assignment"` // random, matched or preview

	// Requests counts user requests once each, whatever became of them; a
	// long-lived one at its response head, others at their end.
	Requests uint64 `json:"requests"`
	// Failed counts requests whose first attempt failed on the revision: 5xx,
	// refused, reset, timed out, broken. The user need not have noticed.
	Failed uint64 `json:"failed"`
	// ByNaru and ByApp count what users saw: a 5xx or a cut made by naru, a 5xx
	// or a broken response made by the instance. Never both for one request.
	ByNaru uint64 `json:"by_naru"`
	ByApp  uint64 `json:"by_app"`
	// Retried and Held count requests that were sent more than once, or waited
	// for an instance.
	Retried uint64 `json:"retried"`
	Held    uint64 `json:"held"`
	Aborted uint64 `json:"aborted"` // the client went away; never a failure
	// Classes counts requests by final status: [2] is 2xx, [0] is no status at
	// all. They sum to Requests.
	Classes         [6]uint64 `json:"classes"`
	Upgraded        uint64    `json:"upgraded"`         // answered 101
	WebSocketClosed uint64    `json:"websocket_closed"` // ended with 1001 by a drain
	In              uint64    `json:"in"`               // bytes of request bodies
	Out             uint64    `json:"out"`              // bytes of response bodies
	// Latency is to the last byte, for long-lived exchanges to the response
	// head, waiting included. Aborted requests are left out.
	Latency Histogram `json:"latency"`
}

// assignment is how a request came to its revision.
type assignment int

const (
	atRandom assignment = iota
	byMatch
	forPreview
	assignments = 3
)

func (a assignment) String() string { return [assignments]string{"random", "matched", "preview"}[a] }

// meter is the live form of [Meter].
type meter struct {
	revision string
	assigned assignment

	failed, byNaru, byApp, retried, held, aborted, upgraded, wsClosed atomic.Uint64

	// What every request counts is spread over cells, so that cores do not
	// fight for one cache line. Their number is a power of two.
	cells []cell
}

type cell struct {
	classes [6]atomic.Uint64
	in, out atomic.Uint64
	latencies
}

func newMeter(revision string, a assignment) *meter {
	// Cells are chosen at random, so there must be several times as many as
	// cores: as many as cores was measured to be no better than one.
	n := 1
	for n < min(4*runtime.GOMAXPROCS(0), 16) {
		n *= 2
	}
	return &meter{revision: revision, assigned: a, cells: make([]cell, n)}
}

// cell is one of the cells.
func (m *meter) cell() *cell { return &m.cells[rand.Uint32()&uint32(len(m.cells)-1)] }

// request counts one request; latency < 0 is not counted.
func (m *meter) request(status int, latency time.Duration) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	c := m.cell()
	c.classes[class].Add(1)
	if latency >= 0 {
		c.add(latency)
	}
}

func (m *meter) bytes(in, out int64) {
	c := m.cell()
	if in > 0 {
		c.in.Add(uint64(in))
	}
	if out > 0 {
		c.out.Add(uint64(out))
	}
}

// requests is the number of requests counted.
func (m *meter) requests() uint64 {
	var n uint64
	for i := range m.cells {
		for k := range m.cells[i].classes {
			n += m.cells[i].classes[k].Load()
		}
	}
	return n
}

// used tells whether anything was counted; most combinations never occur.
func (m *meter) used() bool { return m.failed.Load() > 0 || m.requests() > 0 }

func (m *meter) snapshot() Meter {
	s := Meter{Revision: m.revision, Assignment: m.assigned.String()}
	for i := range m.cells { // the requests first: how they ended was counted before them
		c := &m.cells[i]
		for k := range c.classes {
			s.Classes[k] += c.classes[k].Load()
		}
		s.In += c.in.Load()
		s.Out += c.out.Load()
		c.mergeInto(&s.Latency)
	}
	s.Failed, s.ByNaru, s.ByApp = m.failed.Load(), m.byNaru.Load(), m.byApp.Load()
	s.Retried, s.Held, s.Aborted = m.retried.Load(), m.held.Load(), m.aborted.Load()
	s.Upgraded, s.WebSocketClosed = m.upgraded.Load(), m.wsClosed.Load()
	for _, n := range s.Classes {
		s.Requests += n
	}
	return s
}
