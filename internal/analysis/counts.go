package analysis

import "time"

// Counts is what one revision has added in one tick. A request is decided, and counted, when it has ended, or already
// when its age passes the hang deadline: a canary that hangs must not look empty.
type Counts struct {
	Requests uint64 // decided in this tick
	Failed   uint64 // failures charged in this tick, once per client; more than Requests is taken as Requests
	// Faults counts every failure of this tick, also repeated ones of a client; less than Failed is taken as Failed.
	Faults uint64
	// Drawn is the requests whose revision was drawn for them alone, as are all without affinity, and every failure of them.
	Drawn Tally
	// Done counts the requests that were answered in full, by bucket of their latency: nil or of length [Buckets].
	Done []int32
	// Aged is the change in the number of requests that are in flight, or that the client has given up, by bucket of
	// the age they have reached: nil or of length [Buckets]. It may be negative: a request grows out of a bucket.
	// Of a threshold tau, the requests beyond it are those of Done and Aged in the buckets above tau, and the decided
	// ones are these and those of Done below it; both sums never fall over time.
	Aged []int32
}

// Add merges what another proxy, or a later tick, has counted.
func (c *Counts) Add(o Counts) {
	c.Requests += o.Requests
	c.Failed += o.Failed
	c.Faults += o.Faults
	c.Drawn.add(o.Drawn)
	c.Done = sum(c.Done, o.Done)
	c.Aged = sum(c.Aged, o.Aged)
}

// Answer counts n requests of as many clients that were answered in full after d, of which failed failed. Requests that
// were seen in flight by an earlier tick must also leave Aged: see [Counts.Age].
func (c *Counts) Answer(d time.Duration, n, failed int) {
	c.Requests += uint64(n)
	c.Failed += uint64(failed)
	c.Faults += uint64(failed)
	c.Drawn.add(Tally{uint64(n), uint64(failed)})
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

// charged is the failures that count once per client, faults all of them, drawn those of requests that were drawn each
// for itself.
func (c Counts) charged() Tally { return Tally{c.Requests, min(c.Failed, c.Requests)} }
func (c Counts) faults() Tally  { return Tally{c.Requests, min(max(c.Failed, c.Faults), c.Requests)} }
func (c Counts) drawn() Tally   { return Tally{c.Drawn.Requests, min(c.Drawn.Events, c.Drawn.Requests)} }

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
