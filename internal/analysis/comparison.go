package analysis

import "time"

// block is a short stretch of traffic of both revisions.
type block struct {
	Canary Tally         `json:"canary"`
	Stable Tally         `json:"stable"`
	Span   time.Duration `json:"span"`
	Warm   bool          `json:"warm,omitempty"` // part of it was just after a shift
}

func (b *block) add(o block) {
	b.Canary.add(o.Canary)
	b.Stable.add(o.Stable)
	b.Span += o.Span
	b.Warm = b.Warm || o.Warm
}

// share is the canary's part of the requests.
func (b block) share() float64 {
	return float64(b.Canary.Requests) / float64(b.Canary.Requests+b.Stable.Requests)
}

// stale is how long a block waits for a revision that answers nothing. Older traffic of the other one would only be set
// against a different time.
const stale = time.Minute

// comparison is a stream of events that sets the canary against stable.
type comparison struct {
	Canary  Tally     `json:"canary"` // of this step
	Stable  Tally     `json:"stable"`
	Whole   block     `json:"whole"`   // of the rollout
	Pending block     `json:"pending"` // one revision has answered nothing in it yet
	Bets    portfolio `json:"bets"`    // against the canary
	Harm    promotion `json:"harm"`    // for it
}

func (c *comparison) enter(margin float64, warms bool) {
	c.Canary, c.Stable = Tally{}, Tally{}
	c.Harm = newPromotion(margin, warms)
}

// count adds up what people are told.
func (c *comparison) count(seen block) {
	c.Canary.add(seen.Canary)
	c.Stable.add(seen.Stable)
	c.Whole.add(seen)
}

// add takes in a tick, and returns the block that it closes, if it does. Whether it closes, or is thrown away, depends on
// numbers of requests and on time alone, never on events: otherwise the bets would not be fair.
func (c *comparison) add(now block) (closed block, ok bool) {
	c.Pending.add(now)
	if c.Pending.Canary.Requests > 0 && c.Pending.Stable.Requests > 0 {
		closed, c.Pending = c.Pending, block{}
		return closed, true
	}
	if c.Pending.Span >= stale {
		c.Pending = block{}
	}
	return block{}, false
}

// divide begins anew where the traffic is divided in another way: one block of two divisions would be of neither.
func (c *comparison) divide(canary, stable float64) {
	c.Pending = block{}
	c.Harm.flush(canary, stable)
}

// finding is what the stream says of promotion, if stable's rate is b and that of a canary as good as stable is c.
func (c *comparison) finding(b, canary, share float64) Finding {
	f := Finding{Canary: c.Canary, Stable: c.Stable, Excluded: c.Harm.Excluded, Clearance: 1}
	if !c.Harm.asked() {
		return f
	}
	if c.Canary.Requests > 0 && c.Stable.Requests > 0 {
		share = block{Canary: c.Canary, Stable: c.Stable}.share()
	}
	f.Clearance, f.Margin = c.Harm.clearance(), c.Harm.Rungs[0].Margin
	f.Missing = c.Harm.missing(pair{canary, b}, share)
	if c.Stable.Requests > 0 {
		b = c.Stable.Rate()
	}
	if f.Missing > 0 && c.Canary.Rate() >= b+f.Margin {
		f.Missing = inf
	}
	return f
}
