package deploy

import (
	"fmt"
	"strings"
)

// Warnings returns what can be carried out but is probably not what was meant. It expects normalised settings
// that Validate has nothing to say about.
func (s Service) Warnings() []Problem {
	var p problems
	s.warnVersion(&p)
	if s.Health.Timeout > s.Health.Interval && s.Health.kinds() > 0 {
		p.add("health.timeout", "a probe may take longer (%s) than the time between two (%s)", s.Health.Timeout, s.Health.Interval)
	}
	if s.Health.StartTimeout > s.Deadline {
		p.add("health.start_timeout", "%s is longer than the deadline of a step, %s, which ends first", s.Health.StartTimeout, s.Deadline)
	}
	s.warnStrategy(&p)
	return p
}

// warnVersion finds programs that cannot differ from one version to the next. NARU_VERSION is in every
// instance's environment, so a command that names it reads it there.
func (s Service) warnVersion(p *problems) {
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

func (s Service) warnStrategy(p *problems) {
	judged := s.Analysis.On()
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
