package main

import (
	"context"
	"fmt"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/simulate"
)

func span(d time.Duration) deploy.Duration { return deploy.Duration(d) }

// aCase is a regression to be found.
type aCase struct {
	key, name string
	goal      float64 // median delay, in seconds; 0: none
	most      float64 // failed requests of the canary, median; 0: no goal
	scenario  simulate.Scenario
	first     bool // also taken with a regression that is there from the first request on
}

func (r *report) worse(key, name string, goal, most, rate float64, bad simulate.Regression, change ...func(*simulate.Scenario)) aCase {
	s := r.five()
	bad.After = span(r.short(bad.After.D()))
	s.Rate, s.Regressions = rate, []simulate.Regression{bad}
	for _, f := range change {
		f(&s)
	}
	return aCase{key: key, name: name, goal: goal, most: most, scenario: s, first: bad.Errors == nil && bad.Hang == 0}
}

// settled is how long after the first request a slower canary begins to be slower: latencies are not compared for the
// first 30 s of a step.
const settled = time.Minute

func (r *report) cases() []aCase {
	errors := func(key, name string, goal, most, rate float64, from, to simulate.Portion) aCase {
		return r.worse(key, name, goal, most, rate, simulate.Regression{Errors: &to}, func(s *simulate.Scenario) { s.Errors = from })
	}
	slower := func(key, name string, goal float64, bad simulate.Regression, change ...func(*simulate.Scenario)) aCase {
		bad.After = span(settled)
		return r.worse(key, name, goal, 0, 1000, bad, change...)
	}
	wide := func(s *simulate.Scenario) { s.P99 = 10 * s.P50 }
	return []aCase{
		errors("0.1to1", "errors 0.1 → 1 %, 1,000 rps", 15, 10, 1000, 0.001, 0.01),
		errors("0.5to2", "errors 0.5 → 2 %, 1,000 rps", 0, 0, 1000, 0.005, 0.02),
		errors("1to1.5", "errors 1 → 1.5 %, 1,000 rps", 0, 0, 1000, 0.01, 0.015),
		errors("0to100", "errors 0 → 100 %, 1,000 rps", 0.3, 10, 1000, 0, 1),
		errors("50rps", "errors 0.1 → 1 %, 50 rps", 300, 0, 50, 0.001, 0.01),
		r.worse("hang", "5 % are never answered, 1,000 rps", 0, 0, 1000, simulate.Regression{Hang: 0.05, After: span(settled)}),
		slower("median", "all 10 % slower", 60, simulate.Regression{Latency: 1.1}),
		slower("tail", "p99 20 % slower, the median as before", 60, simulate.Regression{Latency: 1.2, Part: "tail"}),
		slower("stall", "2 % of the requests 10 times slower", 15, simulate.Regression{Slow: 0.02, Times: 10}),
		slower("median-wide", "all 10 % slower, p99 ten times p50", 0, simulate.Regression{Latency: 1.1}, wide),
		slower("tail-wide", "p99 20 % slower, p99 ten times p50", 0, simulate.Regression{Latency: 1.2, Part: "tail"}, wide),
	}
}

// measured is what one method made of a case.
type measured struct {
	Runs   int                   `json:"runs"`
	Delay  simulate.Distribution `json:"delay"`  // Runs of it: in how many it was found
	Failed simulate.Distribution `json:"failed"` // failed requests of the canary until then
	Hurt   simulate.Distribution `json:"hurt"`
}

// row is a case with all methods.
type row struct {
	Key         string    `json:"key"`
	Name        string    `json:"name"`
	Goal        float64   `json:"goal"`
	Most        float64   `json:"most"`
	Wald        float64   `json:"wald"` // 0: not known
	Naru        measured  `json:"naru"`
	First       *measured `json:"first,omitempty"` // there from the first request on
	MannWhitney measured  `json:"mann_whitney"`
	Threshold   measured  `json:"threshold"`
}

func delays(ctx context.Context, r *report) (text string, err error) {
	for _, c := range r.cases() {
		one := row{Key: c.key, Name: c.name, Goal: c.goal, Most: c.most}
		if c.scenario.Regressions[0].Hang == 0 {
			one.Wald = wald(c.scenario, 0.05*c.scenario.Rate)
		}
		if one.Naru, err = find(ctx, c.scenario, r.Runs); err != nil {
			return "", err
		}
		if c.first {
			s := c.scenario
			bad := s.Regressions[0]
			bad.After = 0
			s.Regressions = []simulate.Regression{bad}
			m, err := find(ctx, s, r.Runs)
			if err != nil {
				return "", err
			}
			one.First = &m
		}
		if one.MannWhitney, one.Threshold, err = others(ctx, c.scenario, max(1, r.Runs/8)); err != nil {
			return "", err
		}
		r.Delays = append(r.Delays, one)
		text += fmt.Sprintf("  %-45s wald %s  naru %s  mann-whitney %s  threshold %s\n", c.name, seconds(one.Wald), one.Naru.words(), one.MannWhitney.words(), one.Threshold.words())
		if one.First != nil {
			text += fmt.Sprintf("  %-45s naru %s\n", "  from the first request on", one.First.words())
		}
	}
	return text, nil
}

// find plays a scenario many times and measures how long naru takes.
func find(ctx context.Context, s simulate.Scenario, runs int) (measured, error) {
	results, err := simulate.Runs(ctx, s, runs)
	sum := simulate.Summarise(results)
	return measured{runs, sum.Delay, sum.Failed, sum.Hurt}, err
}

// others plays the same traffic without naru's analysis and lets the other methods judge it.
func others(ctx context.Context, s simulate.Scenario, runs int) (mannWhitney, threshold measured, err error) {
	s.Service.Analysis.Enabled = new(false)
	onset := s.Regressions[0].After.D()
	type found struct{ mannWhitney, threshold fired }
	results, err := simulate.Each(ctx, runs, func(i int) (f found) {
		r := newRivals(s)
		failed := 0.0
		simulate.Run(s, s.Seed+i, func(m simulate.Moment) bool {
			failed += float64(m.Canary.Failed)
			on := r.see(m)
			f.mannWhitney.note(r.mannWhitney, onset, failed)
			f.threshold.note(r.threshold, onset, failed)
			return on
		})
		return f
	})
	sum := func(of func(found) fired) measured {
		return measured{runs, simulate.Distribute(results, func(f found) (float64, bool) { return of(f).delay, of(f).yes }),
			simulate.Distribute(results, func(f found) (float64, bool) { return of(f).failed, of(f).yes }), simulate.Distribution{}}
	}
	return sum(func(f found) fired { return f.mannWhitney }), sum(func(f found) fired { return f.threshold }), err
}

// fired is when a method found a regression. What fires before there is one has found nothing.
type fired struct {
	yes           bool
	delay, failed float64
}

func (f *fired) note(at, onset time.Duration, failed float64) {
	if at > onset && !f.yes {
		*f = fired{true, (at - onset).Seconds(), failed}
	}
}
