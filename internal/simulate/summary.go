package simulate

import (
	"math"
	"slices"
)

// Summary is how many runs of a scenario went. Times are in seconds.
type Summary struct {
	Runs     int            `json:"runs"`
	Outcomes map[string]int `json:"outcomes"` // how often each
	Streams  map[string]int `json:"streams"`  // which stream of the analysis turned how many back
	Doubtful int            `json:"doubtful"` // in how many a step passed without enough evidence
	Back     int            `json:"stepped_back"`
	Frozen   int            `json:"frozen"` // in how many promotion stood still because the old version suffered

	Delay    Distribution `json:"delay"`   // from the beginning of the regression to the verdict
	Verdict  Distribution `json:"verdict"` // since the rollout began
	Full     Distribution `json:"full"`    // until the new version had all the traffic
	Promoted Distribution `json:"promoted"`

	Requests Distribution `json:"canary_requests"`
	Failed   Distribution `json:"canary_failed"`
	Hurt     Distribution `json:"hurt"`     // users who would have fared better on the old version
	Evidence Distribution `json:"evidence"` // the most that any stream had against the new version
}

// Distribution is of a number over the runs in which there is one.
type Distribution struct {
	Runs   int     `json:"runs"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
	Max    float64 `json:"max"`
}

// Summarise says how many runs went.
func Summarise(results []Result) Summary {
	s := Summary{Runs: len(results), Outcomes: map[string]int{}, Streams: map[string]int{}}
	for _, r := range results {
		s.Outcomes[r.Outcome]++
		if r.Verdict != nil && r.Stream != "" {
			s.Streams[r.Stream]++
		}
		s.Doubtful += one(r.Doubts > 0)
		s.Back += one(r.Back > 0)
		s.Frozen += one(r.Frozen > 0)
	}
	given := func(p *float64) (float64, bool) {
		if p == nil {
			return 0, false
		}
		return *p, true
	}
	s.Delay = Distribute(results, Result.Delay)
	s.Verdict = Distribute(results, func(r Result) (float64, bool) { return given(r.Verdict) })
	s.Full = Distribute(results, func(r Result) (float64, bool) { return given(r.Full) })
	s.Promoted = Distribute(results, func(r Result) (float64, bool) { return given(r.Promoted) })
	s.Requests = Distribute(results, func(r Result) (float64, bool) { return float64(r.Canary.Requests), true })
	s.Failed = Distribute(results, func(r Result) (float64, bool) { return float64(r.Canary.Failed), true })
	s.Hurt = Distribute(results, func(r Result) (float64, bool) { return float64(r.Hurt.All()), true })
	s.Evidence = Distribute(results, func(r Result) (float64, bool) {
		most := 1.0
		for _, e := range r.Evidence {
			most = max(most, e)
		}
		return most, true
	})
	return s
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Distribute sums a number of every result up, where it has one. Quantiles are of the nearest rank.
func Distribute[T any](results []T, number func(T) (float64, bool)) Distribution {
	var all []float64
	for _, r := range results {
		if v, ok := number(r); ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return Distribution{}
	}
	slices.Sort(all)
	rank := func(q float64) float64 { return all[max(0, int(math.Ceil(q*float64(len(all))))-1)] }
	return Distribution{len(all), all[0], rank(0.5), rank(0.9), all[len(all)-1]}
}
