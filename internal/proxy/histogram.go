package proxy

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// The buckets of every latency histogram: logarithmic, each 2.5 % wider than the
// one before, so that a quantile is wrong by at most 1.25 % (the idea of
// DDSketch: Masson, Rim, Lee 2019). They reach from 0.1 ms to 100 s; what lies
// outside is counted in the first or the last.
const (
	buckets   = 560
	bucketMin = 100 * time.Microsecond
	gamma     = 1.025
	logGamma  = 0.024692612590371414 // natural logarithm of gamma
)

// bucketOf is the bucket i with edge(i) < d <= edge(i+1). Every request asks for
// one, so the logarithms are taken beforehand: the length of d in bits and the five
// bits behind the first lead to within two buckets. That takes 6 to 10 ns, where
// math.Log took 26 to 33 (BenchmarkBucketOf).
func bucketOf(d time.Duration) int {
	if d <= bucketMin {
		return 0
	}
	i := int(near[nearKey(d)])
	for d > last[i] {
		i++
	}
	return i
}

// last is the longest latency in each bucket.
var last = func() (longest [buckets]time.Duration) {
	for i := range longest {
		longest[i] = time.Duration(edge(i + 1))
	}
	longest[buckets-1] = math.MaxInt64
	return longest
}()

// near is the first bucket that a latency with this nearKey can be in.
var near = func() (first [64 << 5]uint16) {
	i := 0
	for k := nearKey(bucketMin); k < len(first); k++ {
		shortest := (1<<5 | uint64(k&31)) << (k>>5 - 6)
		for uint64(last[i]) < shortest {
			i++
		}
		first[k] = uint16(i)
	}
	return first
}()

func nearKey(d time.Duration) int {
	n := bits.Len64(uint64(d))
	return n<<5 | int(uint64(d)>>(n-6)&31)
}

// edge is the lower edge of bucket i and the upper edge of i-1.
func edge(i int) float64 { return float64(bucketMin) * math.Exp(float64(i)*logGamma) }

// Histogram counts latencies. Histograms of several proxies, revisions or
// times merge by addition. The zero value is empty and ready to use.
type Histogram struct {
	counts []uint64 // nil or of length buckets
	sum    time.Duration
}

// Add counts one latency.
func (h *Histogram) Add(d time.Duration) {
	h.grow()
	h.counts[bucketOf(d)]++
	h.sum += d
}

// Merge adds everything that other has counted.
func (h *Histogram) Merge(other Histogram) {
	if other.counts == nil {
		return
	}
	h.grow()
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.sum += other.sum
}

// Since is what h has counted after earlier, a former snapshot of the same
// histogram. Where earlier has more, which no former snapshot has, it is 0.
func (h Histogram) Since(earlier Histogram) Histogram {
	d := Histogram{counts: slices.Clone(h.counts), sum: h.sum - earlier.sum}
	for i := range min(len(d.counts), len(earlier.counts)) {
		d.counts[i] -= min(d.counts[i], earlier.counts[i])
	}
	return d
}

// Count is the number of latencies counted.
func (h Histogram) Count() uint64 {
	var n uint64
	for _, c := range h.counts {
		n += c
	}
	return n
}

// Counts are the latencies counted in every bucket, in ascending order: nil when nothing was counted. It is not to be changed.
func (h Histogram) Counts() []uint64 { return h.counts }

// Sum is the sum of all latencies.
func (h Histogram) Sum() time.Duration { return h.sum }

// Longest is the longest latency counted, rounded up to the edge of its bucket: by less than 2.5 %. It is 0 when nothing was.
func (h Histogram) Longest() time.Duration {
	for i := len(h.counts) - 1; i >= 0; i-- {
		if h.counts[i] > 0 {
			return time.Duration(edge(i + 1))
		}
	}
	return 0
}

// Quantile is the latency that a share q in [0, 1] of all do not exceed, right
// to 1.25 % between 0.1 ms and 100 s. It is 0 when nothing was counted.
func (h Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(total)))
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen >= rank {
			// The value whose relative distance to both edges is the same.
			return time.Duration(2 * edge(i) * gamma / (1 + gamma))
		}
	}
	return 0
}

// CountAbove is the number of latencies greater than d, as if each lay at the
// upper edge of its bucket: one that exceeds d by less than 2.5 % may count or not.
func (h Histogram) CountAbove(d time.Duration) uint64 {
	if h.counts == nil {
		return 0
	}
	var n uint64
	for _, c := range h.counts[bucketOf(d)+1:] {
		n += c
	}
	return n
}

func (h *Histogram) grow() {
	if h.counts == nil {
		h.counts = make([]uint64, buckets)
	}
}

// wireHistogram is the form on the wire: few of the buckets are ever used.
type wireHistogram struct {
	Sum    time.Duration `json:"sum"`
	Counts [][2]uint64   `json:"counts"` // bucket, count
}

// MarshalJSON writes the buckets that are not empty as pairs of index and count.
// It is written by hand because a state holds many of them, ten times a second:
// by reflection the whole state took 1.6 times as long (BenchmarkState/written).
func (h Histogram) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt([]byte(`{"sum":`), int64(h.sum), 10)
	b = append(b, `,"counts":[`...)
	between := ""
	for i, n := range h.counts {
		if n > 0 {
			b = append(append(b, between...), '[')
			b = append(strconv.AppendInt(b, int64(i), 10), ',')
			b = append(strconv.AppendUint(b, n, 10), ']')
			between = ","
		}
	}
	return append(b, `]}`...), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var w wireHistogram
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*h = Histogram{sum: w.Sum}
	for _, c := range w.Counts {
		if c[0] >= buckets {
			return fmt.Errorf("latency bucket %d: there are only %d", c[0], buckets)
		}
		h.grow()
		h.counts[c[0]] += c[1]
	}
	return nil
}

// latencies is a histogram that many goroutines count into.
type latencies struct {
	sum    atomic.Int64
	counts [buckets]atomic.Uint64
}

func (l *latencies) add(d time.Duration) {
	l.counts[bucketOf(d)].Add(1)
	l.sum.Add(int64(d))
}

func (l *latencies) mergeInto(h *Histogram) {
	h.grow()
	for i := range l.counts {
		h.counts[i] += l.counts[i].Load()
	}
	h.sum += time.Duration(l.sum.Load())
}
