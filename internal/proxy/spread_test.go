package proxy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestDivide(t *testing.T) {
	stable := func(share, healthy int) demand { return demand{share, healthy, true, true} }
	other := func(share, healthy int) demand { return demand{share, healthy, false, true} }
	cases := []struct {
		name     string
		ds       []demand
		full     int
		overload float64
		want     []int
	}{
		{"at rest", []demand{stable(10000, 5)}, 5, 0, []int{10000}},
		{"at rest with one left, no cap", []demand{stable(10000, 1)}, 5, 0, []int{10000}},
		{"nobody", []demand{stable(10000, 0)}, 5, 2, []int{0}},
		{"canary", []demand{stable(9500, 5), other(500, 1)}, 5, 2, []int{9500, 500}},
		{"canary down", []demand{stable(9500, 5), other(500, 0)}, 5, 2, []int{10000, 0}},
		{"canary over its cap", []demand{stable(5000, 5), other(5000, 1)}, 5, 2, []int{6000, 4000}},
		{"stable shrunk, the rest held", []demand{stable(10000, 1), other(0, 4)}, 5, 2, []int{4000, 0}},
		{"stable gone, canary takes what it can", []demand{stable(9000, 0), other(1000, 2)}, 5, 2, []int{0, 8000}},
		{"stable at share 0 takes the excess", []demand{stable(0, 5), other(10000, 1)}, 5, 2, []int{6000, 4000}},
		{"share 0 gets nothing even when all else is down", []demand{stable(10000, 0), other(0, 5)}, 5, 0, []int{0, 0}},
		{"missing shares are excess", []demand{stable(3000, 5), other(1000, 1)}, 5, 2, []int{9000, 1000}},
		{"three revisions", []demand{stable(0, 2), other(5000, 3), other(5000, 1)}, 5, 2, []int{1000, 5000, 4000}},
		{"only previewed", []demand{stable(10000, 0), {0, 3, false, false}}, 5, 0, []int{0, 0}},
		{"overload under 1 leaves gaps", []demand{stable(10000, 5)}, 5, 0.5, []int{5000}},
	}
	for _, c := range cases {
		if got := divide(c.ds, c.full, c.overload); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestProportion(t *testing.T) {
	for _, c := range []struct{ healthy, want []int }{
		{[]int{4, 1}, []int{8000, 2000}},
		{[]int{2, 1}, []int{6666, 3334}},
		{[]int{1, 1, 1}, []int{3333, 3333, 3334}},
		{[]int{0, 5}, []int{0, 10000}},
		{[]int{0, 0}, []int{0, 0}},
	} {
		ds := make([]demand, len(c.healthy))
		for i, n := range c.healthy {
			ds[i] = demand{share: 77, healthy: n, grouped: true}
		}
		proportion(ds)
		for i, want := range c.want {
			if ds[i].share != want {
				t.Errorf("healthy %v: share %d of %d is not %d", c.healthy, ds[i].share, i, want)
			}
		}
	}
}

func TestDivideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "groups")
		stable := rapid.IntRange(-1, n-1).Draw(t, "stable")
		full := rapid.IntRange(0, 8).Draw(t, "full")
		overload := rapid.SampledFrom([]float64{0, 0.7, 1, 1.5, 2, 3}).Draw(t, "overload")
		left := fullShare
		ds := make([]demand, n)
		for i := range ds {
			share := rapid.IntRange(0, left).Draw(t, "share")
			left -= share
			ds[i] = demand{share, rapid.IntRange(0, 6).Draw(t, "healthy"), i == stable, true}
		}
		if rapid.Bool().Draw(t, "proportional") {
			proportion(ds)
		}
		got := divide(ds, full, overload)
		checkDivision(t, ds, got, full, overload)
	})
}

func checkDivision(t *rapid.T, ds []demand, got []int, full int, overload float64) {
	sum, room := 0, 0
	for i, d := range ds {
		capped := limit(d.healthy, full, overload)
		sum += got[i]
		if d.takes() {
			room += capped - got[i]
		}
		if got[i] < 0 || got[i] > capped {
			t.Fatalf("group %d: %d of at most %d", i, got[i], capped)
		}
		if full > 0 && overload > 0 && float64(got[i]) > float64(d.healthy)*overload/float64(full)*fullShare {
			t.Fatalf("group %d: %d for %d backends breaks overload %g of %d", i, got[i], d.healthy, overload, full)
		}
		if got[i] < min(d.share, capped) {
			t.Fatalf("group %d: %d, although it wants %d and can take %d", i, got[i], d.share, capped)
		}
		if d.share == 0 && !d.stable && got[i] > 0 {
			t.Fatalf("group %d: %d with share 0", i, got[i])
		}
		// Stable comes first with what others leave.
		if got[i] > d.share && !d.stable {
			for k, s := range ds {
				if s.stable && got[k] < limit(s.healthy, full, overload) {
					t.Fatalf("group %d took %d over its share while stable had room", i, got[i]-d.share)
				}
			}
		}
	}
	if sum > fullShare {
		t.Fatalf("sum %d", sum)
	}
	if sum < fullShare && room > 0 {
		t.Fatalf("%d held although there is room for %d", fullShare-sum, room)
	}
}

// The canary begins at 0: whoever is on it stays while its share grows.
func TestWalkIsForwardOnly(t *testing.T) {
	r := New(Options{})
	on := map[int]bool{}
	for i, share := range []int{0, 500, 1000, 5000, 10000} {
		apply(t, r, uint64(i+1), canary(share, append(backendsOf("r1", 5), backendsOf("r2", 5)...)...))
		s := r.routing.Load().services["chat"].spread.Load()
		for point := range fullShare {
			canary := s.at(point).revision == "r2"
			if on[point] && !canary {
				t.Fatalf("share %d: point %d went back to stable", share, point)
			}
			on[point] = canary
		}
	}
	if s := r.routing.Load().services["chat"].spread.Load(); s.at(fullShare-1).revision != "r2" {
		t.Error("not everyone is on the canary at the end")
	}
}

func TestSpreadFollowsHealth(t *testing.T) {
	r := New(Options{})
	route := canary(5000, append(backendsOf("r1", 2), backendsOf("r2", 1)...)...)
	route.Full, route.MaxOverload = 2, 1
	apply(t, r, 1, route)
	sizes := func() (got [3]int) {
		s := r.routing.Load().services["chat"].spread.Load()
		for point := range fullShare {
			switch g := s.at(point); {
			case g == nil:
				got[2]++
			case g.revision == "r1":
				got[0]++
			default:
				got[1]++
			}
		}
		return got
	}
	if got := sizes(); got != [3]int{5000, 5000, 0} {
		t.Errorf("at first: %v", got)
	}
	x := begin(t, r, get())
	for x.point >= 5000 {
		x = begin(t, r, get())
	}
	if b := acquire(t, x); b.Revision() != "r2" {
		t.Fatalf("point %d went to %s", x.point, b.Revision())
	}
	x.Retry(Failure{Kind: Dial}) // ejects the canary
	if got := sizes(); got != [3]int{10000, 0, 0} {
		t.Errorf("canary down: %v", got)
	}
	y := acquire(t, x)
	x.Retry(Failure{Kind: Dial}) // and one of the two of stable
	if got := sizes(); got != [3]int{5000, 0, 5000} {
		t.Errorf("%s down too: %v", y.ID(), got)
	}
	x.Done(Outcome{Status: 502, Answered: ByNaru})
}
