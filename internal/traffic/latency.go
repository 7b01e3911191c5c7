package traffic

import (
	"fmt"
	"math/bits"
	"time"
)

// A Latency counts durations in buckets that grow with the duration: sixteen to
// each power of two microseconds, so a quantile is at most 1/16 (6.25 %) too
// high. Latencies merge by addition. The zero value is empty and ready to use;
// it is a plain value and not safe for concurrent use.
type Latency struct {
	counts [latencyBuckets]uint64
	total  uint64
	most   time.Duration
}

// Durations under 16 µs have a bucket per microsecond. The last bucket ends at
// 2^36 µs, 19 hours; what is longer is counted there.
const (
	bucketBits     = 4
	bucketsPerStep = 1 << bucketBits
	largestBits    = 36
	latencyBuckets = (largestBits - bucketBits + 1) * bucketsPerStep
)

// Add counts one duration. A negative one counts as zero.
func (l *Latency) Add(d time.Duration) {
	d = max(d, 0)
	l.counts[bucketOf(d)]++
	l.total++
	l.most = max(l.most, d)
}

// Merge adds all durations of another one.
func (l *Latency) Merge(other Latency) {
	for i, n := range other.counts {
		l.counts[i] += n
	}
	l.total += other.total
	l.most = max(l.most, other.most)
}

// Count is the number of durations counted.
func (l *Latency) Count() int { return int(l.total) }

// Max is the longest duration counted, exactly.
func (l *Latency) Max() time.Duration { return l.most }

// Quantile returns a duration that the share q (0 to 1) of the counted ones do
// not exceed: the upper end of its bucket, or the maximum where that is less.
// It is 0 when nothing was counted.
func (l *Latency) Quantile(q float64) time.Duration {
	if l.total == 0 {
		return 0
	}
	rank := min(uint64(q*float64(l.total)), l.total-1)
	var seen uint64
	for i, n := range l.counts {
		if seen += n; seen > rank {
			return min(bucketEnd(i), l.most)
		}
	}
	return l.most
}

// String gives the figures people ask for: "p50 1.2ms, p90 3.1ms, p99 8ms, max 12ms".
func (l *Latency) String() string {
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, max %v",
		rounded(l.Quantile(0.5)), rounded(l.Quantile(0.9)), rounded(l.Quantile(0.99)), rounded(l.most))
}

// bucketOf finds the bucket by the position of the highest bit (which step) and
// the four bits below it (which bucket of the step).
func bucketOf(d time.Duration) int {
	us := uint64(d / time.Microsecond)
	if us < bucketsPerStep {
		return int(us)
	}
	step := bits.Len64(us) - bucketBits // 1 for 16..31 µs, 2 for 32..63, ...
	within := us >> (step - 1) & (bucketsPerStep - 1)
	return min(step*bucketsPerStep+int(within), latencyBuckets-1)
}

// bucketEnd is the first duration that lies above the bucket.
func bucketEnd(i int) time.Duration {
	step, within := i/bucketsPerStep, uint64(i%bucketsPerStep)
	if step == 0 {
		return time.Duration(within+1) * time.Microsecond
	}
	return time.Duration((bucketsPerStep+within+1)<<(step-1)) * time.Microsecond
}

// rounded keeps about three digits, which is more than the buckets know.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	default:
		return d.Round(10 * time.Microsecond)
	}
}
