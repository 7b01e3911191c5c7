package analysis

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// What bets lose is lost, what they win is won; lending cash to them makes nothing.
func TestRefillConservesWealth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := newPortfolio(errorBets)
	for range 20000 {
		want := p.Cash
		logs := make([]float64, errorBets)
		for i := range logs {
			logs[i] = r.NormFloat64() - 0.6
			want += p.Bets[i] * math.Exp(logs[i])
		}
		p.take(logs, time.Second)
		if got := p.worth(); math.Abs(got-want) > 1e-12*want {
			t.Fatalf("the portfolio is worth %g after a block that leaves %g", got, want)
		}
		for i, v := range p.Bets {
			if v <= 0 {
				t.Fatalf("bet %d has nothing left to grow from", i)
			}
		}
	}
}

// Also after an hour of ticks in each of which every bet loses all, there is cash to begin with.
func TestCashLasts(t *testing.T) {
	p := newPortfolio(2)
	for range int(time.Hour / (100 * time.Millisecond)) {
		p.take([]float64{-1e9, -1e9}, 100*time.Millisecond)
	}
	if least := firstCash * math.Exp(-1.41); p.Cash < least {
		t.Errorf("after an hour of losses %g is left of the cash, want %g", p.Cash, least)
	}
}

// However much is won or lost, the wealth stays a number.
func TestWealthStaysFinite(t *testing.T) {
	p := newPortfolio(2)
	for range 3 {
		p.take([]float64{1e9, -1e9}, time.Second)
		p.take([]float64{math.Inf(1), math.Inf(-1)}, time.Hour)
	}
	if e := p.worth(); e != richest {
		t.Errorf("worth %g, want %g", e, richest)
	}
	for range 400000 {
		p.take([]float64{-1e9, -1e9}, time.Hour)
	}
	p.take([]float64{1e9, 1e9}, time.Hour)
	if e := p.worth(); math.IsNaN(e) || math.IsInf(e, 0) {
		t.Errorf("worth %g after all was lost", e)
	}
}

// Ville's inequality, where it can be computed: the wealth of a fair coin's portfolio, over all its paths.
func TestPortfolioIsFair(t *testing.T) {
	const x, depth = 0.3, 14
	bets := []single{newSingle(x, 0.5), newSingle(x, 0.9)}
	var walk func(p portfolio, left int) float64
	walk = func(p portfolio, left int) float64 {
		if left == 0 {
			return p.worth()
		}
		mean := 0.0
		for events, chance := range []float64{1 - x, x} {
			next := portfolio{p.Cash, append([]float64(nil), p.Bets...)}
			seen := Tally{1, uint64(events)}
			next.take([]float64{bets[0].bet(seen), bets[1].bet(seen)}, time.Second)
			mean += chance * walk(next, left-1)
		}
		return mean
	}
	if e := walk(newPortfolio(2), depth); math.Abs(e-1) > 1e-12 {
		t.Errorf("after %d requests the portfolio is worth 1%+g on average", depth, e-1)
	}
}
