package deploy

import (
	"fmt"
	"slices"
	"strings"
)

// Warnings returns what can be carried out but is probably not what was meant. It expects normalised settings
// that Validate has nothing to say about.
func (s Service) Warnings() []Problem {
	var p problems
	s.warnVersion(&p)
	s.warnSecrets(&p)
	if s.Health.Timeout > s.Health.Interval && s.Health.kinds() > 0 {
		p.add("health.timeout", "a probe may take longer (%s) than the time between two (%s)", s.Health.Timeout, s.Health.Interval)
	}
	if s.Health.StartTimeout > s.Deadline {
		p.add("health.start_timeout", "%s is longer than the deadline of a step, %s, which ends first", s.Health.StartTimeout, s.Deadline)
	}
	s.warnStrategy(&p)
	s.warnAnalysis(&p)
	return p
}

// warnVersion finds programs that cannot differ from one version to the next. NARU_VERSION is in every
// instance's environment, so a command that names it reads it there.
func (s Service) warnVersion(p *problems) {
	if s.Docker != nil {
		s.Docker.warnVersion(p)
		return
	}
	if s.Process == nil || s.Process.Artifact != "" {
		return
	}
	for _, use := range s.Process.texts() {
		if strings.Contains(use.text, "${VERSION}") || strings.Contains(use.text, "NARU_VERSION") {
			return
		}
	}
	p.add("process", "neither ${VERSION} nor an artifact appears: every version would run the same program")
}

// warnVersion finds images that are the same for every version. A tag that is moved by hand still makes each revision another
// one, but nobody can tell which is which.
func (d Docker) warnVersion(p *problems) {
	if !strings.Contains(d.Image, "${VERSION}") {
		p.add("docker.image", "${VERSION} does not appear: every version would run what %s names at its deploy", d.Image)
	}
}

func (s Service) warnStrategy(p *problems) {
	judged := s.Analysis.On()
	p.unwatched("bake", s.Bake, judged)
	if r := s.Strategy.Rolling; r != nil {
		if r.MaxSurge != nil && *r.MaxSurge == 0 && r.MaxUnavailable >= s.Instances && !s.Worker() {
			p.add("strategy.rolling", "max_surge is 0 and every instance may be missing at once: requests are held while they are replaced, and fail after %s", s.HoldTimeout)
		}
		p.unwatched("strategy.rolling.bake", r.Bake, judged)
	}
	if b := s.Strategy.BlueGreen; b != nil {
		p.unwatched("strategy.blue_green.bake", b.Bake, judged)
	}
	if c := s.Strategy.Canary; c != nil {
		for i, step := range c.Steps {
			p.unwatched(fmt.Sprintf("strategy.canary.steps[%d].bake", i), step.Bake, judged)
		}
		p.unwatched("strategy.canary.bake", c.Bake, judged)
	}
}

func (p *problems) unwatched(path string, bake *Duration, judged bool) {
	if judged && bake != nil && *bake == 0 {
		p.add(path, "is 0 while the analysis is on: there is no time to see how the new version does")
	}
}

// warnAnalysis finds bounds that somebody relies on and that nothing is held against.
func (s Service) warnAnalysis(p *problems) {
	const at = "analysis"
	a := s.Analysis
	if !a.On() && len(a.Sources) > 0 {
		p.add(at+".sources", "are not asked: analysis.enabled is false")
	}
	if a.Objectives != (Objectives{}) && !slices.Contains(a.Streams, StreamGuardrail) {
		p.add(at+".objectives", "are not used: guardrail is not among analysis.streams")
	}
	// It can be broken all the same, by answers that begin in time and then take long.
	if limit := s.Limits.ResponseTimeout; a.Objectives.P99 > limit {
		p.add(at+".objectives.p99", "%s is longer than limits.response_timeout, %s: requests whose answer does not begin by then have failed already", a.Objectives.P99, limit)
	}
	if m := a.Margins.Latency; m != nil && *m%latencyStep != 0 {
		p.add(at+".margins.latency", "%s is rounded to a multiple of %s: latencies are not told apart more finely", *m, latencyStep)
	}
	for i, source := range a.Sources {
		if source.Timeout > source.Interval {
			p.add(fmt.Sprintf("%s.sources[%d].timeout", at, i), "an answer may take longer (%s) than the time between two questions (%s), which are asked one after another", source.Timeout, source.Interval)
		}
	}
}
