package analysis

import "time"

// Counts is what one revision has added in one tick. A request is decided, and counted, when it has ended, or already
// when its age passes the hang deadline: a canary that hangs must not look empty.
type Counts struct {
	// Claimed is the requests that the revision was given in this tick. What is held against an objective is counted over
	// them: of requests that begin together those that fail at once are decided before those that take their time.
	Claimed  uint64
	Requests uint64 // decided in this tick, whenever they were claimed
	Failed   uint64 // failures charged in this tick, once per client
	// Faults counts every failure of this tick, also repeated ones of a client; less than Failed is taken as Failed.
	Faults uint64
	// Cohort is the part of it by which the revisions are compared.
	Cohort Cohort
	// Done counts the requests that were answered in full, by bucket of their latency: nil or of length [Buckets].
	Done []int32
	// Aged is the change in the number of requests that are in flight, or that the client has given up, by bucket of
	// the age they have reached: nil or of length [Buckets]. It may be negative: a request grows out of a bucket.
	// Of a threshold tau, the requests beyond it are those of Done and Aged in the buckets above tau, and the decided
	// ones are these and those of Done below it; both sums never fall over time.
	Aged []int32
	// KnownDone and KnownAged are the parts of Done and Aged of users who were recognised and stay with one revision;
	// nil: there are none.
	KnownDone, KnownAged []int32
}

// Cohort is those of the decided requests that were claimed under the division of the traffic that stands. In it the
// revisions' parts of what fails at once and of what takes its time are the same: right after a shift they are not, for the
// new requests that fail at once are decided beside the old ones that took their time.
type Cohort struct {
	Requests uint64 // more failures than these are taken as these
	Failed   uint64 // once per client: of one who stays with a revision the first of the rollout, of others the first in 10 s
	Users    uint64 // those of Failed who stay with a revision
	Faults   uint64 // all; less than Failed is taken as Failed
	// Drawn is the requests whose revision was drawn for them alone, as are all without affinity, and every failure of them.
	Drawn Tally
}

// Add merges what another proxy, or a later tick, has counted.
func (c *Counts) Add(o Counts) {
	c.Claimed += o.Claimed
	c.Requests += o.Requests
	c.Failed += o.Failed
	c.Faults += o.Faults
	c.Cohort.Requests += o.Cohort.Requests
	c.Cohort.Failed += o.Cohort.Failed
	c.Cohort.Users += o.Cohort.Users
	c.Cohort.Faults += o.Cohort.Faults
	c.Cohort.Drawn.add(o.Cohort.Drawn)
	c.Done, c.Aged = sum(c.Done, o.Done), sum(c.Aged, o.Aged)
	c.KnownDone, c.KnownAged = sum(c.KnownDone, o.KnownDone), sum(c.KnownAged, o.KnownAged)
}

// Answer counts n requests of as many clients that were answered in full after d, of which failed failed, under the
// division that stands. Requests that were seen in flight by an earlier tick must also leave Aged: see [Counts.Age].
func (c *Counts) Answer(d time.Duration, n, failed int) {
	all, bad := uint64(n), uint64(failed)
	c.Add(Counts{Claimed: all, Requests: all, Failed: bad, Faults: bad, Cohort: Cohort{Requests: all, Failed: bad, Faults: bad, Drawn: Tally{all, bad}}})
	if c.Done == nil {
		c.Done = make([]int32, Buckets)
	}
	c.Done[Bucket(d)] += int32(n)
}

// Age counts n requests in flight that have grown from one age to another. A new one grows from a negative age, and
// one that has been answered grows to a negative age.
func (c *Counts) Age(from, to time.Duration, n int) {
	if c.Aged == nil {
		c.Aged = make([]int32, Buckets)
	}
	if from >= 0 {
		c.Aged[Bucket(from)] -= int32(n)
	}
	if to >= 0 {
		c.Aged[Bucket(to)] += int32(n)
	}
}

// claimed are the failures of the tick against the requests that were given: once per client, and all. For a moment there
// may be more of them, of requests that were given before.
func (c Counts) claimed() Tally      { return Tally{c.Claimed, c.Failed} }
func (c Counts) claimedFault() Tally { return Tally{c.Claimed, max(c.Failed, c.Faults)} }

// users are the counts without the latencies.
func (c Counts) users() Counts {
	c.Done, c.Aged, c.KnownDone, c.KnownAged = nil, nil, nil, nil
	return c
}

// faults is every failure of the decided requests.
func (c Counts) faults() Tally { return Tally{c.Requests, min(max(c.Failed, c.Faults), c.Requests)} }

// faults is all failures, drawn those of requests that were drawn each for itself, and charged the same once per client.
func (c Cohort) faults() Tally { return Tally{c.Requests, min(max(c.Failed, c.Faults), c.Requests)} }
func (c Cohort) drawn() Tally  { return Tally{c.Drawn.Requests, min(c.Drawn.Events, c.Drawn.Requests)} }
func (c Cohort) charged() Tally {
	return Tally{c.Drawn.Requests, min(c.Failed-min(c.Users, c.Failed), c.Drawn.Requests)}
}

// drawn are the latencies of requests that were drawn each for itself. Those of a user who stays with one revision say
// how slow the user is.
func (c Counts) drawn() (done, aged []int32) {
	return without(c.Done, c.KnownDone), without(c.Aged, c.KnownAged)
}

func without(all, part []int32) []int32 {
	if part == nil {
		return all
	}
	out := make([]int32, Buckets)
	copy(out, all)
	for i, n := range part {
		out[i] -= n
	}
	return out
}

func total(counts []int32) (n int32) {
	for _, c := range counts {
		n += c
	}
	return n
}

func sum(a, b []int32) []int32 {
	if b == nil {
		return a
	}
	if a == nil {
		return append([]int32(nil), b...)
	}
	for i, n := range b {
		a[i] += n
	}
	return a
}

// window is the buckets lo to hi-1, outside of which nothing was counted.
func window(counts []int32) (lo, hi int) {
	if len(counts) != Buckets {
		return 0, 0
	}
	const stride = 8
	c := (*[Buckets]int32)(counts)
	empty := func(i int) bool {
		s := (*[stride]int32)(c[i : i+stride])
		return s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7] == 0
	}
	for hi = Buckets; hi > 0 && empty(hi-stride); hi -= stride {
	}
	for lo < hi && empty(lo) {
		lo += stride
	}
	return lo, hi
}
