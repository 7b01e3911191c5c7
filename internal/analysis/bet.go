package analysis

import "math"

// The bets against the canary on failures: label bets with these effects, then two-sample bets with those.
var (
	labelEffects = [...]float64{1.6, 2.5, 5, 12, 40, 300, 1e5}
	pairEffects  = [...]float64{20, 1e5}
)

// The null hypothesis on failures is p_c <= rho p_b + eps: a tenth more, and one failure in ten thousand, is nobody's fault.
const (
	errorBets = len(labelEffects) + len(pairEffects)
	errorRho  = 1.1
	errorEps  = 1e-4
)

// failureBets are the logarithms of the results of all bets on failures; rate is what stable is expected to fail.
func failureBets(logs *[errorBets]float64, b block, rate float64) {
	labelBets(logs, b)
	for i, psi := range pairEffects {
		l := 0.0
		alt := pair{invOdds(psi * odds(min(errorRho*rate+errorEps, highestRate))), rate}
		// Where stable fails nearly everything no rate of the canary is outside the null hypothesis.
		if alt.canary > errorRho*rate+errorEps {
			l = alt.bet(b, harmful(alt, b.share(), errorRho, errorEps))
		}
		logs[len(labelEffects)+i] = l
	}
}

// labelBets are those of them that need no rate.
func labelBets(logs *[errorBets]float64, b block) {
	for i, psi := range labelEffects {
		logs[i] = labelBet(b, psi, errorRho, errorEps)
	}
}

// labelBet bets that an event is the canary's more often than its share of the requests says, psi being the effect. With
// w the canary's share of the block,
//
//	c = (1-w+w rho)/(1-w+w rho psi);  a = psi c;  L = a^f_c c^f_b e^(-n_c eps (a-1))
//
// By 1+x <= e^x, E[L] <= exp(n p_b (w rho a + (1-w) c - (1-w+w rho))) = 1 for p_c <= rho p_b + eps and any p_b, which
// is free to change between blocks. For rho=1, eps=0 it holds also for fixed outcomes and random labels (Hoeffding
// 1963).
func labelBet(b block, psi, rho, eps float64) float64 {
	n := float64(b.Canary.Requests)
	w := b.share()
	c := (1 - w + w*rho) / (1 - w + w*rho*psi)
	a := psi * c
	l := -n * eps * (a - 1)
	if f := b.Canary.Events; f > 0 {
		l += float64(f) * math.Log(a)
	}
	if f := b.Stable.Events; f > 0 {
		l += float64(f) * math.Log(c)
	}
	return l
}

// userBets are the label bets on users who have failed for the first time. Whether such a user is the canary's was drawn with
// the probability w, whatever the user does (Hoeffding 1963), so that nothing need be known of those who have not failed.
func userBets(logs *[errorBets]float64, canary, stable uint64, w float64) {
	clear(logs[:])
	for i, psi := range labelEffects {
		c := (1 - w + w*errorRho) / (1 - w + w*errorRho*psi)
		logs[i] = float64(canary)*math.Log(psi*c) + float64(stable)*math.Log(c)
	}
}

// pair is a rate of events for each revision.
type pair struct{ canary, stable float64 }

// bet is the logarithm of the likelihood ratio of two pairs for a block. It is a valid bet when null is the pair nearest to
// alt among those of the null hypothesis (Turner, Ly, Grünwald, "Generic E-Variables for Exact Sequential k-Sample Tests",
// 2024).
func (alt pair) bet(b block, null pair) float64 {
	return ratio(b.Canary, alt.canary, null.canary) + ratio(b.Stable, alt.stable, null.stable)
}

// ratio is the logarithm of the likelihood ratio of two rates.
func ratio(t Tally, alt, null float64) float64 {
	l := 0.0
	if t.Events > 0 {
		l = float64(t.Events) * math.Log(alt/null)
	}
	if t.Requests > t.Events {
		l += float64(t.Requests-t.Events) * math.Log1p((null-alt)/(1-null))
	}
	return l
}

// harmful is the pair with p_c <= rho p_b + eps that is nearest to alt, which lies outside.
func harmful(alt pair, w, rho, eps float64) pair {
	if rho == 1 && eps == 0 {
		p := w*alt.canary + (1-w)*alt.stable
		return pair{p, p}
	}
	return nearest(alt, w, rho, eps, alt.stable, (alt.canary-eps)/rho)
}

// harmless is the pair with p_c >= p_b + margin that is nearest to alt, which lies outside.
func harmless(alt pair, w, margin float64) pair {
	return nearest(alt, w, 1, margin, max(0, alt.canary-margin), min(alt.stable, 1-margin))
}

// nearest finds the pair on the line c = rho b + eps with the smallest divergence from alt, w weighing the canary:
//
//	w rho (c1-c)/(c(1-c)) + (1-w) (b1-b)/(b(1-b)) = 0
//
// The left side falls from positive at lo to negative at hi. Multiplied by the denominators it is a cubic, and Newton's
// method, kept inside the bracket, gives all digits in a handful of steps: the bet is valid only as far as they go.
func nearest(alt pair, w, rho, eps, lo, hi float64) pair {
	b := (1-w)*alt.stable + w*(alt.canary-eps)/rho // the answer itself where rates are alike
	for range 60 {
		if b <= lo || b >= hi {
			b = (lo + hi) / 2
		}
		c := rho*b + eps
		h := w*rho*(alt.canary-c)*b*(1-b) + (1-w)*(alt.stable-b)*c*(1-c)
		slope := w*rho*((alt.canary-c)*(1-2*b)-rho*b*(1-b)) + (1-w)*((alt.stable-b)*rho*(1-2*c)-c*(1-c))
		if h > 0 {
			lo = b
		} else {
			hi = b
		}
		next := b - h/slope
		if slope >= 0 || !(next > lo && next < hi) {
			next = (lo + hi) / 2
		}
		if math.Abs(next-b) <= 1e-15*b {
			break
		}
		b = next
	}
	return pair{rho*b + eps, b}
}

// single is the bet that one rate is q and not X: one factor for an event, one for anything else, as logarithms.
type single struct{ event, other float64 }

func newSingle(x, q float64) single { return single{math.Log(q / x), math.Log1p((x - q) / (1 - x))} }

// bet is the factor of what was counted. A request counts as good from when it is given, and is corrected when it fails:
// there may be more events than requests. What is in flight then only makes the wealth smaller than it will be on average
// in the end, so that the bound on it holds at every moment.
func (s single) bet(t Tally) float64 {
	return float64(t.Events)*(s.event-s.other) + float64(t.Requests)*s.other
}

func odds(p float64) float64    { return p / (1 - p) }
func invOdds(o float64) float64 { return o / (1 + o) }
