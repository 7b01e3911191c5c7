package analysis

import "time"

// outage watches the canary moment by moment: one is bad when more than half of its requests fail, and not of stable's where
// stable answers beside it. Failures count once per client elsewhere, which is blind where all users look like one, as behind
// another proxy, and where few users stay with it; here the clock is what failures do not share. H0: a moment is bad
// with a probability of at most the objective, whatever came before it. It is long enough for others to outnumber a client that
// tries again and again.
type outage struct {
	Seen  Tally         `json:"seen"`  // of the present moment
	Other Tally         `json:"other"` // of stable
	Span  time.Duration `json:"span"`
	Bets  portfolio     `json:"bets"`
}

// A moment lasts so long at least, and holds so many requests.
const (
	momentSpan     = time.Second
	momentRequests = 10
)

func newOutage() outage { return outage{Bets: newPortfolio(len(labelEffects))} }

func (o *outage) add(now, other Tally, span time.Duration, bets []single) {
	o.Seen.add(now)
	o.Other.add(other)
	if o.Span += span; o.Span < momentSpan || o.Seen.Requests < momentRequests {
		return
	}
	moment := Tally{Requests: 1}
	if o.Seen.mostly() && !o.Other.mostly() {
		moment.Events = 1
	}
	var logs [len(labelEffects)]float64
	for i, s := range bets {
		logs[i] = s.bet(moment)
	}
	o.Bets.take(logs[:], o.Span)
	o.Seen, o.Other, o.Span = Tally{}, Tally{}, 0
}

// mostly reports whether more than half are events.
func (t Tally) mostly() bool { return 2*t.Events > t.Requests }
