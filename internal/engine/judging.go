package engine

import (
	"encoding/json"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/judge"
	"github.com/naru-deploy/naru/internal/proxy"
)

// judging feeds the judge of the open rollout with what the proxies count. It is stored with the rollout together with
// the counters that it has taken in, so a controller that was killed takes in what it missed, once.
type judging struct {
	Judge judge.Judge     `json:"judge"`
	Epoch string          `json:"epoch"` // of the proxy whose counters these are
	Lives uint64          `json:"lives"` // proxies before it: each numbers its cohorts anew
	Taken counters        `json:"taken"`
	At    time.Time       `json:"at"`             // when they were read
	Hang  deploy.Duration `json:"hang,omitempty"` // hang deadline; 0: not known yet

	saved time.Time
}

// counters are what a proxy has counted so far, for the judge.
type counters struct {
	Canary arm    `json:"canary"` // randomly assigned
	Stable arm    `json:"stable"`
	Chosen arm    `json:"chosen"` // sent to the canary for what they are
	Cohort uint64 `json:"cohort"` // the division of the traffic that the arms' cohorts are of
}

// arm is one revision's part of it.
type arm struct {
	Claimed uint64          `json:"claimed"`
	Decided uint64          `json:"decided"`
	Charged uint64          `json:"charged"`
	Faults  uint64          `json:"faults"`
	Cohort  proxy.Cohort    `json:"cohort,omitzero"`
	Done    proxy.Histogram `json:"done"`
	Aged    proxy.Histogram `json:"aged"` // given up by the client, or in flight: by the age reached

	KnownDone proxy.Histogram `json:"known_done,omitzero"` // of them, of users who were recognised
	KnownAged proxy.Histogram `json:"known_aged,omitzero"`
}

// read picks an arm out of the meters.
func read(meters []proxy.Meter, revision, assignment string) (a arm) {
	for _, m := range meters {
		if m.Revision != revision || m.Assignment != assignment {
			continue
		}
		a.Claimed += m.Claimed
		a.Decided += m.Decided
		a.Charged += m.Charged
		a.Faults += m.Faults
		a.Cohort = m.Cohort // one meter has this revision and assignment
		a.Done.Merge(m.Latency)
		a.Aged.Merge(m.GivenUp)
		a.Aged.Merge(m.Ages)
		a.KnownDone.Merge(m.KnownLatency)
		a.KnownAged.Merge(m.KnownAges)
	}
	return a
}

func readAll(seen proxy.ServiceState, r deploy.Rollout) counters {
	return counters{Canary: read(seen.Meters, r.To, random), Stable: read(seen.Meters, r.From, random),
		Chosen: read(seen.Meters, r.To, "matched"), Cohort: seen.Cohort}
}

// waiting is how many requests a revision has had for too long.
func waiting(meters []proxy.Meter, revision string) (n uint64) {
	for _, m := range meters {
		if m.Revision == revision {
			n += m.Waiting
		}
	}
	return n
}

// random is the assignment that is compared: those users are alike.
const random = "random"

// since is what was counted after an earlier look. Counters never fall; of a charge that was read a moment before its
// request the analysis takes care. A cohort counts from nothing.
func (a arm) since(b arm, sameCohort bool) analysis.Counts {
	c := b.Cohort
	if !sameCohort {
		c = proxy.Cohort{}
	}
	return analysis.Counts{Claimed: fresh(a.Claimed, b.Claimed), Requests: fresh(a.Decided, b.Decided), Failed: fresh(a.Charged, b.Charged),
		Faults: fresh(a.Faults, b.Faults),
		Cohort: analysis.Cohort{Requests: fresh(a.Cohort.Decided, c.Decided), Failed: fresh(a.Cohort.Charged, c.Charged), Users: fresh(a.Cohort.Users, c.Users),
			Faults: fresh(a.Cohort.Faults, c.Faults),
			Drawn:  analysis.Tally{Requests: fresh(a.Cohort.Drawn, c.Drawn), Events: fresh(a.Cohort.DrawnFaults, c.DrawnFaults)}},
		Done: rise(a.Done, b.Done), Aged: rise(a.Aged, b.Aged), KnownDone: rise(a.KnownDone, b.KnownDone), KnownAged: rise(a.KnownAged, b.KnownAged)}
}

// fresh is what a counter has gained.
func fresh(now, before uint64) uint64 { return now - min(now, before) }

// rise is the change of a histogram by bucket, nil where nothing was ever counted.
func rise(now, before proxy.Histogram) []int32 {
	n, b := now.Counts(), before.Counts()
	if n == nil && b == nil {
		return nil
	}
	out := make([]int32, analysis.Buckets)
	for i := range out {
		if n != nil {
			out[i] += int32(n[i])
		}
		if b != nil {
			out[i] -= int32(b[i])
		}
	}
	return out
}

// beginJudging makes the judge of a rollout that begins now; nothing of what was counted before is held against anybody.
func (l *loop) beginJudging(r deploy.Rollout, s deploy.Service, state proxy.State, seen proxy.ServiceState) *judging {
	if s.Worker() || !s.Analysis.On() || r.From == "" {
		return nil
	}
	return &judging{Judge: judge.Begin(r, s.Analysis, l.norms.of(r.From, time.Now())), Epoch: state.Epoch, Taken: readAll(seen, r), At: state.Time}
}

// see takes in what the proxy has counted since the last look.
func (j *judging) see(r deploy.Rollout, now time.Time, state proxy.State, seen proxy.ServiceState) {
	if state.Epoch == "" || state.Epoch == j.Epoch && !state.Time.After(j.At) {
		return
	}
	if j.Epoch == "" { // no proxy could be reached when the rollout began: what it had counted by then is nobody's
		j.Epoch, j.Taken, j.At = state.Epoch, readAll(seen, r), state.Time
		return
	}
	if state.Epoch != j.Epoch { // a new proxy counts from nothing
		j.Epoch, j.Taken, j.Lives = state.Epoch, counters{}, j.Lives+1
	}
	span := state.Time.Sub(j.At)
	if j.At.IsZero() || span < 0 {
		span = 0
	}
	read := readAll(seen, r)
	same := read.Cohort == j.Taken.Cohort
	j.Judge.See(r, now, judge.Sample{Span: span, Canary: read.Canary.since(j.Taken.Canary, same), Stable: read.Stable.since(j.Taken.Stable, same),
		Chosen: read.Chosen.since(j.Taken.Chosen, same), Cohort: j.Lives<<32 | read.Cohort, Share: seen.CanaryShare,
		Waiting: [2]uint64{waiting(seen.Meters, r.To), waiting(seen.Meters, r.From)}})
	j.Taken, j.At = read, state.Time
}

// keep is the text to store, nil when what is stored is recent enough: evidence lost with a controller is gathered again.
func (j *judging) keep(now time.Time, must bool) json.RawMessage {
	if j == nil || !must && now.Sub(j.saved) < judgingKept {
		return nil
	}
	j.saved = now
	text, _ := json.Marshal(j) // numbers and names: it cannot fail
	return text
}

// judgingKept is how old the stored judge may be.
const judgingKept = 2 * time.Second

// Bounds of the ages that naru finds by itself.
const (
	hangLeast    = 5 * time.Second
	hangTimes    = 3   // of what the slowest of 1000 requests to stable takes
	hangAfter    = 200 // requests of stable, at least, that it is found from
	abandonTimes = 2   // of the same, for a request that its client has given up
)

// hang is the age from which a request without an answer counts as failed. Where nobody has set it, it follows from what
// stable takes: a service of long polls is not broken because its requests are long. It is found once for a rollout; until
// stable is known, half of the time after which the proxy gives up stands for it.
func (j *judging) hang(s deploy.Service) time.Duration {
	switch slow, known := j.slowest(); {
	case s.Analysis.HangDeadline > 0:
		return s.Analysis.HangDeadline.D()
	case j.Hang == 0 && !known:
		return s.Limits.ResponseTimeout.D() / 2
	case j.Hang == 0:
		j.Hang = deploy.Duration(min(max(hangTimes*slow, hangLeast), s.Limits.ResponseTimeout.D()))
	}
	return j.Hang.D()
}

// abandon is the age from which a request counts as failed when its client goes away: most do long before a hang deadline.
func (j *judging) abandon(s deploy.Service) time.Duration {
	slow, known := j.slowest()
	if !known {
		return hangLeast
	}
	return min(abandonTimes*slow, j.hang(s))
}

// slowest is what 999 of 1000 requests to stable do not exceed.
func (j *judging) slowest() (time.Duration, bool) {
	base := &j.Judge.Analysis.Base
	if base.Answered() < hangAfter {
		return 0, false
	}
	return analysis.Edge(base.Quantile(0.999) + 1), true
}
