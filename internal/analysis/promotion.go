package analysis

import (
	"math"
	"time"
)

// promotion asks whether the canary's harm is below a margin: H0 is p_c >= p_b + margin. It belongs to one step.
type promotion struct {
	Rungs    []rung  `json:"rungs,omitempty"` // the margin asked about, then larger ones; empty: nothing is asked
	Sum      block   `json:"sum"`             // closed blocks that were not yet bet on
	Excluded float64 `json:"excluded"`        // the smallest margin that was ever excluded in this step; 1: none
}

// rung is the question for one margin.
type rung struct {
	Margin float64               `json:"margin"`
	Held   float64               `json:"held"` // wealth that is bet only when the canary is warm
	Bets   [len(guesses)]float64 `json:"bets"`
}

// The guesses at a harmless canary's rate, as multiples of stable's, and the wealth that each begins with.
var (
	guesses = [...]float64{1, 0.7, 1.15}
	trust   = [...]float64{0.5, 0.3, 0.2}
)

const (
	pace       = time.Second // promotion is bet on so often: it is in less of a hurry
	widest     = 0.5         // the largest harm that is asked about
	heldBack   = 0.5         // of a rung's wealth, until the canary is warm
	rungFactor = 2
)

var inf = math.Inf(1)

func newPromotion(margin float64, warms bool) promotion {
	p := promotion{Excluded: 1}
	if margin <= 0 {
		return p
	}
	margin = min(margin, widest)
	for m := margin; m < widest; m *= rungFactor {
		p.Rungs = append(p.Rungs, rung{Margin: m})
	}
	p.Rungs = append(p.Rungs, rung{Margin: widest})
	p.restart(warms)
	return p
}

func (p *promotion) asked() bool { return len(p.Rungs) > 0 }

// restart begins the evidence anew.
func (p *promotion) restart(warms bool) {
	p.Sum, p.Excluded = block{}, 1
	for i := range p.Rungs {
		r := &p.Rungs[i]
		r.Held = 0
		if warms {
			r.Held = heldBack
		}
		for j, t := range trust {
			r.Bets[j] = t * (1 - r.Held)
		}
	}
}

// add takes in a closed block; canary and stable are the rates that are expected of a harmless canary and of stable.
func (p *promotion) add(b block, canary, stable float64) {
	if !p.asked() {
		return
	}
	p.Sum.add(b)
	if p.Sum.Span >= pace {
		p.flush(canary, stable)
	}
}

// flush bets on what was gathered. A rung that has reached [Enough] rests: an e-process may be stopped there, and what
// was said once is not taken back. With it rest all larger margins.
func (p *promotion) flush(canary, stable float64) {
	b := p.Sum
	if b.Canary.Requests == 0 || b.Stable.Requests == 0 {
		return
	}
	p.Sum = block{}
	for i := range p.Rungs {
		r := &p.Rungs[i]
		if r.worth() >= Enough || i > 0 && r.Margin >= p.Excluded {
			continue
		}
		r.take(b, canary, stable)
		if r.worth() >= Enough {
			p.Excluded = min(p.Excluded, r.Margin)
		}
	}
}

func (r *rung) take(b block, canary, stable float64) {
	if r.Held > 0 && !b.Warm {
		for j, t := range trust {
			r.Bets[j] += t * r.Held
		}
		r.Held = 0
	}
	w := b.share()
	for j, g := range guesses {
		if alt, ok := r.guess(g, canary, stable); ok {
			l := alt.bet(b, harmless(alt, w, r.Margin))
			r.Bets[j] = min(r.Bets[j]*math.Exp(min(l, boldest)), richest)
		}
	}
}

// guess is the alternative of one bet; none when it would not be harmless itself.
func (r *rung) guess(g, canary, stable float64) (alt pair, ok bool) {
	alt = pair{min(g*canary, highestRate), stable}
	return alt, alt.canary < alt.stable+r.Margin
}

func (r *rung) worth() float64 {
	e := r.Held
	for _, v := range r.Bets {
		e += v
	}
	return min(e, richest)
}

func (p *promotion) clearance() float64 { return p.Rungs[0].worth() }

// missing is the number of canary requests until [Enough], at the share w and with the rates as given: what the bet that
// gets there first still has to grow, by what it grows with each.
func (p *promotion) missing(rates pair, w float64) float64 {
	r := &p.Rungs[0]
	if r.worth() >= Enough {
		return 0
	}
	fewest := inf
	if w <= 0 || w >= 1 {
		return fewest
	}
	for j, g := range guesses {
		alt, ok := r.guess(g, rates.canary, rates.stable)
		if !ok {
			continue
		}
		null := harmless(alt, w, r.Margin)
		gain := expected(rates.canary, alt.canary, null.canary) + (1-w)/w*expected(rates.stable, alt.stable, null.stable)
		have := r.Bets[j] + r.Held*trust[j]
		if gain > 0 && have > 0 {
			fewest = min(fewest, math.Log(Enough/have)/gain)
		}
	}
	return math.Ceil(fewest)
}

// expected is the mean of [ratio] for one request at the rate p.
func expected(p, alt, null float64) float64 {
	return p*math.Log(alt/null) + (1-p)*math.Log1p((null-alt)/(1-null))
}
