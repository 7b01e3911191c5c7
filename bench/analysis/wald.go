package main

import (
	"math"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/simulate"
)

// wald is Wald's bound (1945) on the expected time, in seconds, after which any test that raises false alarms in at most
// 1 % can have told the canary from stable, if it knew both of them exactly: ln(100) over the information of a request, at
// so many requests to the canary per second.
func wald(s simulate.Scenario, rate float64) float64 {
	r := s.Regressions[0]
	information := 0.0
	if r.Errors != nil {
		information = divergence([]float64{float64(*r.Errors), 1 - float64(*r.Errors)}, []float64{float64(s.Errors), 1 - float64(s.Errors)})
	} else {
		information = divergence(latencies(s, r), latencies(s, simulate.Regression{}))
	}
	if math.IsInf(information, 1) {
		return 1 / rate // the first failure tells it
	}
	return max(1, math.Log(100)/information) / rate
}

// divergence is that of Kullback and Leibler, in nats.
func divergence(p, q []float64) (sum float64) {
	for i := range p {
		switch {
		case p[i] < 1e-12: // what is that rare tells nothing within our lives
		case q[i] == 0:
			return math.Inf(1)
		default:
			sum += p[i] * math.Log(p[i]/q[i])
		}
	}
	return sum
}

// latencies is the distribution of the latencies over the buckets, by small steps of a normal distribution.
func latencies(s simulate.Scenario, r simulate.Regression) []float64 {
	out := make([]float64, analysis.Buckets)
	const steps, end = 400_000, 12.0
	perBucket := math.Log(analysis.Gamma)
	mid := math.Log(s.P50.D().Seconds()/1e-4) / perBucket
	wide := math.Log(float64(s.P99)/float64(s.P50)) / 2.3263478740408408 / perBucket
	for i := range steps {
		z := -end + 2*end*(float64(i)+0.5)/steps
		weight := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) * 2 * end / steps
		x := mid + z*wide
		put := func(x, weight float64) { out[min(max(int(x), 0), analysis.Buckets-1)] += weight }
		switch {
		case r.Slow > 0:
			put(x+math.Log(r.Times)/perBucket, weight*float64(r.Slow))
			put(x, weight*(1-float64(r.Slow)))
		case r.Latency > 0 && (r.Part != "tail" || z > 1.6448536269514722):
			put(x+math.Log(r.Latency)/perBucket, weight)
		default:
			put(x, weight)
		}
	}
	return out
}
