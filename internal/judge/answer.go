package judge

import (
	"fmt"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Answer is the last word of an outside source in this step.
type Answer struct {
	Source   deploy.Source
	Canary   *float64 // nil: no data
	Stable   *float64 // nil: no data, or not asked
	Known    bool     // they say whether the bounds are kept
	Err      string   // why the last question got no answer
	At       time.Time
	Breaches int // answers in a row beyond a bound
}

// good reports whether the source has said that all is well.
func (a Answer) good() bool {
	return a.Known && a.Err == "" && a.Breaches == 0
}

func (a Answer) words(r deploy.Rollout) string {
	switch {
	case a.Err != "":
		return fmt.Sprintf("%s is unknown: %s", a.Source.Name, a.Err)
	case a.Canary == nil:
		return fmt.Sprintf("%s has no data of %s", a.Source.Name, r.To)
	case a.Source.Compares() && a.Stable == nil:
		return fmt.Sprintf("%s is %s for %s and has no data of %s", a.Source.Name, number(*a.Canary), r.To, r.From)
	}
	text := fmt.Sprintf("%s is %s for %s", a.Source.Name, number(*a.Canary), r.To)
	if !a.Known {
		return fmt.Sprintf("%s and 0 for %s, to which there is no ratio", text, r.From)
	}
	if a.Stable != nil {
		text += fmt.Sprintf(" and %s for %s", number(*a.Stable), r.From)
	}
	return text + "; allowed is " + bounds(a.Source)
}

// bounds writes what a source allows.
func bounds(s deploy.Source) string {
	var parts []string
	add := func(bound *float64, format string) {
		if bound != nil {
			parts = append(parts, fmt.Sprintf(format, number(*bound)))
		}
	}
	add(s.Max, "at most %s")
	add(s.Min, "at least %s")
	add(s.MaxRatio, "at most %s times the old version's")
	add(s.MinRatio, "at least %s times the old version's")
	return list(parts)
}

// outside are the figures of the sources.
func outside(answers []Answer, r deploy.Rollout) (out []deploy.Figure) {
	for _, a := range answers {
		f := deploy.Figure{Stream: a.Source.Name, Event: "the answer of the source", Words: a.words(r), Bound: a.Source.Max}
		if f.Bound == nil {
			f.Bound = a.Source.Min
		}
		if a.Canary != nil {
			f.Canary = &deploy.Reading{Revision: r.To, Value: *a.Canary}
		}
		if a.Stable != nil {
			f.Stable = &deploy.Reading{Revision: r.From, Value: *a.Stable}
		}
		out = append(out, f)
	}
	return out
}
