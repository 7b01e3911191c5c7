package proxy

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Only what was claimed under the shares that stand is compared: whatever the old ones have left undecided is not.
func TestCohort(t *testing.T) {
	r := New(Options{})
	both := append(backendsOf("r1", 1), backendsOf("r2", 1)...)
	apply(t, r, 1, canary(0, both...))
	number := func() uint64 { return r.State().Services[0].Cohort }
	first := number()
	old := begin(t, r, get())
	acquire(t, old)
	fail(t, r, get())
	check := func(revision string, claimed, decided uint64, want Cohort) {
		t.Helper()
		if m := meterOf(t, r, revision, atRandom); m.Claimed != claimed || m.Decided != decided || m.Cohort != want {
			t.Errorf("%s: claimed %d, decided %d, %+v", revision, m.Claimed, m.Decided, m.Cohort)
		}
	}
	check("r1", 2, 1, Cohort{Decided: 1, Charged: 1, Faults: 1, Drawn: 1, DrawnFaults: 1})
	apply(t, r, 2, canary(0, both...))
	if number() != first {
		t.Error("the same shares are a new cohort")
	}
	apply(t, r, 3, canary(fullShare, both...))
	if number() == first {
		t.Error("other shares are the same cohort")
	}
	old.Done(Outcome{Status: 500})
	check("r1", 2, 2, Cohort{})
	fail(t, r, get().at("/x"))
	fail(t, r, get().at("/x"))
	check("r2", 2, 2, Cohort{Decided: 2, Charged: 1, Faults: 2, Drawn: 2, DrawnFaults: 2})
	apply(t, r, 4, canary(0, both...))
	check("r2", 2, 2, Cohort{})
}

// A backend that fails its probes changes how the traffic is divided, as a table does.
func TestHealthMakesACohort(t *testing.T) {
	r := New(Options{})
	route := canary(0, external("a", "r1", true), external("b", "r2", true))
	route.Proportional = true
	apply(t, r, 1, route)
	before := r.State().Services[0].Cohort
	route.Backends[1] = external("b", "r2", false)
	apply(t, r, 2, route)
	if after := r.State().Services[0].Cohort; after == before {
		t.Error("r2 is gone from the traffic, but the cohort is the same")
	}
}

// A user who is recognised stays with one revision, so all of such a user's failures would fall on the same side: one is
// compared in a rollout, however long it lasts.
func TestARecognisedUserIsComparedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := canary(0, backendsOf("r1", 1)...)
		route.Affinity, route.Rollout = Affinity{By: ByCookie}, "one"
		apply(t, r, 1, route)
		for range 5 {
			fail(t, r, get().as("ada"))
			fail(t, r, get())
			time.Sleep(clientWindow + time.Millisecond)
		}
		if m := meterOf(t, r, "r1", atRandom); m.Charged != 10 || m.Cohort.Charged != 1+5 || m.Cohort.Faults != 10 || m.Cohort.DrawnFaults != 5 {
			t.Errorf("%+v", m)
		}
		route.Rollout = "two"
		apply(t, r, 2, route)
		fail(t, r, get().as("ada"))
		if m := meterOf(t, r, "r1", atRandom); m.Cohort.Charged != 1 {
			t.Errorf("in the next rollout: %+v", m.Cohort)
		}
	})
}

// What clients give up is a failure once the instance has had it for longer than its like take.
func TestGivenUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		do    func(*Exchange)
		limit time.Duration
		want  uint64
	}{
		{"soon", 900 * time.Millisecond, nil, time.Second, 0},
		{"late", 1100 * time.Millisecond, nil, time.Second, 1},
		{"late, without a limit", 1100 * time.Millisecond, nil, 0, 0},
		{"late, with its head out", 1100 * time.Millisecond, func(x *Exchange) { x.Head(200) }, time.Second, 0},
		{"late, while it was still sending", 1100 * time.Millisecond, (*Exchange).ClientsTurn, time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Options{})
				route := canary(0, backendsOf("r1", 1)...)
				route.Abandon = c.limit
				apply(t, r, 1, route)
				x := begin(t, r, get())
				acquire(t, x)
				if c.do != nil {
					c.do(x)
				}
				time.Sleep(c.after)
				x.Done(Outcome{Aborted: true})
				m := meterOf(t, r, "r1", atRandom)
				if m.Claimed != 1 || m.Decided != c.want || m.Charged != c.want || m.Cohort.Faults != c.want || m.Aborted != 1 || m.Failed != 0 {
					t.Errorf("%+v", m)
				}
			})
		})
	}
}

// Latencies of users who are recognised, from the second request on, can be told from those of the others at every moment.
func TestLatenciesOfRecognisedUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := canary(0, backendsOf("r1", 1)...)
		route.Affinity = Affinity{By: ByCookie}
		apply(t, r, 1, route)
		check := func(when string, latency, known, ages, knownAges uint64) {
			t.Helper()
			m := meterOf(t, r, "r1", atRandom)
			if m.Latency.Count() != latency || m.KnownLatency.Count() != known || m.GivenUp.Count()+m.Ages.Count() != ages || m.KnownAges.Count() != knownAges {
				t.Errorf("%s: %+v", when, m)
			}
		}
		var xs []*Exchange
		for _, v := range []Visitor{get().as("ada"), get().as("ada"), get().as("ada"), get()} {
			x := begin(t, r, v)
			acquire(t, x)
			xs = append(xs, x)
		}
		time.Sleep(time.Second)
		check("in flight", 0, 0, 4, 2)
		xs[1].Done(Outcome{Status: 200})
		xs[3].Done(Outcome{Status: 200})
		check("answered", 2, 1, 2, 1)
		xs[2].Done(Outcome{Aborted: true})
		xs[0].Done(Outcome{Aborted: true})
		check("given up", 2, 1, 2, 1)
	})
}

// A stream that breaks after its request was counted is a failure of its cohort, counted with the lock that guards it.
func TestStreamsBreakWhileOthersAreCounted(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, canary(0, backendsOf("r1", 1)...))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				x := begin(t, r, get().at(fmt.Sprint("/", i, "/", k)))
				acquire(t, x)
				x.Head(200)
				if i%2 == 0 {
					x.Streaming()
				}
				x.Done(Outcome{Status: 200, Broken: i%2 == 0})
			}
		})
	}
	all.Wait()
	if m := meterOf(t, r, "r1", atRandom); m.Cohort.Decided != 400 || m.Cohort.Faults != 200 || m.Cohort.Charged < 190 { // two clients may share a slot
		t.Errorf("%+v", m.Cohort)
	}
}

// What an instance has had for too long, and nobody knows the fate of, is told.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := canary(0, backendsOf("r1", 1)...)
		route.Abandon, route.Hang = time.Second, 5*time.Second
		apply(t, r, 1, route)
		defer running(r)()
		hangs, answers := begin(t, r, get()), begin(t, r, get())
		acquire(t, hangs)
		acquire(t, answers)
		answers.Head(200)
		for _, want := range []uint64{0, 1, 1, 1, 1, 0, 0} { // from a second on, until it is decided
			if got := meterOf(t, r, "r1", atRandom).Waiting; got != want {
				t.Errorf("%d are waiting, want %d", got, want)
			}
			time.Sleep(1001 * time.Millisecond)
		}
		hangs.Done(Outcome{Aborted: true})
		answers.Done(Outcome{Status: 200})
	})
}
