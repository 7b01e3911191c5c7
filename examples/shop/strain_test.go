package main

import (
	"testing"
	"time"
)

func TestStrain(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	// fails sends n requests, evenly spread over one second.
	fails := func(s *strain, second, n int) (failed int) {
		for i := range n {
			at := start.Add(time.Duration(second)*time.Second + time.Duration(i)*time.Second/time.Duration(n))
			if s.fails(at) {
				failed++
			}
		}
		return failed
	}
	s := &strain{limit: 25}
	for _, c := range []struct{ second, requests, failed int }{
		{0, 25, 0},     // as much as it bears
		{1, 25, 0},     // and again
		{2, 65, 2},     // 40 above the limit
		{3, 100, 5},    // all of them under strain
		{4, 20, 1},     // still out of breath
		{5, 20, 0},     // calm again
		{60, 25, 0},    // long after
		{61, 1025, 50}, // the limit is for each second
	} {
		if got := fails(s, c.second, c.requests); got != c.failed {
			t.Errorf("second %d, %d requests: %d failed, want %d", c.second, c.requests, got, c.failed)
		}
	}
}
