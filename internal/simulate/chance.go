package simulate

import (
	"math"
	"math/rand/v2"
)

// poisson draws how often something happens that happens mean times on average.
func poisson(r *rand.Rand, mean float64) int {
	switch {
	case mean <= 0:
		return 0
	case mean < 12:
		return byInversion(r, mean)
	default:
		return byRejection(r, mean)
	}
}

// byInversion walks along the distribution; it takes as many steps as the answer is large.
func byInversion(r *rand.Rand, mean float64) int {
	p := math.Exp(-mean)
	u := r.Float64() - p
	n := 0
	for u > 0 && n < 1000 { // rounding may leave a rest that no term takes up
		n++
		p *= mean / float64(n)
		u -= p
	}
	return n
}

// byRejection is PTRS: the transformed rejection method with squeeze of W. Hörmann, "The transformed rejection method for
// generating Poisson random variables", Insurance: Mathematics and Economics 12, 1993, for means of 10 and more.
func byRejection(r *rand.Rand, mean float64) int {
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	accept := 0.9277 - 3.6224/(b-2)
	for {
		u, v := r.Float64()-0.5, r.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= accept {
			return int(k)
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		gamma, _ := math.Lgamma(k + 1)
		if math.Log(v*(1.1239+1.1328/(b-3.4))/(a/(us*us)+b)) <= k*math.Log(mean)-mean-gamma {
			return int(k)
		}
	}
}
