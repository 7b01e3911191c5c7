package proxy

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A program that is coming up is found healthy long before its interval is over: somebody may wait for it.
func TestProbesAreEagerAtFirst(t *testing.T) {
	var ready atomic.Bool
	var probes atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		probes.Add(1)
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	r := New(Options{})
	run(t, r)
	route := probed(s.Listener.Addr().String(), HealthSpec{Kind: HealthHTTP, Path: "/healthz"})
	route.Backends[0].Health.Interval = time.Hour
	apply(t, r, 1, route)
	healthIs(t, r, Unhealthy, "503")
	ready.Store(true)
	healthIs(t, r, Healthy, "")
	if n := probes.Load(); n > 20 {
		t.Errorf("%d probes until it was healthy", n)
	}
}

// A backend that was away is unknown when it is back: at a fixed port another program may have its address by now.
func TestBackendThatWasAwayIsUnknown(t *testing.T) {
	r := New(Options{})
	spec := BackendSpec{ID: "a", Revision: "r1", Address: "127.0.0.1:1", Enabled: true, Health: HealthSpec{Kind: HealthTCP}}
	apply(t, r, 1, chat(spec))
	b := r.services["chat"].backends[identity{"a", "127.0.0.1:1", "r1"}]
	r.report(b, b.spec.Load(), nil)
	x := begin(t, r, get())
	acquire(t, x) // so that it is not forgotten
	apply(t, r, 2, chat(spec))
	if got := onlyService(t, r).Backends[0].Health; got != Healthy {
		t.Fatalf("in the next table it is %s", got)
	}
	apply(t, r, 3, chat())
	apply(t, r, 4, chat(spec))
	if got := onlyService(t, r).Backends[0].Health; got != Unknown {
		t.Errorf("back in the table it is %s, and nobody has probed it", got)
	}
	x.Done(Outcome{Status: 200})
}

// How long requests wait is counted where the wait ends, that of those who wait in vain too, but not that of tests.
func TestWaitsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := chat(external("a", "r1", false))
		route.HoldTimeout, route.Preview = 2*time.Second, &Preview{Revision: "r1", Hosts: []string{"green.test"}}
		apply(t, r, 1, route)
		answered := try(t.Context(), begin(t, r, get()))
		preview := get()
		preview.Host = "green.test"
		tested := try(t.Context(), begin(t, r, preview))
		synctest.Wait()
		time.Sleep(700 * time.Millisecond)
		if n := onlyService(t, r).Waits.Count(); n != 0 {
			t.Errorf("%d waits have ended", n)
		}
		route.Backends[0].Ready = new(true)
		apply(t, r, 2, route)
		<-answered.done
		<-tested.done
		w := onlyService(t, r).Waits
		if longest := w.Longest(); w.Count() != 1 || longest < 700*time.Millisecond || longest > 718*time.Millisecond {
			t.Errorf("%d waits, the longest %s", w.Count(), longest)
		}
		answered.x.Done(Outcome{Status: 200})
		tested.x.Done(Outcome{Status: 200})
		route.Backends[0].Ready = new(false)
		apply(t, r, 3, route)
		vain := try(t.Context(), begin(t, r, get()))
		<-vain.done
		if w := onlyService(t, r).Waits; vain.err != ErrNoInstance || w.Count() != 2 || w.Longest() < 2*time.Second {
			t.Errorf("%v: %d waits, the longest %s", vain.err, w.Count(), w.Longest())
		}
		vain.x.Done(Outcome{Status: 503, Answered: ByNaru})
	})
}
