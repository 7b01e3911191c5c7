package proxy

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainSpreadsGoAway(t *testing.T) {
	for _, c := range []struct {
		name        string
		drain       time.Duration
		first, last time.Duration // when streams are told, after the close
	}{
		{"long", 30 * time.Second, 24500 * time.Millisecond, 29500 * time.Millisecond},
		{"short", 4 * time.Second, 1500 * time.Millisecond, 3500 * time.Millisecond},
		{"none", 0, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := New(Options{})
			apply(t, r, 1, chat(external("a", "r1", true)))
			const n = 10
			told := make(chan time.Duration, n)
			start := time.Now()
			for range n {
				x := openStream(t, r)
				go func() {
					<-x.GoAway()
					told <- time.Since(start)
					x.ClosedByDrain()
					x.Done(Outcome{Status: 101})
				}()
			}
			spec := external("a", "r1", true).disabled()
			spec.DrainBy = start.Add(c.drain)
			apply(t, r, 2, chat(spec))
			var at []time.Duration
			for range n {
				at = append(at, <-told)
			}
			slices.Sort(at)
			if at[0] < c.first || at[n-1] > c.last {
				t.Errorf("%s: told from %v to %v, want within %v to %v", c.name, at[0], at[n-1], c.first, c.last)
			}
			if gap := (c.last - c.first) / n; at[1]-at[0] != gap || at[n-1]-at[n-2] != gap {
				t.Errorf("%s: not even: %v", c.name, at)
			}
			synctest.Wait()
			m := meterOf(t, r, "r1", atRandom)
			if m.WebSocketClosed != n || m.Requests != n || m.Upgraded != n || m.Failed+m.ByApp+m.ByNaru != 0 {
				t.Errorf("%s: %+v", c.name, m)
			}
		})
	}
}

// openStream is an exchange that was upgraded.
func openStream(t *testing.T, r *Router) *Exchange {
	x := begin(t, r, get())
	acquire(t, x)
	if x.GoAway() != nil {
		t.Error("an exchange that is not streaming would be told to go")
	}
	x.Head(101)
	x.Streaming()
	return x
}

func fired(x *Exchange) bool {
	select {
	case <-x.GoAway():
		return true
	default:
		return false
	}
}

func TestDrainTimeoutOfTheRouteAndNewEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := chat(external("a", "r1", true))
		route.DrainTimeout = 4 * time.Second
		apply(t, r, 1, route)
		x := openStream(t, r)
		apply(t, r, 2) // the whole service is gone; its one stream leaves 2.5 s later
		time.Sleep(2400 * time.Millisecond)
		synctest.Wait()
		if fired(x) {
			t.Error("told too early")
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if !fired(x) {
			t.Error("not told")
		}
		if st := onlyService(t, r); len(st.Backends) != 1 || st.Backends[0].Streams != 1 || st.Backends[0].Enabled {
			t.Errorf("a removed backend with a stream: %+v", st)
		}
		x.Done(Outcome{Status: 101})
		if st := r.State(); len(st.Services) != 0 {
			t.Errorf("after its last request: %+v", st)
		}
	})
}

func TestReopenedBackendKeepsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		open := chat(external("a", "r1", true))
		open.DrainTimeout = 2 * time.Second
		shut := open
		shut.Backends = []BackendSpec{external("a", "r1", true).disabled()}
		apply(t, r, 1, open)
		x := openStream(t, r)
		apply(t, r, 2, shut)
		time.Sleep(100 * time.Millisecond)
		apply(t, r, 3, open)
		time.Sleep(time.Minute)
		synctest.Wait()
		if fired(x) {
			t.Error("told to go although the backend was opened again")
		}
		apply(t, r, 4, shut)
		apply(t, r, 5, shut) // says nothing new
		time.Sleep(time.Minute)
		synctest.Wait()
		if !fired(x) {
			t.Error("not told in the second drain")
		}
		x.Done(Outcome{Status: 101})
	})
}

// Claimed before the close, upgraded after it.
func TestStreamThatBeginsInTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		route := chat(external("a", "r1", true))
		route.DrainTimeout = 10 * time.Second
		apply(t, r, 1, route)
		x := begin(t, r, get())
		acquire(t, x)
		route.Backends[0].Enabled = false
		apply(t, r, 2, route)
		x.Head(101)
		x.Streaming()
		start := time.Now()
		<-x.GoAway()
		if took := time.Since(start); took < 4500*time.Millisecond || took > 9500*time.Millisecond {
			t.Errorf("told after %v", took)
		}
		x.Done(Outcome{Status: 101})
	})
}

func TestStreamsAreCountedAtTheirHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		apply(t, r, 1, chat(external("a", "r1", true)))
		x := begin(t, r, get())
		acquire(t, x)
		time.Sleep(30 * time.Millisecond)
		x.Streaming() // before the head, as for an event stream
		x.Head(200)
		time.Sleep(time.Hour)
		m := meterOf(t, r, "r1", atRandom)
		if q := m.Latency.Quantile(1); m.Requests != 1 || q < 29*time.Millisecond || q > 31*time.Millisecond {
			t.Errorf("%d requests, %v", m.Requests, q)
		}
		x.Done(Outcome{Broken: true, In: 1, Out: 2})
		m = meterOf(t, r, "r1", atRandom)
		if m.Requests != 1 || m.Latency.Count() != 1 || m.ByApp != 1 || m.Failed != 1 || m.Out != 2 || m.Classes[2] != 1 {
			t.Errorf("at its end: %+v", m)
		}
	})
}
