package analysis

import (
	"fmt"
	"math"
	"testing"
)

// binomialMass is the distribution of the number of events among n.
func binomialMass(n int, p float64) []float64 {
	mass := make([]float64, n+1)
	for k := range mass {
		switch {
		case p <= 0:
			mass[k] = float64(max(0, 1-k))
		case p >= 1:
			mass[k] = float64(max(0, 1-(n-k)))
		default:
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(k + 1))
			c, _ := math.Lgamma(float64(n - k + 1))
			mass[k] = math.Exp(a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		}
	}
	return mass
}

// mean is E[L] of a bet by enumeration of all outcomes of a block.
func mean(nc, nb int, pc, pb float64, bet func(block) float64) float64 {
	canary, stable := binomialMass(nc, pc), binomialMass(nb, pb)
	sum := 0.0
	for fc, p := range canary {
		for fb, q := range stable {
			b := block{Canary: Tally{uint64(nc), uint64(fc)}, Stable: Tally{uint64(nb), uint64(fb)}}
			sum += p * q * math.Exp(bet(b))
		}
	}
	return sum
}

var (
	sizes   = [][2]int{{1, 1}, {1, 9}, {9, 1}, {3, 40}, {40, 3}, {12, 12}, {2, 90}}
	rates   = []float64{0, 1e-5, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.8, 0.9, 0.99, 1}
	plugins = []float64{1e-4, 0.001, 0.02, 0.5, 0.9, 0.98}
	effects = []float64{1.25, 1.6, 2.5, 5, 12, 40, 300, 1e5}
	nulls   = []struct{ rho, eps float64 }{{1, 0}, {errorRho, errorEps}, {1, 0.02}, {1.5, 0}}
)

// fair fails when a bet gains on average although its null hypothesis holds.
func fair(t *testing.T, nc, nb int, pc, pb float64, what string, bet func(block) float64) {
	t.Helper()
	if e := mean(nc, nb, pc, pb, bet); !(e <= 1+1e-9) {
		t.Errorf("%s: %d canary requests at %g and %d stable ones at %g: E[L] = 1%+.3g", what, nc, pc, nb, pb, e-1)
	}
}

func TestBetsAgainstHarmlessCanaryGainNothing(t *testing.T) {
	for _, null := range nulls {
		for _, pb := range rates {
			worst := min(null.rho*pb+null.eps, 1)
			for _, pc := range []float64{worst, worst / 2, 0} {
				for _, n := range sizes {
					for _, psi := range effects {
						fair(t, n[0], n[1], pc, pb, fmt.Sprint("label ", psi, null), func(b block) float64 { return labelBet(b, psi, null.rho, null.eps) })
					}
				}
			}
		}
	}
}

func TestTwoSampleBetsAgainstHarmlessCanaryGainNothing(t *testing.T) {
	for _, null := range nulls {
		for _, plug := range plugins {
			base := null.rho*plug + null.eps
			for _, psi := range []float64{1.25, 5, 1e5} {
				alt := pair{invOdds(psi * odds(min(base, highestRate))), plug}
				if alt.canary <= base {
					continue
				}
				for _, pb := range rates {
					worst := min(null.rho*pb+null.eps, 1)
					for _, pc := range []float64{worst, worst / 2} {
						for _, n := range sizes[:6] {
							fair(t, n[0], n[1], pc, pb, fmt.Sprint("two-sample ", psi, null, plug), func(b block) float64 {
								return alt.bet(b, harmful(alt, b.share(), null.rho, null.eps))
							})
						}
					}
				}
			}
		}
	}
}

func TestBetsForHarmfulCanaryGainNothing(t *testing.T) {
	for _, margin := range []float64{0.0005, 0.005, 0.05, 0.5} {
		for _, plug := range plugins {
			for _, g := range guesses {
				r := rung{Margin: margin}
				alt, ok := r.guess(g, plug, plug)
				if !ok {
					continue
				}
				for _, pb := range rates {
					if pb+margin > 1 {
						continue
					}
					for _, pc := range []float64{pb + margin, min(pb+2*margin, 1), 1} {
						for _, n := range sizes[:6] {
							fair(t, n[0], n[1], pc, pb, fmt.Sprint("promotion ", margin, plug, g), func(b block) float64 {
								return alt.bet(b, harmless(alt, b.share(), margin))
							})
						}
					}
				}
			}
		}
	}
}

// All that failureBets adds to the forms above is which bets there are.
func TestFailureBetsGainNothing(t *testing.T) {
	for i := range errorBets {
		for _, rate := range []float64{lowestRate, 0.001, 0.5, 0.92, highestRate} {
			for _, pb := range rates {
				for _, n := range sizes[:4] {
					fair(t, n[0], n[1], min(errorRho*pb+errorEps, 1), pb, fmt.Sprint("bet ", i, rate), func(b block) float64 {
						var logs [errorBets]float64
						failureBets(&logs, b, rate)
						return logs[i]
					})
				}
			}
		}
	}
}

func TestSingleBetsGainNothing(t *testing.T) {
	for _, x := range []float64{0.001, 0.01, 0.3} {
		for _, psi := range labelEffects {
			s := newSingle(x, invOdds(psi*odds(x)))
			for _, p := range []float64{0, x / 2, x} {
				fair(t, 60, 1, p, 0, fmt.Sprint("objective ", x, psi), func(b block) float64 { return s.bet(b.Canary) })
			}
		}
		for _, part := range keepEffects {
			s := newSingle(x, part*x)
			for _, p := range []float64{x, 2 * x, 1} {
				fair(t, 60, 1, p, 0, fmt.Sprint("recovery ", x, part), func(b block) float64 { return s.bet(b.Canary) })
			}
		}
	}
}

// A bet that is fair because it does nothing would pass all of the above.
func TestBetsGainWhenTheyAreRight(t *testing.T) {
	for _, psi := range labelEffects[1:] {
		if e := mean(20, 100, min(psi*0.01, 1), 0.01, func(b block) float64 { return labelBet(b, psi, errorRho, errorEps) }); e < 1.001 {
			t.Errorf("label bet at psi %g gains nothing: %g", psi, e)
		}
	}
	for _, margin := range []float64{0.05, 0.1} {
		alt := pair{0.01, 0.01}
		e := mean(60, 100, 0.01, 0.01, func(b block) float64 { return alt.bet(b, harmless(alt, b.share(), margin)) })
		if e < 1.5 {
			t.Errorf("promotion at margin %g gains nothing: %g", margin, e)
		}
	}
}

func TestNearestIsTheRoot(t *testing.T) {
	for _, null := range nulls[1:] {
		for _, plug := range plugins[:5] {
			for _, w := range []float64{0.001, 0.05, 0.5, 0.95, 0.999} {
				alt := pair{invOdds(20 * odds(min(null.rho*plug+null.eps, highestRate))), plug}
				if alt.canary <= null.rho*plug+null.eps {
					continue
				}
				p := harmful(alt, w, null.rho, null.eps)
				left := w * null.rho * (alt.canary - p.canary) / (p.canary * (1 - p.canary))
				right := (1 - w) * (p.stable - plug) / (p.stable * (1 - p.stable))
				if math.Abs(left-right) > 1e-9*(left+right) || p.stable <= plug {
					t.Errorf("nearest to %v at w=%g: %v is no root: %g and %g", alt, w, p, left, right)
				}
			}
		}
	}
}
