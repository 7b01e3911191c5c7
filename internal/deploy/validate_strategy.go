package deploy

import "fmt"

func (s Service) validateStrategy(p *problems) {
	if s.Exclusive {
		s.validateExclusive(p)
		return
	}
	if s.Bake != nil {
		p.add("bake", "stands here only beside exclusive: true; write it into the strategy, such as strategy: {rolling: {bake: %s}}", *s.Bake)
	}
	given := 0
	if r := s.Strategy.Rolling; r != nil {
		given++
		r.validate(p, s.Instances)
	}
	if b := s.Strategy.BlueGreen; b != nil {
		given++
		b.validate(p, s)
	}
	if c := s.Strategy.Canary; c != nil {
		given++
		c.validate(p, s)
	}
	switch {
	case given != 1:
		p.add("strategy", "%d strategies are given: keep exactly one of rolling, blue_green and canary", given)
	case s.Worker() && s.Strategy.Rolling == nil:
		p.add("strategy", "a worker (port: none) has no traffic that could be moved: only rolling makes sense")
	}
}

// validateExclusive refuses what wants two instances at once.
func (s Service) validateExclusive(p *problems) {
	if s.Strategy != (Strategy{}) {
		p.add("strategy", "has no place beside exclusive: true: every strategy runs two versions at once, and this program cannot run twice; remove one of the two (bake stands beside exclusive itself)")
	}
	p.bake("bake", s.Bake)
}

func (r RollingOptions) validate(p *problems, instances int) {
	const at = "strategy.rolling"
	surge := 1
	if r.MaxSurge != nil {
		surge = *r.MaxSurge
	}
	switch {
	case surge < 0 || surge > maxInstances:
		p.add(at+".max_surge", "%d: must be from 0 to %d", surge, maxInstances)
	case r.MaxUnavailable < 0:
		p.add(at+".max_unavailable", "%d: must not be negative", r.MaxUnavailable)
	case r.MaxUnavailable > max(instances, 1):
		p.add(at+".max_unavailable", "%d is more than the %d instances there are", r.MaxUnavailable, instances)
	case surge == 0 && r.MaxUnavailable == 0:
		p.add(at, "max_surge and max_unavailable are both 0: no instance could ever be replaced")
	}
	p.bake(at+".bake", r.Bake)
}

func (p *problems) bake(path string, bake *Duration) {
	if bake != nil {
		p.bounded(path, *bake)
	}
}

func (b BlueGreenOptions) validate(p *problems, s Service) {
	const at = "strategy.blue_green"
	p.commands(at+".tests", b.Tests)
	p.positive(at+".test_timeout", b.TestTimeout)
	if b.LoadTest != nil {
		b.LoadTest.validate(p, s.Deadline)
	}
	if b.Preview.Host != "" {
		p.host(at+".preview.host", b.Preview.Host, false)
	}
	p.bake(at+".bake", b.Bake)
	p.bounded(at+".scale_down_delay", b.ScaleDownDelay)
	p.oneOf(at+".standby", b.Standby, "stop", "update")
}

func (l LoadTest) validate(p *problems, deadline Duration) {
	const at = "strategy.blue_green.load_test"
	p.target(at+".path", l.Path)
	if l.Rate < 1 || l.Rate > 100000 {
		p.add(at+".rate", "%d requests per second: the number must be from 1 to 100000", l.Rate)
	}
	p.positive(at+".duration", l.Duration)
	if l.Duration >= deadline && deadline > 0 {
		p.add(at+".duration", "%s does not fit into the deadline of the step, %s, so every rollout would be taken back", l.Duration, deadline)
	}
	p.bounded(at+".p99", l.P99)
	p.share(at+".errors", l.Errors)
}

func (c CanaryOptions) validate(p *problems, s Service) {
	const at = "strategy.canary"
	if len(c.Steps) == 0 {
		p.add(at+".steps", "there are no steps: write shares that grow to 100%%, such as [5%%, 25%%, 50%%, 100%%]")
	}
	before := Share(0)
	for i, step := range c.Steps {
		path := fmt.Sprintf("%s.steps[%d]", at, i)
		step.validate(p, path, s.Instances)
		step.capacity(p, path, s)
		switch last := i == len(c.Steps)-1; {
		case step.Weight <= 0 || step.Weight > Whole: // reported already
		case last && step.Weight != Whole:
			p.add(path+".weight", "the last step is %s: it must be 100%%, or the rollout would never end", step.Weight)
		case step.Weight < before:
			p.add(path+".weight", "%s after %s: steps may not go down", step.Weight, before)
		}
		before = max(before, min(step.Weight, Whole))
	}
	p.bake(at+".bake", c.Bake)
	p.positive(at+".test_timeout", c.TestTimeout)
}

// validate wants no more canaries than the service has instances, since they become its instances when they are
// promoted, and all of them where they take all of the traffic.
func (c CanaryStep) validate(p *problems, path string, instances int) {
	if c.Weight <= 0 || c.Weight > Whole {
		p.add(path+".weight", "must be more than 0%% and at most 100%%")
	}
	switch {
	case c.Instances < 0 || c.Instances > instances:
		p.add(path+".instances", "%d: must be from 1 to the %d instances of the service", c.Instances, instances)
	case c.Weight == Whole && c.Instances != 0 && c.Instances != instances:
		p.add(path+".instances", "%d instances for all of the traffic: leave it out, the service has %d", c.Instances, instances)
	}
	for i, m := range c.Match {
		m.validate(p, fmt.Sprintf("%s.match[%d]", path, i))
	}
	p.bake(path+".bake", c.Bake)
	p.commands(path+".tests", c.Tests)
}

// capacity holds a step's share against what its instances may be given (see max_overload): one that they may not have
// would never be reached.
func (c CanaryStep) capacity(p *problems, path string, s Service) {
	if c.Instances <= 0 || c.Instances > s.Instances || c.Weight == Whole || s.MaxOverload < 1 {
		return // nothing is given, or it is reported already
	}
	most := float64(c.Instances) * s.MaxOverload / float64(s.Instances)
	if c.Weight.Percent()/100 > most {
		p.add(path+".instances", "%s of the traffic is more than max_overload lets so few canaries have, at most %.4g%%: give the step more instances, or raise max_overload", c.Weight, most*100)
	}
}

func (m Match) validate(p *problems, path string) {
	switch {
	case (m.Header == "") == (m.Cookie == ""):
		p.add(path, "exactly one of header and cookie is needed")
	case m.Header != "" && !fieldName.MatchString(m.Header):
		p.add(path+".header", "%q is no name of a header", m.Header)
	case m.Cookie != "" && !fieldName.MatchString(m.Cookie):
		p.add(path+".cookie", "%q is no name of a cookie", m.Cookie)
	}
}
