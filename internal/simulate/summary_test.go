package simulate

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func cancelled(t *testing.T) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return ctx
}

func TestSummarise(t *testing.T) {
	var results []Result
	for i := range 10 {
		r := Result{Outcome: "promoted", Promoted: new(100.0 + float64(i)), Canary: Tally{Requests: uint64(i)}}
		if i >= 6 {
			r = Result{Outcome: "rolled_back", Stream: "errors", Onset: new(2.0), Verdict: new(float64(i)), Hurt: Hurt{Failed: 1, Slow: uint64(i)},
				Evidence: map[string]float64{"errors": 200 + float64(i)}, Back: 1}
		}
		results = append(results, r)
	}
	got := Summarise(results)
	want := Summary{Runs: 10, Outcomes: map[string]int{"promoted": 6, "rolled_back": 4}, Streams: map[string]int{"errors": 4}, Back: 4,
		Delay: Distribution{4, 4, 5, 7, 7}, Verdict: Distribution{4, 6, 7, 9, 9}, Promoted: Distribution{6, 100, 102, 105, 105},
		Requests: Distribution{10, 0, 0, 4, 5}, Failed: Distribution{Runs: 10}, Hurt: Distribution{10, 0, 0, 9, 10}, Evidence: Distribution{10, 1, 1, 208, 209}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
