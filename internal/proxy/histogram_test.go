package proxy

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketsCoverTheirRange(t *testing.T) {
	if math.Log(gamma) != logGamma {
		t.Errorf("logGamma is %v, want %v", logGamma, math.Log(gamma))
	}
	if top := time.Duration(edge(buckets)); top < 100*time.Second || top > 103*time.Second {
		t.Errorf("the last bucket ends at %v", top)
	}
	for _, d := range []time.Duration{-1, 0, 1, bucketMin} {
		if bucketOf(d) != 0 {
			t.Errorf("%v is in bucket %d", d, bucketOf(d))
		}
	}
	if bucketOf(time.Hour) != buckets-1 {
		t.Errorf("an hour is in bucket %d", bucketOf(time.Hour))
	}
	for i := 1; i < buckets; i++ {
		for _, inside := range []time.Duration{time.Duration(edge(i)) + 1, time.Duration(edge(i) * math.Sqrt(gamma)), time.Duration(edge(i + 1))} {
			if bucketOf(inside) != i {
				t.Errorf("%v is in bucket %d, want %d", inside, bucketOf(inside), i)
			}
		}
	}
}

func TestBucketOfFollowsItsFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(1).Draw(t, "d") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		i := bucketOf(d)
		if i > 0 && float64(d) <= edge(i) || i < buckets-1 && float64(d) > edge(i+1) {
			t.Fatalf("%d ns is in bucket %d, from %f to %f", d, i, edge(i), edge(i+1))
		}
	})
}

func TestQuantileError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		spread := rapid.Float64Range(0, 13).Draw(t, "spread")
		var h Histogram
		var all []time.Duration
		for range n {
			d := time.Duration(float64(bucketMin) * math.Exp(rng.Float64()*spread))
			h.Add(d)
			all = append(all, d)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			exact := all[max(0, int(math.Ceil(q*float64(n)))-1)]
			if q == 0 {
				exact = all[0]
			}
			got := h.Quantile(q)
			if e := math.Abs(float64(got-exact)) / float64(exact); e > 0.0126 {
				t.Fatalf("q%g: %v, exact %v: wrong by %.2f %%", q, got, exact, 100*e)
			}
		}
		limit := all[rng.IntN(n)]
		above := uint64(n - upto(all, time.Duration(float64(limit)*gamma)))
		atLeast, atMost := above, uint64(n-upto(all, limit))
		if got := h.CountAbove(limit); got < atLeast || got > atMost {
			t.Fatalf("%d above %v, want %d to %d", got, limit, atLeast, atMost)
		}
	})
}

// upto counts what does not exceed limit.
func upto(sorted []time.Duration, limit time.Duration) int {
	i, _ := slices.BinarySearch(sorted, limit+1)
	return i
}

func TestHistogramsMerge(t *testing.T) {
	var a, b, both Histogram
	var live latencies
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		if i%3 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
		both.Add(d)
		live.add(d)
	}
	before := a
	before.counts = slices.Clone(a.counts)
	a.Merge(b)
	a.Merge(Histogram{})
	var counted Histogram
	live.mergeInto(&counted)
	for name, h := range map[string]Histogram{"merged": a, "live": counted} {
		if !slices.Equal(h.counts, both.counts) || h.Sum() != both.Sum() {
			t.Errorf("%s is not the histogram of all", name)
		}
	}
	since := a.Since(before)
	if !slices.Equal(since.counts, b.counts) || since.Sum() != b.Sum() {
		t.Error("the difference is not what was merged")
	}
	if e := (Histogram{}).Since(a); e.Count() != 0 || e.Quantile(0.5) != 0 || e.CountAbove(0) != 0 {
		t.Error("nothing counted is nothing")
	}
}

func TestHistogramJSON(t *testing.T) {
	var h Histogram
	for i := range 100 {
		h.Add(time.Duration(i) * time.Millisecond)
	}
	for _, want := range []Histogram{h, {}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Histogram
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.counts, want.counts) || got.sum != want.sum {
			t.Errorf("%s came back as something else", text)
		}
	}
	var bad Histogram
	if json.Unmarshal([]byte(`{"sum":1,"counts":[[560,1]]}`), &bad) == nil {
		t.Error("a bucket that does not exist was accepted")
	}
}
