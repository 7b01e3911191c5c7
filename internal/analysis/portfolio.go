package analysis

import (
	"math"
	"time"
)

// portfolio is a wealth of 1 spread over bets and cash. It is an e-process: the average of its worth never exceeds 1 while
// the null hypothesis of its bets holds.
type portfolio struct {
	Cash float64   `json:"cash"`
	Bets []float64 `json:"bets"`
}

const (
	firstCash = 0.25
	refill    = 1.0 / 512       // of the cash, for all bets together
	restored  = 5 * time.Second // until a bet that has lost all is back at its part of that
	richest   = 1e200           // wealth is cut here, which only ever makes it smaller
	boldest   = 460             // e to this is just below richest
)

func newPortfolio(bets int) portfolio {
	p := portfolio{Bets: make([]float64, bets)}
	for i := range p.Bets {
		p.Bets[i] = (1 - firstCash) / float64(bets)
	}
	p.Cash = 1 - p.worth() // exactly 1 in all
	return p
}

// take multiplies each bet by its result, given as a logarithm, and lends cash to those that have lost nearly all. So a
// regression that begins late finds bets that can still grow, as in a CUSUM; the wealth is only moved, so that the bound
// on false alarms stays that of the whole rollout (the e-detectors of Shin, Ramdas and Rinaldo give it up). Cash is lent at
// a bounded speed, span being the time that the results come from: with much traffic bold bets lose all in every
// tick, and after an hour there would be nothing left to lend.
func (p *portfolio) take(logs []float64, span time.Duration) {
	floor := p.floor()
	loan := floor * min(1, span.Seconds()/restored.Seconds())
	for i, l := range logs {
		v := min(p.Bets[i]*math.Exp(min(l, boldest)), richest)
		if v < floor {
			lent := min(floor-v, loan)
			p.Cash -= lent
			v += lent
		}
		p.Bets[i] = v
	}
}

// floor is where a bet stands that has nothing to show.
func (p *portfolio) floor() float64 { return refill * p.Cash / float64(len(p.Bets)) }

// worth is the e-value.
func (p *portfolio) worth() float64 {
	e := 0.0
	for _, v := range p.Bets {
		e += v
	}
	return min(e+p.Cash, richest)
}
