package judge

import (
	"fmt"
	"math"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
)

// speaker says what was found, in figures and in words.
type speaker struct {
	r        deploy.Rollout
	j        *Judge
	incident analysis.Incident
}

// figures are one for each thing that is measured.
func (s speaker) figures(found analysis.Findings) (out []deploy.Figure) {
	o := s.j.Analysis.Options
	if o.Errors && s.j.Kind == compared {
		out = append(out, s.figure(deploy.StreamErrors, found.Errors))
	}
	if o.Latency && s.j.Kind == compared {
		for _, f := range found.Latency {
			out = append(out, s.figure(deploy.StreamLatency, f))
		}
	}
	for _, f := range found.Guardrail {
		out = append(out, s.figure(deploy.StreamGuardrail, f))
	}
	return out
}

func (s speaker) figure(stream string, f analysis.Finding) deploy.Figure {
	out := deploy.Figure{Stream: stream, Event: event(f), Tail: tail(f), Unit: "%", Canary: reading(s.r.To, f.Canary), Evidence: f.Evidence, Limit: f.Limit}
	if s.j.Kind == compared {
		out.Stable = reading(s.r.From, f.Stable)
	}
	if f.Objective > 0 {
		out.Bound = new(100 * f.Objective)
	}
	out.Words = s.rates(f) + "; " + strength(f)
	if f.Margin == 0 || s.j.Kind != compared {
		return out
	}
	out.Clearance, out.Enough, out.Margin = f.Clearance, analysis.Enough, 100*f.Margin
	if f.Excluded < 1 {
		out.Excluded = new(100 * f.Excluded)
	}
	if f.Clearance < analysis.Enough && !math.IsInf(f.Missing, 0) && f.Missing > 0 {
		out.MoreRequests = new(uint64(math.Ceil(f.Missing)))
		if m := s.j.minutes(f.Missing); !math.IsInf(m, 0) {
			out.MoreMinutes = &m
		}
	}
	out.Words += "; " + s.excluded(f)
	return out
}

func reading(revision string, t analysis.Tally) *deploy.Reading {
	return &deploy.Reading{Revision: revision, Value: 100 * t.Rate(), Requests: t.Requests, Events: t.Events}
}

// event says what is counted.
func event(f analysis.Finding) string {
	switch {
	case f.Threshold == 0:
		return "failed"
	default:
		return "slower than " + latency(f.Threshold)
	}
}

// tail names the quantile of stable that a threshold is.
func tail(f analysis.Finding) string {
	if f.Quantile == 0 || f.Objective > 0 { // a guardrail's time is a person's
		return ""
	}
	return "p" + number(100*f.Quantile)
}

// rates is what both revisions did in this step.
func (s speaker) rates(f analysis.Finding) string {
	text := fmt.Sprintf("%s of %s to %s", percent(f.Canary.Rate()), requests(f.Canary.Requests), s.r.To)
	if s.j.Kind == compared {
		text += fmt.Sprintf(" and %s of %s to %s", percent(f.Stable.Rate()), thousands(f.Stable.Requests), s.r.From)
	}
	if f.Threshold > 0 {
		text += " were"
	}
	text += " " + event(f)
	if tail(f) != "" {
		text += fmt.Sprintf(" (%s of %s)", tail(f), s.r.From)
	}
	if f.Objective > 0 {
		text += fmt.Sprintf(" (the objective allows %s)", percent(f.Objective))
	}
	return text
}

// requests writes a number of them.
func requests(n uint64) string {
	if n == 1 {
		return "1 request"
	}
	return thousands(n) + " requests"
}

// strength puts an e-value into words: 1 in how many rollouts of a harmless version would look as bad by chance.
func strength(f analysis.Finding) string {
	e := fmt.Sprintf("evidence %s of %s", evidence(f.Evidence), thousands(uint64(f.Limit)))
	switch {
	case f.Guilty:
		return "chance is ruled out: " + e
	case f.Evidence < 3:
		return "nothing speaks against it: " + e
	case f.Evidence < analysis.Calm:
		return "hardly anything speaks against it: " + e
	case f.Evidence < f.Limit/4:
		return "something speaks against it: " + e
	default:
		return "much speaks against it: " + e
	}
}

// excluded says which harm is still possible, and what it takes to know more.
func (s speaker) excluded(f analysis.Finding) string {
	asked := fmt.Sprintf("more than %s worse is excluded", points(f.Margin))
	if f.Clearance >= analysis.Enough {
		return asked
	}
	have := "no harm is excluded yet"
	if f.Excluded < 1 {
		have = fmt.Sprintf("harm above %s is excluded, smaller is not", points(f.Excluded))
	}
	return fmt.Sprintf("%s; to exclude %s takes %s", have, points(f.Margin), s.more(f.Missing))
}

// more says how many requests are missing and how long they take.
func (s speaker) more(requests float64) string {
	if math.IsInf(requests, 0) || requests <= 0 {
		return fmt.Sprintf("better figures of %s than these", s.r.To)
	}
	text := fmt.Sprintf("about %s more requests to %s", thousands(uint64(math.Ceil(requests))), s.r.To)
	if m := s.j.minutes(requests); !math.IsInf(m, 0) {
		text += ", " + duration(m) + " at the present rate"
	}
	return text
}

// guilt is the reason of a way back.
func (s speaker) guilt(stream string, f analysis.Finding) string {
	return fmt.Sprintf("%s: %s; %s", stream, s.rates(f), strength(f))
}

// doubt is why a step does not pass although nobody is guilty.
func (s speaker) doubt(f analysis.Finding) string {
	return s.rates(f) + "; " + strength(f) + "; more requests will tell, or naru promote " + s.r.Service
}

// missing is what a step waits for.
func (s speaker) missing(f analysis.Finding) string { return s.rates(f) + ": " + s.excluded(f) }

// cleared says on what a step passes.
func (s speaker) cleared(found analysis.Findings) string {
	switch s.j.Kind {
	case chosen:
		return fmt.Sprintf("only chosen users reach %s, who are not like the others, so it is held against the objectives alone: %s", s.r.To, s.guards(found))
	case alone:
		return fmt.Sprintf("%s has all the traffic, so it is held against the objectives alone: %s", s.r.To, s.guards(found))
	}
	var parts []string
	for _, f := range asked(found) {
		parts = append(parts, fmt.Sprintf("%s, more than %s worse is excluded; %s", s.rates(f), points(f.Margin), strength(f)))
	}
	if len(parts) == 0 {
		return s.guards(found)
	}
	return list(parts)
}

func (s speaker) guards(found analysis.Findings) string {
	var parts []string
	for _, f := range found.Guardrail {
		parts = append(parts, s.rates(f)+"; "+strength(f))
	}
	if len(parts) == 0 {
		return "nothing is asked of it"
	}
	return list(parts)
}

// incidentWords says that stable itself is in trouble.
func (s speaker) incidentWords() string {
	f := s.incident.Finding
	return fmt.Sprintf("%s itself breaks the objective: %s of its %s requests since then %s, allowed are %s (evidence %s of %s); nobody is blamed and nothing is promoted until it keeps it again",
		s.r.From, percent(f.Stable.Rate()), thousands(f.Stable.Requests), event(f), percent(f.Objective), evidence(f.Evidence), thousands(uint64(f.Limit)))
}
