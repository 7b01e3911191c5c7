package proxy

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// What is counted for every way that a request can end. Whatever happens, the
// request is counted once, and never as a failure of both sides.
func TestAccounts(t *testing.T) {
	refused := Failure{Kind: Dial, Err: syscall.ECONNREFUSED}
	post := get()
	post.Method = "POST"
	cases := []struct {
		name string
		v    Visitor
		fail []Failure // attempts that fail first; all but the last must be repeated
		give bool      // the last failure is not repeated
		end  Outcome
		want Meter
	}{
		{name: "answered", v: get(), end: Outcome{Status: 200, In: 3, Out: 5}, want: Meter{Classes: [6]uint64{2: 1}, In: 3, Out: 5}},
		{name: "not found", v: get(), end: Outcome{Status: 404}, want: Meter{Classes: [6]uint64{4: 1}}},
		{name: "500 of the app", v: get(), end: Outcome{Status: 500}, want: Meter{Failed: 1, ByApp: 1, Classes: [6]uint64{5: 1}}},
		{name: "broken in the middle", v: get(), end: Outcome{Status: 200, Broken: true}, want: Meter{Failed: 1, ByApp: 1, Classes: [6]uint64{2: 1}}},
		{name: "cut by naru", v: get(), end: Outcome{Status: 200, Broken: true, Answered: ByNaru}, want: Meter{ByNaru: 1, Classes: [6]uint64{2: 1}}},
		{name: "too large, says naru", v: post, end: Outcome{Status: 413, Answered: ByNaru}, want: Meter{Classes: [6]uint64{4: 1}}},
		{name: "client gone", v: get(), end: Outcome{Aborted: true}, want: Meter{Aborted: 1, Classes: [6]uint64{0: 1}}},
		{name: "client gone in a 500", v: get(), end: Outcome{Status: 500, Aborted: true, Broken: true}, want: Meter{Aborted: 1, Classes: [6]uint64{5: 1}}},
		{name: "nonsense status", v: get(), end: Outcome{Status: 999, Answered: ByApp}, want: Meter{Failed: 1, ByApp: 1, Classes: [6]uint64{0: 1}}},
		{name: "refused once", v: post, fail: []Failure{refused}, end: Outcome{Status: 200}, want: Meter{Failed: 1, Retried: 1, Classes: [6]uint64{2: 1}}},
		{name: "refused twice", v: post, fail: []Failure{refused, refused}, end: Outcome{Status: 200}, want: Meter{Failed: 1, Retried: 1, Classes: [6]uint64{2: 1}}},
		{name: "refused, then 500", v: get(), fail: []Failure{refused}, end: Outcome{Status: 500}, want: Meter{Failed: 1, Retried: 1, ByApp: 1, Classes: [6]uint64{5: 1}}},
		{name: "refused with the body gone", v: post, fail: []Failure{{Kind: Dial, BodyConsumed: true}}, give: true, end: Outcome{Status: 502, Answered: ByNaru}, want: Meter{Failed: 1, ByNaru: 1, Classes: [6]uint64{5: 1}}},
		{name: "our own sockets are used up", v: get(), fail: []Failure{{Kind: Dial, Err: fmt.Errorf("dial: %w", syscall.EMFILE)}}, end: Outcome{Status: 200}, want: Meter{Retried: 1, Classes: [6]uint64{2: 1}}},
		{name: "reset GET", v: get(), fail: []Failure{{Kind: Reset}}, end: Outcome{Status: 200}, want: Meter{Failed: 1, Retried: 1, Classes: [6]uint64{2: 1}}},
		{name: "reset POST", v: post, fail: []Failure{{Kind: Reset}}, give: true, end: Outcome{Status: 502, Answered: ByNaru}, want: Meter{Failed: 1, ByNaru: 1, Classes: [6]uint64{5: 1}}},
		{name: "reset of an idle connection", v: get(), fail: []Failure{{Kind: Reset, Reused: true}}, end: Outcome{Status: 200}, want: Meter{Retried: 1, Classes: [6]uint64{2: 1}}},
		{name: "reset of an idle connection, then 500", v: get(), fail: []Failure{{Kind: Reset, Reused: true}}, end: Outcome{Status: 500}, want: Meter{Failed: 1, ByApp: 1, Retried: 1, Classes: [6]uint64{5: 1}}},
		{name: "reset of an idle connection, POST", v: post, fail: []Failure{{Kind: Reset, Reused: true}}, give: true, end: Outcome{Status: 502, Answered: ByNaru}, want: Meter{Failed: 1, ByNaru: 1, Classes: [6]uint64{5: 1}}},
		{name: "third reset", v: get(), fail: []Failure{{Kind: Reset}, {Kind: Reset}, {Kind: Reset}}, give: true, end: Outcome{Status: 502, Answered: ByNaru}, want: Meter{Failed: 1, ByNaru: 1, Retried: 1, Classes: [6]uint64{5: 1}}},
		{name: "timeout", v: get(), fail: []Failure{{Kind: Timeout}}, give: true, end: Outcome{Status: 504, Answered: ByNaru}, want: Meter{Failed: 1, ByNaru: 1, Classes: [6]uint64{5: 1}}},
		{name: "broken head", v: get(), fail: []Failure{{Kind: Broken, BodyConsumed: true}}, give: true, end: Outcome{Status: 502, Answered: ByNaru}, want: Meter{Failed: 1, ByNaru: 1, Classes: [6]uint64{5: 1}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := New(Options{})
			apply(t, r, 1, chat(backendsOf("r1", 4)...))
			x := begin(t, r, c.v)
			for i, f := range c.fail {
				acquire(t, x)
				if again, last := x.Retry(f), i == len(c.fail)-1; again == (last && c.give) {
					t.Fatalf("failure %d: Retry says %v", i, again)
				}
			}
			if !c.give {
				acquire(t, x)
			}
			if in := inFlight(t, r); in != 1 {
				t.Errorf("%d in flight before the end is counted", in)
			}
			for range 3 { // only the first counts
				x.Done(c.end)
			}
			checkMeter(t, r, c.want)
		})
	}
}

// inFlight is the number of claims on all backends.
func inFlight(t *testing.T, r *Router) (n int) {
	t.Helper()
	for _, b := range onlyService(t, r).Backends {
		n += b.InFlight
	}
	return n
}

func checkMeter(t *testing.T, r *Router, want Meter) {
	t.Helper()
	got := meterOf(t, r, "r1", atRandom)
	latencies := got.Latency.Count()
	if wantLatencies := 1 - got.Aborted; latencies != wantLatencies {
		t.Errorf("%d latencies, want %d", latencies, wantLatencies)
	}
	if got.GivenUp.Count() != got.Aborted || got.Ages.Count() != 0 {
		t.Errorf("%d given up, %d in flight", got.GivenUp.Count(), got.Ages.Count())
	}
	want.Revision, want.Assignment, want.Requests = "r1", "random", 1
	want.Decided, want.Charged, want.Faults = 1-want.Aborted, want.Failed, want.Failed
	got.Latency, got.GivenUp = Histogram{}, Histogram{}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	for _, b := range onlyService(t, r).Backends {
		if b.InFlight != 0 || b.Streams != 0 {
			t.Errorf("%s is left with %d in flight, %d streams", b.ID, b.InFlight, b.Streams)
		}
	}
}

func TestRetryPrefersAnother(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, chat(backendsOf("r1", 3)...))
	for range 20 {
		x := begin(t, r, get())
		seen := map[string]bool{}
		for range 3 {
			b := acquire(t, x)
			if seen[b.ID()] {
				t.Fatalf("%s a second time, although others were left", b.ID())
			}
			seen[b.ID()] = true
			if !x.Retry(Failure{Kind: Reset, Reused: true}) {
				break
			}
		}
		x.Done(Outcome{Status: 502, Answered: ByNaru})
		for range retryWindow { // a new budget
			r.tickBudgets()
		}
	}
}

func TestRefusedBackendIsOutAtOnce(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, chat(backendsOf("r1", 2)...))
	changed := r.Changed()
	x := begin(t, r, get())
	b := acquire(t, x)
	x.Retry(Failure{Kind: Dial, Err: syscall.ECONNREFUSED})
	select {
	case <-changed:
	default:
		t.Error("Changed did not fire")
	}
	for _, s := range onlyService(t, r).Backends {
		if refused := s.ID == b.ID(); refused != (s.Health == Unhealthy) || refused != (s.Reason != "") {
			t.Errorf("%+v, refused %v", s, refused)
		}
	}
	for range 20 {
		y := begin(t, r, get())
		if acquire(t, y) == b {
			t.Fatal("the refused backend was chosen")
		}
		y.Done(Outcome{Status: 200})
	}
	x.Done(Outcome{Status: 502, Answered: ByNaru})

	// The controller's word that it already knew does not let it back; news does.
	apply(t, r, 2, chat(backendsOf("r1", 2)...))
	if b.health.state != Unhealthy {
		t.Error("a table that says nothing new made it healthy")
	}
	r.report(b, b.spec.Load(), nil)
	if b.health.state != Healthy {
		t.Error("a probe that succeeded did not make it healthy")
	}
}

// A request that came in under an old table must not go back to an instance
// that the new one has found dead.
func TestRetryLooksAtTheNewestTable(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, chat(external("a", "r1", true)))
	x := begin(t, r, get())
	acquire(t, x)
	apply(t, r, 2, chat(external("a", "r1", true), external("bb", "r1", true)))
	if !x.Retry(Failure{Kind: Dial}) {
		t.Fatal("not repeated")
	}
	if b := acquire(t, x); b.ID() != "bb" {
		t.Errorf("went to %s again", b.ID())
	}
	x.Done(Outcome{Status: 200})
}

func TestRetryBudget(t *testing.T) {
	var b budget
	spend := func(requests uint64) (n int) {
		for b.spend(requests, 0.2) {
			n++
		}
		return n
	}
	if n := spend(0); n != retryFloor {
		t.Errorf("floor: %d retries, want %d", n, retryFloor)
	}
	if n := spend(1000); n != 200-retryFloor {
		t.Errorf("1000 requests: %d more retries, want %d", n, 200-retryFloor)
	}
	for range retryWindow {
		b.tick(1000)
	}
	if n := spend(1000); n != retryFloor {
		t.Errorf("after the window: %d retries, want the floor", n)
	}
	if n := spend(100); n != 0 { // old meters were forgotten
		t.Errorf("with fewer requests than before: %d retries", n)
	}
}

func TestRetriesCanBeTurnedOff(t *testing.T) {
	r := New(Options{})
	route := chat(backendsOf("r1", 2)...)
	route.Retries = Retries{Attempts: -1, Budget: -1}
	apply(t, r, 1, route)
	x := begin(t, r, get())
	acquire(t, x)
	if x.Retry(Failure{Kind: Dial}) {
		t.Error("repeated")
	}
	if x.Retry(Failure{Kind: Dial}) {
		t.Error("repeated what was not even tried")
	}
	x.Done(Outcome{Status: 502, Answered: ByNaru})
}

func TestPreviewWithoutStickinessSetsNoCookie(t *testing.T) {
	r := New(Options{})
	route := canary(0, backendsOf("r1", 1)...)
	route.Preview = &Preview{Revision: "r1", Listen: true}
	route.Affinity = Affinity{By: ByCookie}
	apply(t, r, 1, route)
	v := get()
	v.Preview = "chat"
	x := begin(t, r, v)
	if _, set := x.Cookie(); set {
		t.Error("a test is made a user")
	}
	x.Done(Outcome{Status: 200})
}

func TestPreview(t *testing.T) {
	r := New(Options{})
	route := canary(0, append(backendsOf("r1", 1), backendsOf("r2", 1)...)...)
	route.Groups = route.Groups[:1] // r2 is not even a group
	route.Preview = &Preview{Revision: "r2", Hosts: []string{"green.example.com"}, Listen: true}
	route.Affinity = Affinity{By: ByCookie, Sticky: true}
	apply(t, r, 1, route)

	byHost := get()
	byHost.Host = "green.example.com"
	byListener := get()
	byListener.Preview = "chat"
	for _, v := range []Visitor{byHost, byListener} {
		x := begin(t, r, v)
		if b := acquire(t, x); b.Revision() != "r2" {
			t.Errorf("preview went to %s", b.Revision())
		}
		if _, set := x.Cookie(); !set {
			t.Error("a test could not stay with one instance, as users do")
		}
		x.Done(Outcome{Status: 200})
	}
	x := begin(t, r, get())
	if b := acquire(t, x); b.Revision() != "r1" {
		t.Errorf("a user went to %s", b.Revision())
	}
	x.Done(Outcome{Status: 200})
	if m := meterOf(t, r, "r2", forPreview); m.Requests != 2 {
		t.Errorf("%d previews, want 2", m.Requests)
	}

	if got := fmt.Sprint(r.Previews()); got != "[chat]" {
		t.Errorf("wanted previews: %s", got)
	}
	changed := r.Changed()
	r.SetPreviewAddress("chat", "http://127.0.0.1:1")
	r.SetPreviewAddress("nobody", "http://127.0.0.1:2")
	<-changed
	if got := onlyService(t, r).Preview; got != "http://127.0.0.1:1" {
		t.Errorf("preview at %q", got)
	}
	route.Preview = nil
	apply(t, r, 2, route)
	if got := onlyService(t, r).Preview; got != "" || len(r.Previews()) != 0 {
		t.Errorf("preview still at %q, wanted %v", got, r.Previews())
	}
}

func TestLimitsAndService(t *testing.T) {
	r := New(Options{})
	route := chat(backendsOf("r1", 1)...)
	route.Limits = Limits{Body: 5}
	apply(t, r, 1, route)
	if x := begin(t, r, get()); x.Limits().Body != 5 || x.Service() != "chat" {
		t.Errorf("%+v of %q", x.Limits(), x.Service())
	}
}

func TestNothingDeployed(t *testing.T) {
	r := New(Options{})
	route := chat()
	route.Groups = nil
	apply(t, r, 1, route)
	x := begin(t, r, get())
	if _, err := x.Acquire(t.Context()); !errors.Is(err, ErrNoInstance) {
		t.Errorf("%v", err)
	}
	x.Done(Outcome{Status: 503, Answered: ByNaru})
	if m := meterOf(t, r, "", atRandom); m.Requests != 1 || m.ByNaru != 1 || m.Held != 0 {
		t.Errorf("%+v", m)
	}
}
