package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/engine"
)

// progress turns counters that only grow into rates, by what was seen before.
type progress struct {
	at      time.Time
	before  map[string]engine.TrafficStatus // by revision
	rates   map[string]float64              // requests per second
	base    map[string]engine.TrafficStatus // when the watching began
	started bool
}

// see takes a status over. Rates are taken over at least half a second.
func (p *progress) see(s engine.Status, now time.Time) {
	if p.started && now.Sub(p.at) < 500*time.Millisecond {
		return
	}
	current, rates := map[string]engine.TrafficStatus{}, map[string]float64{}
	for _, t := range s.Traffic {
		current[t.Revision] = t
		if was, known := p.before[t.Revision]; p.started && t.Requests >= was.Requests && (known || was.Requests == 0) {
			rates[t.Revision] = float64(t.Requests-was.Requests) / now.Sub(p.at).Seconds()
		}
	}
	if !p.started {
		p.base = current
	}
	p.started, p.at, p.before, p.rates = true, now, current, rates
}

// line shows how a rollout stands: the step, each revision, and what is waited for.
func (p *progress) line(s engine.Status) string {
	r := s.Rollout
	var b strings.Builder
	fmt.Fprintf(&b, "step %d/%d (%s)", r.Step, r.Steps, r.Name)
	for _, revision := range involved(s) {
		fmt.Fprintf(&b, "  |  %s", p.revision(s, revision))
	}
	fmt.Fprintf(&b, "  |  %s", r.Phase)
	if r.Waiting != "" {
		fmt.Fprintf(&b, ": %s", r.Waiting)
	}
	if e := evidenceOf(r.Analysis); e != "" {
		fmt.Fprintf(&b, "  |  against it: %s", e)
	}
	if r.Phase == "rolling_back" && r.Reason != r.Waiting {
		fmt.Fprintf(&b, " (%s)", r.Reason)
	}
	return b.String()
}

// involved lists the revisions of a rollout: from, those that a superseded one has left, to.
func involved(s engine.Status) (revisions []string) {
	if s.Rollout.From != "" {
		revisions = append(revisions, s.Rollout.From)
	}
	for _, i := range s.Instances {
		if i.Revision != s.Rollout.To && !slices.Contains(revisions, i.Revision) {
			revisions = append(revisions, i.Revision)
		}
	}
	return append(revisions, s.Rollout.To)
}

// revision shows one: healthy of running instances, share of the traffic, and what it answers.
func (p *progress) revision(s engine.Status, revision string) string {
	healthy, all := 0, 0
	for _, i := range s.Instances {
		if i.Revision == revision {
			all++
			if i.Healthy {
				healthy++
			}
		}
	}
	text := fmt.Sprintf("%s %d/%d healthy %s", revision, healthy, all, percent(share(s, revision)))
	for _, t := range s.Traffic {
		if t.Revision == revision {
			text += fmt.Sprintf(" %.0f/s failed %d p50 %s p99 %s", p.rates[revision],
				t.Failed-min(t.Failed, p.base[revision].Failed), latency(t.P50), latency(t.P99))
		}
	}
	return text
}

// share is a revision's part of the traffic as it is routed now. One that was never asked has no counters, but a part.
func share(s engine.Status, revision string) float64 {
	rest := 100.
	for _, t := range s.Traffic {
		if t.Revision == revision {
			return t.Share
		}
		rest -= t.Share
	}
	if s.Rollout != nil && revision == s.Rollout.To {
		return s.Rollout.Weight
	}
	if s.Rollout != nil && len(s.Traffic) == 0 {
		rest -= s.Rollout.Weight
	}
	return max(0, rest)
}

// percent writes a share with as many digits as it has.
func percent(p float64) string { return fmt.Sprintf("%.4g%%", p) }

// latency writes milliseconds.
func latency(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms >= 1000:
		return fmt.Sprintf("%.3gs", ms/1000)
	}
	return fmt.Sprintf("%.3gms", ms)
}
