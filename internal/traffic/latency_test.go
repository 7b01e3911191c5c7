package traffic

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantilesAreNearTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 200).Draw(t, "durations")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var l Latency
		for _, d := range durations {
			l.Add(time.Duration(d))
		}
		slices.Sort(durations)
		truth := time.Duration(durations[min(int(q*float64(len(durations))), len(durations)-1)])
		got := l.Quantile(q)
		// Never less than the truth, and no more than a bucket above it.
		if got < truth || got > truth+truth/16+time.Microsecond {
			t.Errorf("quantile %v of %d durations: got %v, truth %v", q, len(durations), got, truth)
		}
		if l.Max() != time.Duration(durations[len(durations)-1]) {
			t.Errorf("max %v", l.Max())
		}
	})
}

func TestMergedLatenciesAreThoseCountedTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b, both Latency
		for i, d := range rapid.SliceOf(rapid.Int64Range(-5, int64(48*time.Hour))).Draw(t, "durations") {
			[]*Latency{&a, &b}[i%2].Add(time.Duration(d))
			both.Add(time.Duration(d))
		}
		a.Merge(b)
		if a != both {
			t.Errorf("merged %v, together %v", a.String(), both.String())
		}
	})
}

func TestLatencyOfNothing(t *testing.T) {
	var l Latency
	if got := l.String(); got != "p50 0s, p90 0s, p99 0s, max 0s" {
		t.Error(got)
	}
}

func TestLatencyBucketsLieSideBySide(t *testing.T) {
	for i := range latencyBuckets - 1 {
		end := bucketEnd(i)
		if got := bucketOf(end - 1); got != i {
			t.Errorf("%v is in bucket %d, not %d", end-1, got, i)
		}
		if got := bucketOf(end); got != i+1 {
			t.Errorf("%v is in bucket %d, not %d", end, got, i+1)
		}
	}
}
