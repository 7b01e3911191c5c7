package analysis

import "time"

// The quantiles of stable's latency beyond which requests are counted, and what promotion asks of them: the canary's
// share of requests beyond stable's quantile may exceed stable's by so much; 0: nothing is asked. The canary is held
// against the threshold and [Options.Shift] buckets, so that what is not blamed cannot hold up promotion either. At 5 %
// of 1,000 requests a second all three are shown in 16 s in the median; with 0.005 at the last it would be 33 s, longer
// than a step need take (go test ./internal/analysis -run TestPromotionHasEvidence -v -runs 400).
var (
	quantiles      = [...]float64{0.5, 0.8, 0.95, 0.99, 0.999}
	latencyMargins = [...]float64{0.05, 0, 0.025, 0.01, 0}
	latencyEffects = [...]float64{1.25, 1.6, 2.3, 5, 30}
)

const (
	renewal   = 5 * time.Second // a threshold is set anew so often
	known     = 200             // stable requests before the first threshold
	frequent  = 0.8             // up to this quantile events are frequent enough for the two-sample bet to be the sharper one
	unlimited = time.Hour       // age of a threshold that was never set
)

// quantile is the stream of requests slower than one of stable's quantiles.
type quantile struct {
	comparison
	Q          float64       `json:"q"`
	Tau        int           `json:"tau"` // bucket of the quantile; -1: too little is known
	Age        time.Duration `json:"age"` // of Tau
	StableRate float64       `json:"stable_rate"`
	CanaryRate float64       `json:"canary_rate"` // of a canary as fast as stable, beyond its own threshold
}

func newQuantiles() []quantile {
	all := make([]quantile, len(quantiles))
	for i, q := range quantiles {
		all[i] = quantile{Q: q, Tau: -1, Age: unlimited, StableRate: 1 - q, CanaryRate: 1 - q}
		all[i].Bets, all[i].Harm.Excluded = newPortfolio(len(latencyEffects)), 1
	}
	return all
}

// set takes a new threshold from stable's past. It waits for the end of a block, for the two revisions are to be held
// against the same one.
func (q *quantile) set(base *Baseline, shift int, span time.Duration) {
	due := q.Age >= renewal
	if q.Age < unlimited {
		q.Age += span
	}
	if !due || q.Pending.Span > 0 {
		return
	}
	n := base.Answered()
	if n < known {
		return
	}
	q.Harm.flush(q.CanaryRate, q.StableRate)
	q.Tau, q.Age = base.Quantile(q.Q), span
	q.StableRate = plugin(base.Beyond(q.Tau), n, 1-q.Q)
	q.CanaryRate = plugin(base.Beyond(q.Tau+shift), n, 1-q.Q)
}

func (q *quantile) threshold() time.Duration {
	if q.Tau < 0 {
		return 0
	}
	return Edge(q.Tau + 1)
}

// bet sets a closed block against the canary, and for it. Just after a shift caches are cold and connections few, which
// must not be blamed; but a cold canary is no faster than a warm one, so that what speaks for it then is sound.
func (q *quantile) bet(b block) {
	q.Harm.add(b, q.CanaryRate, q.StableRate)
	if b.Warm {
		return
	}
	var logs [len(latencyEffects)]float64
	for i, psi := range latencyEffects {
		if q.Q > frequent {
			logs[i] = labelBet(b, psi, 1, 0)
			continue
		}
		alt := pair{invOdds(psi * odds(q.StableRate)), q.StableRate}
		logs[i] = alt.bet(b, harmful(alt, b.share(), 1, 0))
	}
	q.Bets.take(logs[:], b.Span)
}
