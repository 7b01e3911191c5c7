package analysis

import (
	"math"
	"time"
)

// The latency buckets: logarithmic, each 2.5 % wider than the one before, from 0.1 ms to 100 s; what lies outside is
// counted in the first or the last (the idea of DDSketch: Masson, Rim, Lee, VLDB 2019). They are the proxy's own.
const (
	Buckets  = 560
	Gamma    = 1.025
	lowest   = 100 * time.Microsecond
	logGamma = 0.024692612590371414 // natural logarithm of Gamma
)

// Bucket is the bucket i with Edge(i) < d <= Edge(i+1).
func Bucket(d time.Duration) int {
	if d <= lowest {
		return 0
	}
	i := int(math.Ceil(math.Log(float64(d)/float64(lowest))/logGamma)) - 1
	return min(max(i, 0), Buckets-1)
}

// Edge is the lower edge of bucket i, and the upper edge of i-1.
func Edge(i int) time.Duration { return time.Duration(float64(lowest) * math.Exp(float64(i)*logGamma)) }
