package proxy

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// attempt is an Acquire that runs beside the test.
type attempt struct {
	x       *Exchange
	backend *Backend
	err     error
	took    time.Duration
	done    chan struct{}
}

func try(ctx context.Context, x *Exchange) *attempt {
	a := &attempt{x: x, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		start := time.Now()
		a.backend, a.err = x.Acquire(ctx)
		a.took = time.Since(start)
	}()
	return a
}

func TestHeldUntilHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		apply(t, r, 1, chat(external("a", "r1", false)))
		a := try(t.Context(), begin(t, r, get()))
		synctest.Wait()
		if held := onlyService(t, r).Held; held != 1 {
			t.Errorf("%d held, want 1", held)
		}
		time.Sleep(700 * time.Millisecond)
		apply(t, r, 2, chat(external("a", "r1", true)))
		<-a.done
		if a.err != nil || a.took != 700*time.Millisecond {
			t.Fatalf("%v after %v", a.err, a.took)
		}
		a.x.Done(Outcome{Status: 200})
		m := meterOf(t, r, "r1", atRandom)
		if m.Held != 1 || m.Requests != 1 || m.ByNaru != 0 || m.Latency.Quantile(1) < 690*time.Millisecond {
			t.Errorf("%+v, max %v", m, m.Latency.Quantile(1))
		}
		if held := onlyService(t, r).Held; held != 0 {
			t.Errorf("%d still held", held)
		}
	})
}

func TestHeldUntilProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- r.Run(ctx) }()
		route := chat(external("a", "r1", true))
		route.HoldTimeout = time.Minute
		apply(t, r, 1, route)
		x := begin(t, r, get())
		acquire(t, x)
		synctest.Wait() // the first probe is over
		if !x.Retry(Failure{Kind: Dial}) {
			t.Fatal("not repeated")
		}
		a := try(t.Context(), x)
		<-a.done // the next probe lets it back
		if a.err != nil || a.took <= 0 || a.took > defaultInterval {
			t.Errorf("%v after %v", a.err, a.took)
		}
		x.Done(Outcome{Status: 200})
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

func TestHoldEnds(t *testing.T) {
	gone := func(t *testing.T, r *Router, cancel func()) { apply(t, r, 2) }
	cancelled := func(_ *testing.T, _ *Router, cancel func()) { cancel() }
	nothing := func(*testing.T, *Router, func()) {}
	emptied := func(t *testing.T, r *Router, _ func()) { apply(t, r, 2, chat()) }
	forgotten := func(t *testing.T, r *Router, _ func()) {
		route := chat()
		route.Groups = nil
		apply(t, r, 2, route)
	}
	for _, c := range []struct {
		name  string
		event func(*testing.T, *Router, func()) // 100 ms after the request
		err   error
		took  time.Duration
	}{
		{"by time", nothing, ErrNoInstance, time.Second},
		{"by the client", cancelled, context.Canceled, 100 * time.Millisecond},
		{"by removing the service", gone, ErrNoInstance, 100 * time.Millisecond},
		{"by removing its revisions", forgotten, ErrNoInstance, 100 * time.Millisecond},
		{"not by the death of all instances: they come back", emptied, ErrNoInstance, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := New(Options{})
			apply(t, r, 1, chat(external("a", "r1", false)))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a := try(ctx, begin(t, r, get()))
			time.Sleep(100 * time.Millisecond)
			c.event(t, r, cancel)
			<-a.done
			if !errors.Is(a.err, c.err) || a.took != c.took {
				t.Errorf("%s: %v after %v, want %v after %v", c.name, a.err, a.took, c.err, c.took)
			}
			a.x.Done(Outcome{Status: 503, Answered: ByNaru})
		})
	}
}

// The clock of a request that waits twice goes on.
func TestHoldTimeoutIsForAllWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		apply(t, r, 1, chat(external("a", "r1", false)))
		x := begin(t, r, get())
		first := try(t.Context(), x)
		time.Sleep(600 * time.Millisecond)
		apply(t, r, 2, chat(external("a", "r1", true)))
		<-first.done
		if first.err != nil {
			t.Fatal(first.err)
		}
		x.Retry(Failure{Kind: Dial})
		second := try(t.Context(), x)
		<-second.done
		if !errors.Is(second.err, ErrNoInstance) || second.took != 400*time.Millisecond {
			t.Errorf("%v after %v", second.err, second.took)
		}
		x.Done(Outcome{Status: 503, Answered: ByNaru})
		if m := meterOf(t, r, "r1", atRandom); m.Held != 1 || m.Failed != 1 || m.ByNaru != 1 || m.Requests != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestRouteHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		holding := chat(external("a", "r1", true))
		holding.Hold = true
		apply(t, r, 1, holding)
		a := try(t.Context(), begin(t, r, get()))
		synctest.Wait()
		holding.Backends = nil // nothing deployed for a moment, but hold says wait
		apply(t, r, 2, holding)
		time.Sleep(300 * time.Millisecond)
		apply(t, r, 3, chat(external("b", "r1", true)))
		<-a.done
		if a.err != nil || a.took != 300*time.Millisecond || a.backend.ID() != "b" {
			t.Fatalf("%v after %v", a.err, a.took)
		}
		a.x.Done(Outcome{Status: 200})
	})
}

// Only the excess over what the healthy instances may be given waits, and more
// capacity lets it go.
func TestExcessIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		table := func(ready int) Route {
			specs := backendsOf("r1", 5)
			for i := range specs {
				specs[i] = external(specs[i].ID, "r1", i < ready)
			}
			route := chat(specs...)
			route.Full, route.MaxOverload = 5, 2
			return route
		}
		apply(t, r, 1, table(1)) // 40 %
		const n = 1000
		var as []*attempt
		for range n {
			as = append(as, try(t.Context(), begin(t, r, get())))
		}
		synctest.Wait()
		if held := onlyService(t, r).Held; held < 520 || held > 680 {
			t.Errorf("one of five: %d of %d held, want about 600", held, n)
		}
		apply(t, r, 2, table(2)) // 80 %
		synctest.Wait()
		if held := onlyService(t, r).Held; held < 120 || held > 280 {
			t.Errorf("two of five: %d of %d held, want about 200", held, n)
		}
		apply(t, r, 3, table(3))
		for _, a := range as {
			<-a.done
			if a.err != nil {
				t.Fatal(a.err)
			}
			a.x.Done(Outcome{Status: 200})
		}
	})
}

func TestHeldRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		apply(t, r, 1, chat(external("a", "r1", false)))
		var as []*attempt
		for range maxHeld {
			as = append(as, try(t.Context(), begin(t, r, get())))
		}
		synctest.Wait()
		x := begin(t, r, get())
		if _, err := x.Acquire(t.Context()); !errors.Is(err, ErrTooManyHeld) {
			t.Errorf("one too many: %v", err)
		}
		x.Done(Outcome{Status: 503, Answered: ByNaru})
		apply(t, r, 2, chat(external("a", "r1", true)))
		for _, a := range as {
			<-a.done
			if a.err != nil {
				t.Fatal(a.err)
			}
			a.x.Done(Outcome{Status: 200})
		}
		if m := meterOf(t, r, "r1", atRandom); m.Held != maxHeld || m.Requests != maxHeld {
			t.Errorf("%d requests, %d held", m.Requests, m.Held)
		}
	})
}

// A user who waits while a rollout begins keeps the id that was made.
func TestHeldUserKeepsTheCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := chat(external("a", "r1", false))
		route.Affinity = Affinity{By: ByCookie, Sticky: true}
		apply(t, r, 1, route)
		x := begin(t, r, get())
		before, _ := x.Cookie()
		a := try(t.Context(), x)
		synctest.Wait()
		next := canary(10000, external("a", "r1", false), external("b", "r2", true))
		next.Affinity = route.Affinity
		apply(t, r, 2, next)
		<-a.done
		if after, set := x.Cookie(); a.err != nil || after != before || !set {
			t.Errorf("%v: %q became %q", a.err, before, after)
		}
		x.Done(Outcome{Status: 200})
	})
}

// A change between looking and waiting must not be missed: the request would
// wait for the next one, which may never come.
func TestNoWakeUpIsMissed(t *testing.T) {
	r := New(Options{})
	down, up := chat(external("a", "r1", false)), chat(external("a", "r1", true))
	down.HoldTimeout, up.HoldTimeout = 20*time.Second, 20*time.Second
	version := uint64(0)
	for i := range 3000 {
		version += 2
		apply(t, r, version-1, down)
		a := try(t.Context(), begin(t, r, get()))
		for range i % 50 {
			runtime.Gosched() // meet the request at every point of its way
		}
		apply(t, r, version, up)
		<-a.done
		if a.err != nil {
			t.Fatalf("request %d: %v", i, a.err)
		}
		a.x.Done(Outcome{Status: 200})
	}
}

// A service may be removed and come back while a request waits.
func TestHeldRequestFollowsItsService(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, chat(external("a", "r1", false)))
	x := begin(t, r, get())
	apply(t, r, 2)
	apply(t, r, 3, chat(external("b", "r1", true)))
	if b := acquire(t, x); b.ID() != "b" || x.svc != r.services["chat"] {
		t.Errorf("%s, of the service that is gone", b.ID())
	}
	x.Done(Outcome{Status: 200})
}
