package analysis

// Guilty is the finding for which the canary must be rolled back, and the name of its stream: errors, latency or
// guardrail. Once guilty it stays so.
func (a *Analysis) Guilty() (Finding, string, bool) {
	if a.Guilt == nil {
		return Finding{}, "", false
	}
	return a.Guilt.Finding, a.Guilt.Stream, true
}

func (a *Analysis) guilty(stream string) bool { return a.Guilt != nil && a.Guilt.Stream == stream }

// judge latches the first conviction.
func (a *Analysis) judge() {
	if a.Guilt != nil {
		return
	}
	switch g := a.firstConvicted(); {
	case a.Options.Errors && a.Errors.evidence() >= a.Options.limit(errorPart):
		a.convict(errorStream, a.errorFinding().whole(a.Errors.Entered, a.Errors.All.Whole))
	case len(a.Latency) > 0 && a.slowness() >= a.Options.limit(latencyPart):
		q := a.slowest()
		a.convict(latencyStream, a.latencyFinding(q).whole(a.Entered, q.Whole))
	case g != nil && a.Doubt == nil:
		f := a.guardFinding(g)
		if run := g.Against.leader().Seen; run.Canary.Events > 0 { // the step may have been a good one until then
			f.Canary, f.Stable = run.Canary.whole(), run.Stable.whole()
		}
		a.convict(guardrailStream, f)
	}
}

// whole makes a finding tell of the whole rollout where most of its evidence is older than the step.
func (f Finding) whole(entered float64, all block) Finding {
	if entered > 1 && entered*entered >= f.Evidence {
		f.Canary, f.Stable, f.Whole = all.Canary, all.Stable, true
	}
	return f
}

// convict stores the finding without its word on promotion, which may be infinite and is of no use any more.
func (a *Analysis) convict(stream string, f Finding) {
	f.Guilty, f.Missing = true, 0
	a.Guilt = &Guilt{Stream: stream, Finding: f}
}

func (a *Analysis) firstConvicted() *guard {
	for i := range a.Guards {
		if a.convicted(&a.Guards[i]) {
			return &a.Guards[i]
		}
	}
	return nil
}

// convicted: the canary breaks the objective, and stable, where it answers beside it, does not break it in the same way.
func (a *Analysis) convicted(g *guard) bool {
	if g.Open && a.Step.Compared || g.evidence() < a.guardLimit() {
		return false
	}
	return !a.Step.Compared || g.Against.leader().unlike() || g.P99 == 0 && g.Outage.Bets.worth()/2 >= a.guardLimit()
}

// guardLimit shares the guardrail's alpha among its objectives.
func (a *Analysis) guardLimit() float64 {
	return a.Options.limit(guardrailPart) * float64(a.Options.objectives())
}

// slowness is the mean of the quantiles' e-values, and so itself one.
func (a *Analysis) slowness() float64 {
	all := 0.0
	for i := range a.Latency {
		all += a.Latency[i].Bets.worth()
	}
	return all / float64(len(a.Latency))
}

func (a *Analysis) slowest() *quantile {
	worst := &a.Latency[0]
	for i := range a.Latency {
		if a.Latency[i].Bets.worth() > worst.Bets.worth() {
			worst = &a.Latency[i]
		}
	}
	return worst
}
