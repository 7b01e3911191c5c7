package proxy

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

// These numbers must never change: a user would change sides in mid-rollout.
func TestUserHashIsForEver(t *testing.T) {
	for _, c := range []struct {
		salt, id string
		want     uint64
	}{{"", "", 0xb9034ad37056f5fb}, {"chat-2", "u1", 0x970ef7e0f38f5e67}, {"chat-3", "u1", 0xaedfc6a679d80730}} {
		if got := userHash(c.salt, c.id); got != c.want {
			t.Errorf("%q, %q: %#x, want %#x", c.salt, c.id, got, c.want)
		}
	}
}

func TestUserHashIsEven(t *testing.T) {
	const users, cells = 200_000, 100
	var count [cells]int
	same := 0
	for i := range users {
		id := strconv.Itoa(i) // close neighbours, the hard case
		a, b := userHash("one", id)%fullShare, userHash("two", id)%fullShare
		count[a*cells/fullShare]++
		if a < 500 && b < 500 {
			same++
		}
	}
	chi := 0.0
	for _, n := range count {
		chi += math.Pow(float64(n)-users/cells, 2) / (users / cells)
	}
	if chi > 150 { // 99 degrees of freedom: p < 0.001
		t.Errorf("chi square %.0f over 100 cells", chi)
	}
	// 5 % of 5 %: the users of one rollout are others in the next.
	if want := users / 400; math.Abs(float64(same-want)) > 5*math.Sqrt(float64(want)) {
		t.Errorf("%d users are first in both rollouts, want about %d", same, want)
	}
}

func TestCookieOnlyWhenNeeded(t *testing.T) {
	rest := chat(backendsOf("r1", 1)...)
	open := canary(500, append(backendsOf("r1", 1), backendsOf("r2", 1)...)...)
	for _, c := range []struct {
		name     string
		route    Route
		affinity Affinity
		visitor  Visitor
		set      bool
	}{
		{"no affinity", open, Affinity{}, get(), false},
		{"at rest", rest, Affinity{By: ByCookie}, get(), false},
		{"at rest, sticky", rest, Affinity{By: ByCookie, Sticky: true}, get(), true},
		{"canary open", open, Affinity{By: ByCookie}, get(), true},
		{"has one", open, Affinity{By: ByCookie}, get().as("u1"), false},
		{"has an absurd one", open, Affinity{By: ByCookie}, get().as(string(make([]byte, 1000))), true},
		{"by address", open, Affinity{By: ByClientIP}, get(), false},
	} {
		r := New(Options{})
		c.route.Affinity = c.affinity
		apply(t, r, 1, c.route)
		value, set := begin(t, r, c.visitor).Cookie()
		if set != c.set || set && len(value) != 32 {
			t.Errorf("%s: %q, %v", c.name, value, set)
		}
	}
}

func TestSameUserSameRevision(t *testing.T) {
	for _, c := range []struct {
		affinity Affinity
		visitor  func(i int) Visitor
	}{
		{Affinity{By: ByCookie}, func(i int) Visitor { return get().as(strconv.Itoa(i)) }},
		{Affinity{By: ByHeader, Header: "X-User"}, func(i int) Visitor { return get().with("X-User", strconv.Itoa(i)) }},
		{Affinity{By: ByClientIP}, func(i int) Visitor {
			v := get()
			v.Client = netip.AddrFrom4([4]byte{127, 0, byte(i / 256), byte(i)})
			return v
		}},
	} {
		r := New(Options{})
		route := canary(3000, append(backendsOf("r1", 3), backendsOf("r2", 2)...)...)
		route.Affinity = c.affinity
		apply(t, r, 1, route)
		onCanary := 0
		for i := range 1000 {
			first := revisionOf(t, r, c.visitor(i))
			for range 3 {
				if again := revisionOf(t, r, c.visitor(i)); again != first {
					t.Fatalf("%s: user %d went from %s to %s", c.affinity.By, i, first, again)
				}
			}
			if first == "r2" {
				onCanary++
			}
		}
		if onCanary < 230 || onCanary > 370 { // 5 standard deviations
			t.Errorf("%s: %d of 1000 users on the canary, want about 300", c.affinity.By, onCanary)
		}
	}
}

func revisionOf(t *testing.T, r *Router, v Visitor) string {
	t.Helper()
	x := begin(t, r, v)
	defer x.Done(Outcome{Status: 200})
	return acquire(t, x).Revision()
}

func TestRendezvousMovesOnlyWhoMust(t *testing.T) {
	var bs []*Backend
	for i := range 5 {
		bs = append(bs, &Backend{id: "chat-r1-" + strconv.Itoa(i)})
	}
	gone := bs[2]
	rest := slices.Concat(bs[:2], bs[3:])
	had := map[*Backend]int{}
	for i := range 5000 {
		user := strconv.Itoa(i)
		before, after := rendezvous(user, bs), rendezvous(user, rest)
		had[before]++
		if before != gone && after != before {
			t.Fatalf("user %d moved from %s to %s although only %s left", i, before.id, after.id, gone.id)
		}
	}
	for _, b := range bs {
		if had[b] < 800 || had[b] > 1200 {
			t.Errorf("%s has %d of 5000 users, want about 1000", b.id, had[b])
		}
	}
}
