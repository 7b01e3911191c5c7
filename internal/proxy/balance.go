package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// balancer chooses one of the ready backends, of which there is at least one.
type balancer func(ready []*Backend, turn *atomic.Uint64) *Backend

func newBalancer(name string) (balancer, error) {
	switch name {
	case "", "least_request":
		return leastOfTwo, nil
	case "round_robin":
		return roundRobin, nil
	case "random":
		return anyOf, nil
	}
	return nil, fmt.Errorf("balance %q is not known: use least_request, round_robin or random", name)
}

// leastOfTwo compares two random backends. Unlike the least of all it does not
// send a crowd to the same one (Mitzenmacher 2001, the power of two choices).
func leastOfTwo(ready []*Backend, _ *atomic.Uint64) *Backend {
	n := len(ready)
	if n == 1 {
		return ready[0]
	}
	i, j := rand.IntN(n), rand.IntN(n-1)
	if j >= i {
		j++
	}
	if ready[j].inFlight() < ready[i].inFlight() {
		return ready[j]
	}
	return ready[i]
}

func roundRobin(ready []*Backend, turn *atomic.Uint64) *Backend {
	return ready[turn.Add(1)%uint64(len(ready))]
}

func anyOf(ready []*Backend, _ *atomic.Uint64) *Backend { return ready[rand.IntN(len(ready))] }

// untried is ready without the backends that failed this request already, or
// all of ready when nothing else is left: another try on the same instance is
// better than none.
func untried(ready, tried []*Backend) []*Backend {
	var rest []*Backend
	for _, b := range ready {
		if !slices.Contains(tried, b) {
			rest = append(rest, b)
		}
	}
	if len(rest) == 0 {
		return ready
	}
	return rest
}
