package proxy

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// from is the visitor at another address.
func (v Visitor) from(address string) Visitor {
	v.Client = netip.MustParseAddr(address)
	return v
}

// at is the visitor asking for another path.
func (v Visitor) at(path string) Visitor {
	v.Path = path
	return v
}

func fail(t testing.TB, r *Router, v Visitor) *Exchange {
	t.Helper()
	x := begin(t, r, v)
	acquire(t, x)
	x.Done(Outcome{Status: 500})
	return x
}

// remembered is how many clients the only service has charged, as far as the
// slots tell them apart.
func remembered(r *Router) (n uint64) {
	t := r.services["chat"].clients.table.Load()
	for i := range t.slots {
		if t.slots[i].Load() != 0 {
			n++
		}
	}
	return n
}

func TestWhoIsOneClient(t *testing.T) {
	byCookie, byHeader := Affinity{By: ByCookie}, Affinity{By: ByHeader, Header: "X-User"}
	for _, c := range []struct {
		name     string
		affinity Affinity
		a, b     Visitor
		want     int    // clients
		known    uint64 // requests of users that were recognised
	}{
		{"address and path", Affinity{}, get(), get(), 1, 0},
		{"another address", Affinity{}, get(), get().from("127.0.0.10"), 2, 0},
		{"another path", Affinity{}, get(), get().at("/x"), 2, 0},
		{"one address in two spellings", Affinity{}, get(), get().from("::ffff:127.0.0.9"), 1, 0},
		{"one user at two addresses and paths", byCookie, get().as("ada"), get().as("ada").from("127.0.0.10").at("/x"), 1, 2},
		{"two users at one address", byCookie, get().as("ada"), get().as("bob"), 2, 2},
		{"two users just made up, at one address", byCookie, get(), get(), 1, 0},
		{"a user just made up, and the address", byCookie, get(), get().at("/x"), 2, 0},
		{"one user by header", byHeader, get().with("X-User", "ada"), get().with("X-User", "ada").at("/x"), 1, 2},
		{"without the header", byHeader, get(), get().with("X-User", "ada"), 2, 1},
		{"by address the path is no matter", Affinity{By: ByClientIP}, get(), get().at("/x"), 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Options{})
			route := canary(0, backendsOf("r1", 1)...)
			route.Affinity = c.affinity
			apply(t, r, 1, route)
			a, b := fail(t, r, c.a), fail(t, r, c.b)
			seed := r.services["chat"].clients.table.Load().seed
			if one := a.clientHash(seed) == b.clientHash(seed); one != (c.want == 1) {
				t.Errorf("taken for one: %v", one)
			}
			if m := meterOf(t, r, "r1", atRandom); m.Charged != remembered(r) || m.Decided != 2 || m.Failed != 2 || m.Faults != 2 || m.Cohort.Drawn != 2-c.known || m.Cohort.DrawnFaults != 2-c.known {
				t.Errorf("%d remembered of %+v", remembered(r), m)
			}
		})
	}
}

// The window is that of a client, not of a revision, an assignment or a way to
// fail; and failures that are not charged do not make it longer.
func TestAClientIsChargedOnceInItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		both := append(backendsOf("r1", 1), backendsOf("r2", 1)...)
		version := uint64(0)
		on := func(share int) { // where the next request goes
			version++
			route := canary(share, both...)
			route.Hang = time.Second
			route.Groups[1].Match = []Match{{Header: "X-Beta"}}
			apply(t, r, version, route)
		}
		defer running(r)()
		charged := func(want1, want2, matched uint64) {
			t.Helper()
			one, two, beta := meterOf(t, r, "r1", atRandom).Charged, meterOf(t, r, "r2", atRandom).Charged, meterOf(t, r, "r2", byMatch).Charged
			if one != want1 || two != want2 || beta != matched {
				t.Errorf("r1 is charged %d, r2 %d and %d, want %d, %d and %d", one, two, beta, want1, want2, matched)
			}
		}
		on(0)
		fail(t, r, get())
		charged(1, 0, 0)
		on(fullShare)
		fail(t, r, get())
		fail(t, r, get().with("X-Beta", "1"))
		x := begin(t, r, get()) // hangs, and has failed in another way in the end
		acquire(t, x)
		time.Sleep(2 * time.Second)
		x.Retry(Failure{Kind: Timeout})
		x.Done(Outcome{Status: 504, Answered: ByNaru})
		charged(1, 0, 0)
		time.Sleep(clientWindow - 2*time.Second - time.Millisecond)
		fail(t, r, get())
		charged(1, 0, 0)
		time.Sleep(2 * time.Millisecond)
		fail(t, r, get())
		fail(t, r, get())
		charged(1, 1, 0)
		time.Sleep(clientWindow)
		fail(t, r, get().with("X-Beta", "1"))
		charged(1, 1, 1)
		if m := meterOf(t, r, "r2", atRandom); m.Decided != 5 || m.Failed != 5 {
			t.Errorf("%+v", m)
		}
	})
}

// However many fail at once, one of them is charged.
func TestClientsAtOnce(t *testing.T) {
	r := New(Options{})
	apply(t, r, 1, canary(5000, append(backendsOf("r1", 1), backendsOf("r2", 1)...)...))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 50 {
				fail(t, r, get().at(fmt.Sprint("/", i%10)))
			}
		})
	}
	all.Wait()
	one, two := meterOf(t, r, "r1", atRandom), meterOf(t, r, "r2", atRandom)
	if n := remembered(r); n > 10 || one.Charged+two.Charged != n || one.Decided+two.Decided != 400 {
		t.Errorf("10 clients failed 400 times: %d charged of %d", one.Charged+two.Charged, one.Decided+two.Decided)
	}
}
