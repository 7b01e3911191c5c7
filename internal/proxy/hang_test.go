package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// judged is a canary whose requests hang after a second.
func judged(backends ...BackendSpec) Route {
	r := canary(0, backends...)
	r.Hang = time.Second
	return r
}

// running runs a router within a bubble of synctest until the function returned
// is called.
func running(r *Router) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	return func() { cancel(); <-done }
}

// What becomes of a request that is looked at when it is 5 s old, and then ends.
func TestHang(t *testing.T) {
	const later = 5 * time.Second
	for _, c := range []struct {
		name  string
		route func(*Route)
		do    func(*Exchange) // with the first claim just made
		end   Outcome
		early Meter // Decided and Charged at 5 s
		want  Meter // at the end
	}{
		{name: "hangs and ends well after all", end: Outcome{Status: 200}, early: Meter{Decided: 1, Charged: 1, Faults: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1}},
		{name: "hangs and fails", end: Outcome{Status: 500}, early: Meter{Decided: 1, Charged: 1, Faults: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1, Failed: 1}},
		{name: "hangs and is given up", end: Outcome{Aborted: true}, early: Meter{Decided: 1, Charged: 1, Faults: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1, Aborted: 1}},
		{name: "hangs and is cut off", end: Outcome{Status: 504, Answered: ByNaru}, early: Meter{Decided: 1, Charged: 1, Faults: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1}},
		{name: "has a head", do: func(x *Exchange) { x.Head(200) }, end: Outcome{Status: 200}, want: Meter{Decided: 1}},
		{name: "is long-lived", do: func(x *Exchange) { x.Head(200); x.Streaming() }, end: Outcome{Status: 200}, early: Meter{Decided: 1}, want: Meter{Decided: 1}},
		{name: "is long-lived and breaks", do: func(x *Exchange) { x.Head(200); x.Streaming() }, end: Outcome{Status: 200, Broken: true}, early: Meter{Decided: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1, Failed: 1}},
		{name: "waits for its client", do: (*Exchange).ClientsTurn, end: Outcome{Status: 200}, want: Meter{Decided: 1}},
		{name: "waits for its client, then hangs", do: func(x *Exchange) {
			x.ClientsTurn()
			time.Sleep(later - 1200*time.Millisecond)
			x.InstancesTurn()
		}, end: Outcome{Status: 200}, early: Meter{Decided: 1, Charged: 1, Faults: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1}},
		{name: "waits for its client, then takes its time", do: func(x *Exchange) {
			x.ClientsTurn()
			time.Sleep(later - 800*time.Millisecond)
			x.InstancesTurn()
		}, end: Outcome{Status: 200}, want: Meter{Decided: 1}},
		{name: "has failed before", do: func(x *Exchange) {
			x.Retry(Failure{Kind: Reset})
			x.Acquire(context.Background())
		}, end: Outcome{Status: 200}, early: Meter{Decided: 1, Charged: 1, Faults: 1, Failed: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1, Failed: 1}},
		{name: "had an idle connection", do: func(x *Exchange) {
			time.Sleep(later - 800*time.Millisecond)
			x.Retry(Failure{Kind: Reset, Reused: true})
			x.Acquire(context.Background())
		}, end: Outcome{Status: 200}, early: Meter{Decided: 1, Charged: 1, Faults: 1}, want: Meter{Decided: 1, Charged: 1, Faults: 1}},
		{name: "no deadline", route: func(r *Route) { r.Hang = 0 }, end: Outcome{Status: 200}, want: Meter{Decided: 1}},
		{name: "no canary", route: func(r *Route) { r.Canary = "" }, end: Outcome{Status: 200}, want: Meter{Decided: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Options{})
				route := judged(backendsOf("r1", 2)...)
				if c.route != nil {
					c.route(&route)
				}
				apply(t, r, 1, route)
				defer running(r)()
				began := time.Now()
				x := begin(t, r, get())
				acquire(t, x)
				if c.do != nil {
					c.do(x)
				}
				time.Sleep(time.Until(began.Add(later)))
				check := func(when string, want Meter) {
					m := meterOf(t, r, "r1", atRandom)
					if m.Decided != want.Decided || m.Charged != want.Charged || m.Failed != want.Failed || m.Aborted != want.Aborted {
						t.Errorf("%s:\n got %+v\nwant %+v", when, m, want)
					}
				}
				check("at 5 s", c.early)
				x.Done(c.end)
				check("at the end", c.want)
			})
		})
	}
}

// A request is found out one look after its deadline at the latest, also when
// it stands behind others that must not be counted.
func TestHangIsFoundInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		apply(t, r, 1, judged(backendsOf("r1", 1)...))
		defer running(r)()
		var xs []*Exchange
		for i := range 60 {
			x := begin(t, r, get())
			acquire(t, x)
			if i%3 == 0 {
				x.Head(200)
			}
			xs = append(xs, x)
			time.Sleep(10 * time.Millisecond)
		}
		for i := range 60 {
			if i%3 == 0 {
				continue
			}
			time.Sleep(time.Until(xs[i].began.Add(time.Second + hangBeat)))
			synctest.Wait()
			due := 0
			for k, x := range xs {
				if k%3 != 0 && time.Since(x.began) >= time.Second+hangBeat {
					due++
				}
			}
			if got := meterOf(t, r, "r1", atRandom).Decided; int(got) < due {
				t.Fatalf("%d found, want %d", got, due)
			}
		}
		m := meterOf(t, r, "r1", atRandom)
		if m.Decided != 40 || m.Charged != 1 || m.Requests != 0 || m.Ages.Count() != 60 {
			t.Errorf("%+v", m)
		}
		for _, x := range xs {
			x.Done(Outcome{Status: 200})
		}
	})
}

// What a request has waited before it was given to an instance is not the
// instance's, though it is part of the age.
func TestHoldingIsNoHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := judged(external("a", "r1", false))
		route.HoldTimeout = time.Minute
		apply(t, r, 1, route)
		defer running(r)()
		x := begin(t, r, get())
		go func() {
			time.Sleep(10 * time.Second)
			route.Backends[0] = external("a", "r1", true)
			apply(t, r, 2, route)
		}()
		acquire(t, x)
		time.Sleep(900 * time.Millisecond)
		m := meterOf(t, r, "r1", atRandom)
		if m.Charged != 0 || m.Ages.CountAbove(9*time.Second) != 1 {
			t.Errorf("after 900 ms: %+v", m)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if m := meterOf(t, r, "r1", atRandom); m.Charged != 1 {
			t.Errorf("after 1100 ms: %+v", m)
		}
		x.Done(Outcome{Status: 200})
	})
}

// A canary that does nothing but hang must not look as if it had no requests.
func TestARevisionThatOnlyHangsIsSeen(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, canary(fullShare, append(backendsOf("r1", 1), backendsOf("r2", 1)...)...))
	x := begin(t, r, get())
	acquire(t, x)
	if m := meterOf(t, r, "r2", atRandom); m.Ages.Count() != 1 || m.Requests+m.Decided != 0 {
		t.Errorf("%+v", m)
	}
	x.Done(Outcome{Aborted: true})
	if m := meterOf(t, r, "r2", atRandom); m.Ages.Count() != 0 || m.GivenUp.Count() != 1 || m.Requests != 1 || m.Decided != 0 {
		t.Errorf("%+v", m)
	}
}

// Of previews nothing is judged, and at rest nothing is listed.
func TestWhatIsNotJudged(t *testing.T) {
	r := New(Options{})
	route := judged(append(backendsOf("r1", 1), backendsOf("r2", 1)...)...)
	route.Preview = &Preview{Revision: "r2"}
	apply(t, r, 1, route)
	v := get()
	v.Preview = "chat"
	for _, end := range []Outcome{{Status: 500}, {Aborted: true}} {
		x := begin(t, r, v)
		acquire(t, x)
		if x.cell != nil {
			t.Error("a preview is listed")
		}
		x.Done(end)
	}
	if m := meterOf(t, r, "r2", forPreview); m.Requests != 2 || m.Decided+m.Charged+m.GivenUp.Count() != 0 {
		t.Errorf("%+v", m)
	}
	route.Canary = ""
	apply(t, r, 2, route)
	x := begin(t, r, get())
	acquire(t, x)
	if x.cell != nil {
		t.Error("listed although no canary is open")
	}
	x.Done(Outcome{Status: 200})
}
