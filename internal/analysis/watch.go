package analysis

import (
	"math"
	"time"
)

// watch is a portfolio against one revision that remembers since when each bet has been growing.
type watch struct {
	portfolio
	Runs []run `json:"runs"`
}

// run is the time since a bet was at its lowest: where it wins in the end, the time since what it has shown began (the
// estimate of Page's CUSUM).
type run struct {
	Lowest float64       `json:"lowest"`
	Began  time.Duration `json:"began"`
	Seen   block         `json:"seen"` // the traffic since then
}

func newWatch() watch {
	w := watch{newPortfolio(len(labelEffects)), make([]run, len(labelEffects))}
	for i := range w.Runs {
		w.Runs[i].Lowest = w.Bets[i]
	}
	return w
}

// add bets on t, the requests of one revision; now is the traffic of both.
func (w *watch) add(at time.Duration, now block, t Tally, bets []single) {
	var logs [len(labelEffects)]float64
	if t.Requests > 0 {
		for i, s := range bets {
			logs[i] = s.bet(t)
		}
		w.take(logs[:], now.Span)
	}
	floor := w.floor()
	for i, v := range w.Bets {
		r := &w.Runs[i]
		if r.Seen.add(now); v <= max(r.Lowest, floor) {
			*r = run{Lowest: v, Began: at}
		}
	}
}

// leader is the run of the bet that has shown most.
func (w *watch) leader() *run {
	best := 0
	for i, v := range w.Bets {
		if v > w.Bets[best] {
			best = i
		}
	}
	return &w.Runs[best]
}

// chance is the probability that the split of the events between the revisions must not exceed to count as none.
const chance = 1e-5

// unlike: the canary has so many more of the events than its share of the requests that a common cause does not explain
// it, by Chernoff's bound for a binomial share. With most of the traffic a canary would otherwise be blamed for an
// incident before stable's own few requests have shown it.
func (r *run) unlike() bool {
	events := float64(r.Seen.Canary.Events + r.Seen.Stable.Events)
	if events == 0 {
		return false
	}
	part := float64(r.Seen.Canary.Events) / events
	w := r.Seen.share()
	return part > w && events*divergence(part, w) >= -math.Log(chance)
}

// divergence is the Kullback-Leibler divergence of two rates.
func divergence(p, q float64) float64 {
	d := 0.0
	if p > 0 {
		d += p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return d
}
