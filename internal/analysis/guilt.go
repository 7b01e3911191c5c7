package analysis

// Guilty is the finding for which the canary must be rolled back, and the name of its stream: errors, latency or
// guardrail. Once guilty it stays so.
func (a *Analysis) Guilty() (Finding, string, bool) {
	if a.Guilt == nil {
		return Finding{}, "", false
	}
	return a.Guilt.Finding, a.Guilt.Stream, true
}

// Retry takes a conviction back whose witness was the canary alone, when stable is given traffic again to compare with: the
// guardrail begins anew. Whoever calls it spends the guardrail's part of alpha once more.
func (a *Analysis) Retry() {
	a.Guilt = nil
	for i := range a.Guards {
		a.Guards[i].Against, a.Guards[i].Outage = newWatch(), newOutage()
	}
}

func (a *Analysis) guilty(stream string) bool { return a.Guilt != nil && a.Guilt.Stream == stream }

// judge latches the first conviction.
func (a *Analysis) judge() {
	if a.Guilt != nil {
		return
	}
	switch g := a.firstConvicted(); {
	case a.Options.Errors && a.Errors.evidence() >= a.Options.limit(errorPart):
		a.convict(errorStream, a.errorFinding())
	case len(a.Latency) > 0 && a.slowness() >= a.Options.limit(latencyPart):
		a.convict(latencyStream, a.latencyFinding(a.slowest()))
	case g != nil:
		f := a.guardFinding(g)
		if run := g.Against.leader().Seen; run.Canary.Events > 0 { // the step may have been a good one until then
			f.Canary, f.Stable = run.Canary, run.Stable
		}
		a.convict(guardrailStream, f)
	}
}

// convict stores the finding without its word on promotion, which may be infinite and is of no use any more.
func (a *Analysis) convict(stream string, f Finding) {
	f.Guilty, f.Missing = true, 0
	a.Guilt = &Guilt{stream, f}
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
	if g.Open || g.evidence() < a.guardLimit() {
		return false
	}
	return !a.Step.Compared || g.Against.leader().unlike()
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
