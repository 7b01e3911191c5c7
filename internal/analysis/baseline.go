package analysis

import (
	"math"
	"time"
)

// Baseline is what is known of the stable revision from its own past: the rate of failures and the latencies, each
// request weighing less by the factor e in [Memory]. It is warmed before a rollout and goes on through it. All bets take
// their plug-ins from it; a wrong one costs power and never validity. The zero value knows nothing.
type Baseline struct {
	Requests float64 `json:"requests"` // decayed
	Failed   float64 `json:"failed"`   // once per client
	Faults   float64 `json:"faults"`   // all
	// Latency is by bucket, nil or of length [Buckets]. Instead of letting all buckets decay with every tick, what is
	// added weighs more: a request of now counts Weight.
	Latency []float64 `json:"latency,omitempty"`
	Weight  float64   `json:"weight,omitempty"`
}

// Memory is the time constant of a [Baseline].
const Memory = 300 * time.Second

// The prior of a rate is that of a service that fails 1 in 200 requests, worth as much as that many requests. The bounds
// keep odds and logarithms finite.
const (
	priorRequests = 20
	priorRate     = 0.005
	lowestRate    = 1e-4
	highestRate   = 0.98
)

// Add takes in what stable has answered in a span of time.
func (b *Baseline) Add(span time.Duration, c Counts) {
	kept := math.Exp(-span.Seconds() / Memory.Seconds())
	b.Requests = b.Requests*kept + float64(c.Requests)
	b.Failed = b.Failed*kept + float64(min(c.Failed, c.Requests))
	b.Faults = b.Faults*kept + float64(c.faults().Events)
	b.grow(1 / kept)
	lo, hi := window(c.Done)
	if lo == hi {
		return
	}
	if len(b.Latency) != Buckets {
		b.Latency = make([]float64, Buckets)
	}
	for i, n := range c.Done[lo:hi] {
		b.Latency[lo+i] += float64(n) * b.Weight
	}
}

// heaviest is the weight at which all buckets are written anew, long before a float's digits or range run out.
const heaviest = 1e6

func (b *Baseline) grow(by float64) {
	if b.Weight <= 0 {
		b.Weight = 1
	}
	b.Weight *= by
	if b.Weight < heaviest {
		return
	}
	for i := range b.Latency {
		b.Latency[i] /= b.Weight
	}
	b.Weight = 1
}

// Rate is the share of requests that stable fails, drawn to 0.005 while few are known, in [0.0001, 0.98].
// Failures count once per client in it.
func (b Baseline) Rate() float64 { return plugin(b.Failed, b.Requests, priorRate) }

// FaultRate is the same of all failures.
func (b Baseline) FaultRate() float64 { return plugin(b.Faults, b.Requests, priorRate) }

func plugin(events, requests, prior float64) float64 {
	return min(max((events+priorRequests*prior)/(requests+priorRequests), lowestRate), highestRate)
}

// Answered is how many requests the latencies are known of, decayed.
func (b Baseline) Answered() float64 {
	n := 0.0
	for _, x := range b.Latency {
		n += x
	}
	return n / max(b.Weight, 1)
}

// Quantile is the bucket in which the latency lies that the share q of the requests, in (0, 1), does not exceed; 0 without
// any request.
func (b Baseline) Quantile(q float64) int {
	rest := q * b.Answered() * max(b.Weight, 1)
	for i, x := range b.Latency {
		rest -= x
		if rest <= 0 {
			return i
		}
	}
	return max(len(b.Latency)-1, 0)
}

// Beyond is how many requests lie in the buckets above one, decayed.
func (b Baseline) Beyond(bucket int) float64 {
	n := 0.0
	for i := bucket + 1; i < len(b.Latency); i++ {
		n += b.Latency[i]
	}
	return n / max(b.Weight, 1)
}

func (b Baseline) slower(bucket int) Tally {
	return Tally{uint64(b.Answered()), uint64(b.Beyond(bucket))}
}
