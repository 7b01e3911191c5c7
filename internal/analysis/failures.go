package analysis

// failures is the stream of failed requests. It is looked at in three ways, for failures do not come alone: a client that
// gets an error tries again.
//
// Clients counts the failures of one client once, whichever revision made them. Users who stay with a revision are drawn by
// their names, however often they come: of those who fail, the canary's part is its share by chance. That is fair whatever clients do, and blind
// where all users look like one. Drawn counts every failure, of those requests alone whose revision was drawn for each by
// itself: whichever requests fail, the draws say nothing of it (Hoeffding), so that the label bets are as fair, whoever sent
// them. The two-sample bets are not: they take failures to be independent. The evidence is the mean of the two, which is an e-value as they are. For most services both are the same.
//
// All counts every failure of all requests, for the rates that people read and for promotion: the harm that must be excluded
// is what users see, and counting them once would make it small.
type failures struct {
	Clients comparison `json:"clients"`
	Drawn   comparison `json:"drawn"`
	All     comparison `json:"all"`
	Entered float64    `json:"entered"` // evidence when the step began
}

func newFailures() failures {
	return failures{Clients: comparison{Bets: newPortfolio(errorBets)}, Drawn: comparison{Bets: newPortfolio(len(labelEffects))},
		All: comparison{Harm: promotion{Excluded: 1}}}
}

func (f *failures) evidence() float64 { return (f.Clients.Bets.worth() + f.Drawn.Bets.worth()) / 2 }

// add takes in a tick.
func (f *failures) add(t Tick, compared bool, base Baseline) {
	f.All.count(block{Canary: t.Canary.faults(), Stable: t.Stable.faults(), Span: t.Span})
	if !compared {
		return
	}
	canary, stable := t.Canary.Cohort, t.Stable.Cohort
	var logs [errorBets]float64
	if b, closed := f.Clients.add(block{Canary: canary.charged(), Stable: stable.charged(), Span: t.Span}); closed {
		failureBets(&logs, b, base.Rate())
		f.Clients.Bets.take(logs[:], b.Span)
	}
	if canary.Users+stable.Users > 0 && t.Share > 0 && t.Share < 1 {
		userBets(&logs, canary.Users, stable.Users, t.Share)
		f.Clients.Bets.take(logs[:], 0)
	}
	if b, closed := f.Drawn.add(block{Canary: canary.drawn(), Stable: stable.drawn(), Span: t.Span}); closed {
		labelBets(&logs, b)
		f.Drawn.Bets.take(logs[:len(labelEffects)], b.Span)
	}
	if b, closed := f.All.add(block{Canary: canary.faults(), Stable: stable.faults(), Span: t.Span}); closed {
		f.All.Harm.add(b, base.FaultRate(), base.FaultRate())
	}
}

func (f *failures) divide(base Baseline) {
	for _, c := range []*comparison{&f.Clients, &f.Drawn, &f.All} {
		c.divide(base.FaultRate(), base.FaultRate())
	}
}
