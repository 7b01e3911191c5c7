package simulate

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestPoisson holds what is drawn against the probabilities of a Poisson distribution, one by one.
func TestPoisson(t *testing.T) {
	const draws = 200_000
	for _, mean := range []float64{0.05, 1, 5, 11.9, 12.1, 95, 950} {
		r := rand.New(rand.NewPCG(1, 2))
		seen := map[int]int{}
		for range draws {
			seen[poisson(r, mean)]++
		}
		chi, cells := 0.0, 0
		for k := range int(mean + 20*math.Sqrt(mean) + 20) {
			gamma, _ := math.Lgamma(float64(k) + 1)
			expected := draws * math.Exp(float64(k)*math.Log(mean)-mean-gamma)
			if expected < 20 {
				continue
			}
			chi += (float64(seen[k]) - expected) * (float64(seen[k]) - expected) / expected
			cells++
		}
		// The sum is about as large as there are cells, give or take the root of twice as many.
		if limit := float64(cells) + 5*math.Sqrt(2*float64(cells)) + 5; chi > limit {
			t.Errorf("mean %v: chi-square is %.0f over %d cells, at most %.0f is usual", mean, chi, cells, limit)
		}
	}
	if n := poisson(rand.New(rand.NewPCG(1, 2)), 0); n != 0 {
		t.Errorf("%d of nothing", n)
	}
}
