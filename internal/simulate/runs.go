package simulate

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Runs plays a scenario n times, with the seeds from s.Seed on, on all processors. The results stand in the order of
// their seeds, whatever came first. When ctx ends, it returns what is complete up to the first that is not, and its error.
func Runs(ctx context.Context, s Scenario, n int) ([]Result, error) {
	return Each(ctx, n, func(i int) Result {
		r := Run(s, s.Seed+i, nil)
		r.Timeline, r.Figures = nil, nil // thousands of them are of no use to anybody
		return r
	})
}

// Each calls f with 0 to n-1 on all processors and returns what it answered, in that order. See [Runs] for ctx.
func Each[T any](ctx context.Context, n int, f func(int) T) ([]T, error) {
	out, done := make([]T, n), make([]bool, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				out[i], done[i] = f(i), true
			}
		})
	}
	workers.Wait()
	for i := range out {
		if !done[i] {
			return out[:i], ctx.Err()
		}
	}
	return out, nil
}
