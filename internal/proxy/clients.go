package proxy

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// clientWindow is how long after a charged failure no other one of the same
// client is charged. It does not slide, so a client that fails all the time is
// charged every 10 s.
const clientWindow = 10 * time.Second

// clients remembers whose failure was charged when, for all revisions of a
// service together: a user who tries again and again is one user who is hurt,
// and chance alone decides which revision the tries fall on. Were each of them
// charged, or one for each revision, revisions that do not differ would seem to.
//
// The memory is of one size. Two clients that share a slot are taken for one,
// which can only lose a failure, on either side alike. The zero value is ready
// to use and holds nothing before the first failure.
type clients struct {
	table atomic.Pointer[clientTable]
	users atomic.Pointer[onceTable]
}

// onceTable remembers of the recognised users of a rollout, a bit each, who has come and who has failed. Such a user stays
// with one revision: were one who always fails charged again and again, all of it would fall on the same side.
type onceTable struct {
	rollout     string
	seed        maphash.Seed
	met, failed users
}

// users is a set of users; those who share a bit are taken for one.
type users [1 << 10]atomic.Uint64

// add tells whether the user is new in the set.
func (u *users) add(hash uint64) bool {
	slot := hash >> 48
	bit := uint64(1) << (slot & 63)
	return u[slot>>6].Or(bit)&bit == 0
}

// once is the table of a rollout.
func (c *clients) once(rollout string) *onceTable {
	t := c.users.Load()
	if t == nil || t.rollout != rollout {
		c.users.CompareAndSwap(t, &onceTable{rollout: rollout, seed: maphash.MakeSeed()})
		t = c.users.Load()
	}
	return t
}

// meet tells whether it is the first request of a recognised user in the rollout, and fail whether it is the first failure.
func (t *onceTable) meet(x *Exchange) bool { return t.met.add(x.clientHash(t.seed)) }
func (t *onceTable) fail(x *Exchange) bool { return t.failed.add(x.clientHash(t.seed)) }

// clientTable holds in every slot when a failure was charged, in nanoseconds
// after the table was made; 0: never.
type clientTable struct {
	made  time.Time
	seed  maphash.Seed // nobody can choose whom to collide with
	slots [1 << 16]atomic.Int64
}

// charge tells whether a failure of this request counts, and if so closes the
// client's window to others.
func (c *clients) charge(x *Exchange) bool {
	t := c.table.Load()
	if t == nil {
		c.table.CompareAndSwap(nil, &clientTable{made: time.Now(), seed: maphash.MakeSeed()})
		t = c.table.Load()
	}
	now := max(1, int64(time.Since(t.made)))
	slot := &t.slots[x.clientHash(t.seed)>>48]
	last := slot.Load()
	if last != 0 && now-last < int64(clientWindow) {
		return false
	}
	return slot.CompareAndSwap(last, now) // or another failure of this moment was charged
}

// clientHash stands for who made the request: the user, else address and path.
// An address alone may be a whole office.
func (x *Exchange) clientHash(seed maphash.Seed) uint64 {
	if x.client != "" {
		return maphash.String(seed, x.client)
	}
	return maphash.Comparable(seed, struct {
		address netip.Addr
		path    string
	}{x.visitor.Client.Unmap(), x.visitor.Path})
}
