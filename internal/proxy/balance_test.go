package proxy

import (
	"sync/atomic"
	"testing"
)

func TestBalancers(t *testing.T) {
	bs := []*Backend{{id: "a"}, {id: "b"}, {id: "c"}}
	for range 10 {
		bs[1].acquire() // b is busy
	}
	for _, c := range []struct {
		name      string
		low, high [3]int
	}{
		{"least_request", [3]int{1200, 0, 1200}, [3]int{1800, 0, 1800}},
		{"round_robin", [3]int{1000, 1000, 1000}, [3]int{1000, 1000, 1000}},
		{"random", [3]int{800, 800, 800}, [3]int{1200, 1200, 1200}},
	} {
		balance, err := newBalancer(c.name)
		if err != nil {
			t.Fatal(err)
		}
		var turn atomic.Uint64
		had := map[*Backend]int{}
		for range 3000 {
			had[balance(bs, &turn)]++
		}
		for i, b := range bs {
			if had[b] < c.low[i] || had[b] > c.high[i] {
				t.Errorf("%s: %s got %d of 3000, want %d to %d", c.name, b.id, had[b], c.low[i], c.high[i])
			}
		}
		if balance(bs[:1], &turn) != bs[0] {
			t.Errorf("%s: not the only one", c.name)
		}
	}
}

func TestUntried(t *testing.T) {
	a, b := &Backend{id: "a"}, &Backend{id: "b"}
	if got := untried([]*Backend{a, b}, []*Backend{a}); len(got) != 1 || got[0] != b {
		t.Error("b should be left")
	}
	if got := untried([]*Backend{a}, []*Backend{a}); len(got) != 1 || got[0] != a {
		t.Error("a again is better than nothing")
	}
}
