package judge

import (
	"math"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
)

// Judge is the judge of one rollout.
type Judge struct {
	Rollout  string             `json:"rollout"`
	Step     int                `json:"step"`    // that the analysis is in; -1: none yet
	Reached  bool               `json:"reached"` // its traffic has been given
	Kind     kind               `json:"kind"`    // of evidence that the step can give
	Analysis *analysis.Analysis `json:"analysis"`
	Pending  Sample             `json:"pending"`            // counted since the last tick
	Given    uint64             `json:"given"`              // requests that the canary was given in this stay in the step
	Answered uint64             `json:"answered"`           // of them, or of those before, whose fate is known
	Waiting  [2]uint64          `json:"waiting"`            // requests that the canary, and stable, have had for too long
	Asked    uint64             `json:"asked"`              // requests that stable was given in this stay
	Since    time.Duration      `json:"since"`              // how long that is
	Returned bool               `json:"returned,omitempty"` // the incident that is open has taken a step back already
}

// Sample is what all proxies together have counted since the sample before it.
type Sample struct {
	Span   time.Duration   `json:"span"`
	Canary analysis.Counts `json:"canary"` // randomly assigned requests
	Stable analysis.Counts `json:"stable"`
	Chosen analysis.Counts `json:"chosen"` // requests that were sent to the canary for what they are
	Cohort uint64          `json:"cohort"` // the division of the traffic that stands at its end
	Share  float64         `json:"share"`  // the canary's part in it, from 0 to 1
	// Waiting is how many requests the canary, and stable, have had at its end for longer than nearly all of their like take,
	// and that are neither answered nor counted as failed yet.
	Waiting [2]uint64 `json:"waiting"`
}

// add joins a later sample. What was comparable in the division before is no more where there is a new one.
func (s *Sample) add(o Sample) {
	if s.Cohort != o.Cohort {
		s.Canary.Cohort, s.Stable.Cohort, s.Cohort = analysis.Cohort{}, analysis.Cohort{}, o.Cohort
	}
	s.Span, s.Share, s.Waiting = s.Span+o.Span, o.Share, o.Waiting
	s.Canary.Add(o.Canary)
	s.Stable.Add(o.Stable)
	s.Chosen.Add(o.Chosen)
}

// kind is what a step lets us know.
type kind string

const (
	compared kind = "compared" // both revisions get random requests
	alone    kind = "alone"    // the canary has everything: only the objectives speak
	chosen   kind = "chosen"   // only chosen users reach the canary: they are not like the others
	silent   kind = "silent"   // it gets nothing
)

// Warmth is how long after a shift of traffic latency is not compared: caches are cold. A step that bakes for less is
// given as long as it bakes, or it would never be compared at all.
const Warmth = 30 * time.Second

// Times of a tick. Evidence is taken ten times a second where there is enough traffic for it, and once a second elsewhere.
const (
	quickTick = 100 * time.Millisecond
	slowTick  = time.Second
	quickRate = 100 // requests per second
)

// Begin returns the judge of a rollout; base is what is known of the stable revision from before it.
func Begin(r deploy.Rollout, a deploy.Analysis, base analysis.Baseline) Judge {
	return Judge{Rollout: r.ID, Step: -1, Analysis: analysis.New(options(a), base)}
}

func options(a deploy.Analysis) analysis.Options {
	on := func(stream string) bool { return slices.Contains(a.Streams, stream) }
	o := analysis.Options{Alpha: part(a.Alpha), Harm: part(a.Margins.Errors), Errors: on(deploy.StreamErrors), Latency: on(deploy.StreamLatency),
		Guardrail: on(deploy.StreamGuardrail), Shift: int(math.Round(math.Log1p(part(a.Margins.Latency)) / math.Log(analysis.Gamma)))}
	if o.Guardrail {
		o.Objective, o.P99 = part(a.Objectives.Errors), a.Objectives.P99.D()
	}
	return o
}

// part reads a share as a number from 0 to 1.
func part(s *deploy.Share) float64 {
	if s == nil {
		return 0
	}
	return float64(*s) / float64(deploy.Whole)
}

// See takes a sample into account. It must be given every sample of the rollout, once. Also where the canary is given
// nothing stable is watched, so that its own troubles are known when it will.
func (j *Judge) See(r deploy.Rollout, now time.Time, s Sample) {
	j.follow(r)
	j.Pending.add(s)
	if !j.Pending.due() {
		return
	}
	p := j.Pending
	j.Pending = Sample{Cohort: p.Cohort}
	if r.Returning || r.Passed {
		return
	}
	j.Given += p.Canary.Claimed + p.Chosen.Claimed
	j.Answered += p.Canary.Requests + p.Chosen.Requests
	j.Asked += p.Stable.Claimed
	j.Waiting = p.Waiting
	j.Since += p.Span
	j.Analysis.Add(analysis.Tick{Span: p.Span, Canary: p.Canary, Stable: p.Stable, Chosen: p.Chosen, Cohort: p.Cohort, Share: p.Share, Warming: warming(r, now)})
	j.Returned = j.Returned && j.Analysis.Disturbed()
}

// due decides by counts and time alone, never by how requests ended: then every tick is a fair bet.
func (s Sample) due() bool {
	n := float64(s.Canary.Requests + s.Stable.Requests)
	return s.Span >= slowTick || s.Span >= quickTick && n >= quickRate*s.Span.Seconds()
}

// follow enters the step that the rollout is in once its picture is true. Until then errors go on being counted at the
// shares of the step before.
func (j *Judge) follow(r deploy.Rollout) {
	reached := !r.Reached.IsZero()
	if r.Returning || r.Passed || r.At == j.Step && (reached == j.Reached || !reached) {
		return
	}
	if r.At < j.Step && j.Analysis.Question() {
		j.Returned = true
	}
	if !reached && j.Step >= 0 && r.At != j.Step {
		return // the traffic still stands as the step before has left it
	}
	j.Returned = j.Returned || r.At < j.Step
	p := r.Forth[r.At].Picture
	j.Step, j.Reached, j.Kind = r.At, reached, kindOf(p, r)
	j.Given, j.Answered, j.Asked, j.Since = 0, 0, 0, 0
	next := p
	if r.At+1 < len(r.Forth) {
		next = r.Forth[r.At+1].Picture
	}
	j.Analysis.Enter(analysis.Step{Compared: j.Kind == compared, Share: share(p, r.To), Next: share(next, r.To)})
}

func kindOf(p deploy.Picture, r deploy.Rollout) kind {
	switch to, from := share(p, r.To), share(p, r.From); {
	case to > 0 && from > 0:
		return compared
	case to > 0:
		return alone
	}
	for _, g := range p.Groups {
		if g.Revision == r.To && len(g.Match) > 0 {
			return chosen
		}
	}
	return silent
}

// share is a revision's part of the random traffic, from 0 to 1; where it follows the number of instances, their part.
func share(p deploy.Picture, revision string) float64 {
	s := p.Share(revision)
	if s != deploy.Proportional {
		return float64(s) / float64(deploy.Whole)
	}
	n, all := 0, 0
	for _, g := range p.Groups {
		if g.Share == deploy.Proportional {
			all += g.Instances
			if g.Revision == revision {
				n += g.Instances
			}
		}
	}
	return float64(n) / float64(max(1, all))
}

// warming reports whether the traffic was shifted a moment ago.
func warming(r deploy.Rollout, now time.Time) bool {
	return r.Reached.IsZero() || now.Sub(r.Reached) < min(Warmth, r.Step().Gate.Bake)
}
