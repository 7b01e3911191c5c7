package analysis

import "time"

// outage watches a canary that answers alone, moment by moment: one is bad when more than half of its requests fail.
// Failures count once per client elsewhere, which is blind where all users look like one, as behind another proxy; with
// stable beside it the comparison sees that all the same, and here the clock is what failures do not share. H0: a moment is
// bad with a probability of at most the objective, whatever came before it. It is long enough for others to outnumber a
// client that tries again and again.
type outage struct {
	Seen Tally         `json:"seen"` // of the present moment
	Span time.Duration `json:"span"`
	Bets portfolio     `json:"bets"`
}

// A moment lasts so long at least, and holds so many requests.
const (
	momentSpan     = time.Second
	momentRequests = 10
)

func newOutage() outage { return outage{Bets: newPortfolio(len(labelEffects))} }

func (o *outage) add(now Tally, span time.Duration, bets []single) {
	o.Seen.add(now)
	if o.Span += span; o.Span < momentSpan || o.Seen.Requests < momentRequests {
		return
	}
	moment := Tally{Requests: 1}
	if 2*o.Seen.Events > o.Seen.Requests {
		moment.Events = 1
	}
	var logs [len(labelEffects)]float64
	for i, s := range bets {
		logs[i] = s.bet(moment)
	}
	o.Bets.take(logs[:], o.Span)
	o.Seen, o.Span = Tally{}, 0
}
