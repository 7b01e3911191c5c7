package analysis

// tails are the sums over the buckets from i on of what was counted in a tick, so that any threshold is answered at once.
type tails struct{ done, aged tail }

// tail knows the sums inside a window; before it is everything, behind it nothing.
type tail struct {
	lo, hi int
	all    int32
	from   [Buckets]int32
}

func (t *tails) fill(done, aged []int32) {
	t.done.fill(done)
	t.aged.fill(aged)
}

func (t *tail) fill(counts []int32) {
	t.lo, t.hi = window(counts)
	sum := int32(0)
	for i := t.hi - 1; i >= t.lo; i-- {
		sum += counts[i]
		t.from[i] = sum
	}
	t.all = sum
}

func (t *tail) since(i int) int32 {
	switch {
	case i <= t.lo:
		return t.all
	case i >= t.hi:
		return 0
	}
	return t.from[i]
}

// beyond is the decided requests of a threshold and those of them that lie in the buckets above it. A proxy that was
// lost takes its requests in flight with it; then what would be negative counts as nothing.
func (t *tails) beyond(bucket int) Tally {
	answered := t.done.since(bucket + 1)
	late := max(answered+t.aged.since(bucket+1), 0)
	return Tally{Requests: uint64(late + max(t.done.all-answered, 0)), Events: uint64(late)}
}
