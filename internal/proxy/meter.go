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

	// What follows is for a judge of revisions, who cannot wait for the end of
	// a request that hangs. Previews have none of it.

	// Claimed counts requests that were given to the revision while a canary was open.
	Claimed uint64 `json:"claimed,omitempty"`
	// Decided counts requests whose fate is known, once each: they have ended
	// and the client did not give them up, or their first attempt has failed,
	// or they have been in flight for longer than [Route.Hang], or were given up
	// after [Route.Abandon].
	Decided uint64 `json:"decided,omitempty"`
	// Charged counts those of Decided that are held against the revision: the
	// first attempt failed, or hangs. Of one client's failures, whichever
	// revision made them, only the first in 10 s is charged: a client is a user
	// where one is known, else an address and path. A request that hangs and
	// ends well after all stays charged, and is not Failed.
	Charged uint64 `json:"charged,omitempty"`
	// Faults counts them all, whoever made the requests.
	Faults uint64 `json:"faults,omitempty"`
	// Cohort is the part of it that revisions may be compared by.
	Cohort Cohort `json:"cohort,omitzero"`
	// GivenUp is the age that requests had when their client went away, as far
	// as Latency has not counted them.
	GivenUp Histogram `json:"given_up,omitzero"`
	// Ages is the age, at State.Time, of the requests in flight that Latency or
	// GivenUp is still to count, as far as they began while a canary was open.
	// It alone may shrink. But no request moves from a bucket of Ages to a lower
	// one of Latency or GivenUp, is in none of the three on its way, or in two of
	// them. So the number of requests beyond a latency, in the three together,
	// never falls from one snapshot to the next; nor does that number with the
	// requests of Latency below it.
	Ages Histogram `json:"ages,omitzero"`
	// KnownLatency and KnownAges are the parts of Latency, and of GivenUp and Ages
	// together, of users who were recognised, from the second request of a rollout
	// on. All requests of such a user go to one revision: a slow user is not to be
	// taken for a slow revision, but the first request is as good as anybody's.
	KnownLatency Histogram `json:"known_latency,omitzero"`
	KnownAges    Histogram `json:"known_ages,omitzero"`
	// Waiting is how many requests an instance has had for longer than
	// [Route.Abandon], at State.Time, that are not decided.
	Waiting uint64 `json:"waiting,omitempty"`
}

// Cohort counts, of the requests that were claimed under the division of the
// traffic that stands, those that were decided since it does. When a share grows
// the new requests that fail at once are decided before the new ones that take
// their time, while of the others those of the old division are still being
// decided: together they would look like a revision that fails more.
type Cohort struct {
	Decided uint64 `json:"decided,omitempty"`
	// Charged counts failures once per client: of a user who is recognised, and so
	// stays with one revision, only the first of the rollout; of others the first in 10 s.
	Charged uint64 `json:"charged,omitempty"`
	Users   uint64 `json:"users,omitempty"`  // those of Charged who are recognised
	Faults  uint64 `json:"faults,omitempty"` // all failures
	// Drawn and DrawnFaults count those of Decided and Faults whose revision was
	// drawn for them alone, since nobody was recognised.
	Drawn       uint64 `json:"drawn,omitempty"`
	DrawnFaults uint64 `json:"drawn_faults,omitempty"`
}

func (c *Cohort) add(o Cohort) {
	c.Decided += o.Decided
	c.Charged += o.Charged
	c.Users += o.Users
	c.Faults += o.Faults
	c.Drawn += o.Drawn
	c.DrawnFaults += o.DrawnFaults
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

	svc     *service
	touched atomic.Bool // a request was in flight, so that a revision that only hangs is seen

	// What every request counts is spread over cells, so that cores do not
	// fight for one cache line. Their number is a power of two.
	cells []cell
}

func newMeter(revision string, a assignment, svc *service) *meter {
	// Cells are chosen at random, so there must be several times as many as
	// cores: as many as cores was measured to be no better than one.
	n := 1
	for n < min(4*runtime.GOMAXPROCS(0), 16) {
		n *= 2
	}
	return &meter{revision: revision, assigned: a, svc: svc, cells: make([]cell, n)}
}

// cell is one of the cells.
func (m *meter) cell() *cell { return &m.cells[rand.Uint32()&uint32(len(m.cells)-1)] }

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
func (m *meter) used() bool { return m.touched.Load() || m.failed.Load() > 0 || m.requests() > 0 }

// snapshot is what was counted at the moment now, which must be over.
func (m *meter) snapshot(now time.Time, cohort uint64, abandon time.Duration) Meter {
	s := Meter{Revision: m.revision, Assignment: m.assigned.String()}
	for i := range m.cells { // the requests first: how they ended was counted before them
		m.cells[i].addTo(&s, now, cohort, abandon)
	}
	s.Failed, s.ByNaru, s.ByApp = m.failed.Load(), m.byNaru.Load(), m.byApp.Load()
	s.Retried, s.Held, s.Aborted = m.retried.Load(), m.held.Load(), m.aborted.Load()
	s.Upgraded, s.WebSocketClosed = m.upgraded.Load(), m.wsClosed.Load()
	for _, n := range s.Classes {
		s.Requests += n
	}
	return s
}
