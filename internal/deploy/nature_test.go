package deploy

import "time"

// nature is how the instances of one revision behave and what is said of them. Randomness that belongs to an instance
// is a hash of its name and the seed, so that two controllers which act at other moments live in the same world.
type nature struct {
	never    bool          // never becomes healthy
	crash    bool          // ends right after its start
	hangs    bool          // becomes unhealthy after a while
	rots     bool          // becomes unhealthy when it has been stable for some time
	dies     bool          // ends when it has been stable for some time, again and again
	crashes  int           // ends by itself in so many of 1000 ticks
	prepare  bool          // cannot be prepared
	taskFail bool          // fails its tests
	failAt   time.Duration // a verdict that turns to Fail so long after the rollout's beginning
	again    bool          // BackOne: every time
	verdict  Outcome       // Inconclusive: too few requests. Freeze: for a while. BackOne: once
	silent   bool          // no request ever reaches it
}

// runs reports whether instances of the revision are healthy once they have started, and remain so.
func (n nature) runs() bool {
	return !n.never && !n.crash && !n.hangs && !n.rots && !n.dies && n.crashes == 0 && !n.prepare
}

// good reports whether a revision must be promoted when nobody interferes.
func (n nature) good(s Service) bool {
	unsure := n.verdict == Inconclusive && s.Analysis.OnInsufficient == "rollback"
	return n.runs() && !n.taskFail && n.failAt == 0 && !unsure
}

// natures are those that scripts draw from; four of them are simply good.
var natures = []nature{{}, {}, {}, {}, {never: true}, {crash: true}, {prepare: true}, {taskFail: true}, {hangs: true},
	{failAt: time.Millisecond}, {failAt: 4 * time.Second}, {failAt: 12 * time.Second},
	{verdict: Inconclusive}, {verdict: Freeze}, {verdict: BackOne}, {silent: true}}
