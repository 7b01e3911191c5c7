package judge

import (
	"fmt"
	"math"
	"strings"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
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
	if f.Confounded {
		out.Words += "; most requests are of users who stay with one version, so that a slow user looks like a slow version: this is told and not waited for"
		return out
	}
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

// reading is nil where nothing was counted: no request is not a rate of 0.
func reading(revision string, t analysis.Tally) *deploy.Reading {
	if t.Requests == 0 {
		return nil
	}
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
	text := of(f.Canary, s.r.To, "request")
	if s.j.Kind == compared && f.Stable.Requests > 0 {
		text += " and " + of(f.Stable, s.r.From, "")
	}
	if f.Threshold > 0 {
		text += " were"
	}
	text += " " + event(f)
	if f.Whole {
		text += " since the rollout began"
	}
	if tail(f) != "" {
		text += fmt.Sprintf(" (%s of %s)", tail(f), s.r.From)
	}
	if f.Objective > 0 {
		text += fmt.Sprintf(" (the objective allows %s)", figure.Percent(f.Objective))
	}
	return text
}

// of is the events of a revision among its requests, which have a name where it was not said before.
func of(t analysis.Tally, revision, noun string) string {
	if t.Requests == 0 {
		return "no request to " + revision
	}
	n := figure.Count(t.Requests)
	if noun != "" && t.Requests > 1 {
		noun += "s"
	}
	return fmt.Sprintf("%s of %s to %s", figure.Percent(t.Rate()), strings.TrimSpace(n+" "+noun), revision)
}

// strength puts an e-value into words: 1 in how many rollouts of a harmless version would look as bad by chance.
func strength(f analysis.Finding) string {
	e := fmt.Sprintf("evidence %s of %s", figure.Evidence(f.Evidence), figure.Count(uint64(f.Limit)))
	switch {
	case f.Guilty:
		return fmt.Sprintf("by chance alone less than 1 in %s would look so: %s", figure.Count(uint64(f.Limit)), e)
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
	if f.Clearance >= analysis.Enough {
		return fmt.Sprintf("more than %s worse is excluded", figure.Points(f.Margin))
	}
	have := "no harm is excluded yet"
	if f.Excluded < 1 {
		have = fmt.Sprintf("harm above %s is excluded, smaller is not", figure.Points(f.Excluded))
	}
	if math.IsInf(f.Missing, 0) || f.Missing <= 0 {
		return fmt.Sprintf("%s; %s cannot be while %s does no better than this", have, figure.Points(f.Margin), s.r.To)
	}
	text := fmt.Sprintf("%s; to exclude %s takes about %s more requests to %s", have, figure.Points(f.Margin), figure.About(f.Missing), s.r.To)
	if m := s.j.minutes(f.Missing); !math.IsInf(m, 0) {
		text += ", " + figure.Minutes(m) + " at the present rate"
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
		parts = append(parts, fmt.Sprintf("%s, more than %s worse is excluded; %s", s.rates(f), figure.Points(f.Margin), strength(f)))
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
	until := "it keeps it again"
	if s.j.Kind == alone {
		until = s.r.To + ", which has all the traffic now, keeps it"
	}
	return fmt.Sprintf("%s itself breaks the objective: %s of its %s requests since then %s, allowed are %s (evidence %s of %s); nobody is blamed and nothing is promoted until %s",
		s.r.From, figure.Percent(f.Stable.Rate()), figure.Count(f.Stable.Requests), event(f), figure.Percent(f.Objective), figure.Evidence(f.Evidence), figure.Count(uint64(f.Limit)), until)
}
