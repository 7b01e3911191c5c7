package main

import (
	"context"
	"fmt"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/simulate"
)

// begun is a regression that begins at some time of a rollout which stays in its first step.
type begun struct {
	After string   `json:"after"`
	Naru  measured `json:"naru"`
}

func late(ctx context.Context, r *report) (string, error) {
	text := ""
	r.Late = nil
	for _, after := range []time.Duration{0, 5 * time.Minute, 30 * time.Minute} {
		s := r.five()
		s.Regressions = []simulate.Regression{{Errors: new(simulate.Portion(0.01)), After: span(r.short(after))}}
		m, err := find(ctx, s, r.Runs)
		if err != nil {
			return "", err
		}
		r.Late = append(r.Late, begun{span(after).String(), m})
		text += fmt.Sprintf("  errors 0.1 → 1 %% from %s on: %s\n", span(after), m.words())
	}
	return text, nil
}

// release is good versions at some rate.
type release struct {
	Rate  float64               `json:"rate"`
	Full  simulate.Distribution `json:"full"` // seconds until everybody has it
	Runs  int                   `json:"runs"`
	Doubt int                   `json:"doubt"` // passed a step without enough evidence
	Back  int                   `json:"back"`  // rolled back
	Steps []walk                `json:"steps"` // of the first three runs
}

// walk is how the share grows with time.
type walk struct {
	At    []float64 `json:"at"`
	Share []float64 `json:"share"`
}

func healthy(ctx context.Context, r *report) (string, error) {
	text := ""
	r.Healthy = nil
	for _, rate := range []float64{10_000, 1000, 200, 50, 5} {
		if r.Quick && rate > 1000 {
			continue
		}
		s := r.usual()
		s.Rate = rate
		runs := max(1, r.Runs/2)
		if rate > 1000 {
			runs = max(1, r.Runs/10)
		}
		results, err := simulate.Runs(ctx, s, runs)
		if err != nil {
			return "", err
		}
		sum := simulate.Summarise(results)
		one := release{Rate: rate, Full: sum.Full, Runs: runs, Doubt: sum.Doubtful, Back: sum.Outcomes[string(deploy.RolledBack)]}
		for _, result := range results[:min(3, runs)] {
			one.Steps = append(one.Steps, walked(result))
		}
		r.Healthy = append(r.Healthy, one)
		text += fmt.Sprintf("  %6.0f rps: everybody has it after %s (90 %%: %s), %d of %d passed a step without enough evidence, %d rolled back\n",
			rate, seconds(one.Full.Median), seconds(one.Full.P90), one.Doubt, runs, one.Back)
	}
	return text, nil
}

func walked(r simulate.Result) (w walk) {
	for i, stay := range r.Steps {
		if stay.Reached != nil {
			w.At = append(w.At, *stay.Reached)
			w.Share = append(w.Share, []float64{0.05, 0.1, 0.25, 0.5, 0.75, 1}[min(i, 5)])
		}
	}
	w.At, w.Share = append(w.At, r.Ended), append(w.Share, w.Share[len(w.Share)-1])
	return w
}

// path is the evidence of the error stream in one run, every second.
type path struct {
	Bad      bool      `json:"bad"`
	Evidence []float64 `json:"evidence"`
}

// pathEnd is how long a path is followed.
const pathEnd = 2 * time.Minute

func paths(ctx context.Context, r *report) (string, error) {
	var err error
	r.Paths, err = simulate.Each(ctx, 24, func(i int) path {
		s := r.five()
		p := path{Bad: i%2 == 0}
		if p.Bad {
			s.Regressions = []simulate.Regression{{Errors: new(simulate.Portion(0.01))}}
		}
		simulate.Run(s, 100+i, func(m simulate.Moment) bool {
			if e, judged := m.Evidence[deploy.StreamErrors]; judged && m.Since >= 0 && m.At%time.Second == 0 {
				p.Evidence = append(p.Evidence, e)
			}
			return m.At < r.short(pathEnd)
		})
		if last := len(p.Evidence) - 1; p.Bad && last >= 0 && p.Evidence[last] < 200 {
			p.Evidence = append(p.Evidence, 200) // it fired between two seconds
		}
		return p
	})
	return fmt.Sprintf("  %d paths\n", len(r.Paths)), err
}
