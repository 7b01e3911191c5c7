package proxy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// beyond is how many requests have, by their latency or the age they have
// reached, passed the lower edge of every bucket; decided adds those that were
// answered below it.
func beyond(m Meter) (beyond, decided [buckets]uint64) {
	at := func(h Histogram, i int) uint64 {
		if h.counts == nil {
			return 0
		}
		return h.counts[i]
	}
	var above, answered uint64
	for i := buckets - 1; i >= 0; i-- {
		above += at(m.Latency, i) + at(m.GivenUp, i) + at(m.Ages, i)
		answered += at(m.Latency, i)
		beyond[i] = above
		decided[i] = above + m.Latency.Count() - answered
	}
	return beyond, decided
}

// behave lives one request in a way that chance decides.
func behave(t *testing.T, x *Exchange) {
	pause := func() {
		if rand.IntN(20) == 0 {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond) // the work of the instance
		}
	}
	pause()
	switch rand.IntN(8) {
	case 0:
		x.Done(Outcome{Aborted: true})
		return
	case 1:
		if x.Retry(Failure{Kind: Timeout}) {
			t.Error("repeated")
		}
		x.Done(Outcome{Status: 504, Answered: ByNaru})
		return
	case 2:
		x.Head(200)
		x.Streaming()
		pause()
	}
	x.Head(200)
	pause()
	x.Done(Outcome{Status: 200})
}

// Requests begin, age and end in every way while snapshots are taken: none is
// ever missing, none is there twice, and nothing that a judge adds up falls.
func TestNothingIsLostBetweenSnapshots(t *testing.T) {
	r := New(Options{})
	run(t, r)
	route := canary(0, backendsOf("r1", 4)...)
	route.Hang, route.Retries.Attempts = time.Millisecond, -1
	apply(t, r, 1, route)
	live := r.services["chat"].metersOf("r1")[atRandom]
	live.cells = live.cells[:1] // everybody meets there

	var coming, there atomic.Uint64 // before their first claim, after it
	var users sync.WaitGroup
	end := make(chan struct{})
	for range 3 {
		users.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				x := begin(t, r, get())
				coming.Add(1)
				if _, err := x.Acquire(t.Context()); err != nil {
					t.Error(err)
					return
				}
				there.Add(1)
				behave(t, x)
			}
		})
	}
	var last Meter
	snapshots := 0
	for began := time.Now(); time.Since(began) < 1500*time.Millisecond; {
		atLeast := there.Load()
		m := live.snapshot(time.Now(), 0, 0)
		atMost := coming.Load()
		if n := m.Latency.Count() + m.GivenUp.Count() + m.Ages.Count(); n < atLeast || n > atMost {
			t.Fatalf("%d requests, there were %d to %d", n, atLeast, atMost)
		}
		if m.Decided < last.Decided || m.Charged < last.Charged || m.Charged > m.Decided {
			t.Fatalf("decided %d, charged %d after %d, %d", m.Decided, m.Charged, last.Decided, last.Charged)
		}
		was, wasDecided := beyond(last)
		now, decided := beyond(m)
		for i := range buckets {
			if now[i] < was[i] || decided[i] < wasDecided[i] {
				t.Fatalf("beyond %v: %d after %d, decided %d after %d", time.Duration(edge(i)), now[i], was[i], decided[i], wasDecided[i])
			}
		}
		last = m
		snapshots++
	}
	close(end)
	users.Wait()
	m := live.snapshot(time.Now(), 0, 0)
	if n := m.Latency.Count() + m.GivenUp.Count(); n != there.Load() || m.Requests != n || m.Ages.Count() != 0 || m.GivenUp.Count() != m.Aborted {
		t.Errorf("%d requests, counted %d: %+v", there.Load(), n, m)
	}
	if m.Decided < m.Requests-m.Aborted || m.Decided > m.Requests {
		t.Errorf("decided %d of %d requests, %d aborted", m.Decided, m.Requests, m.Aborted)
	}
	if c := &live.cells[0]; c.oldest != nil || c.newest != nil {
		t.Error("somebody is left in the list")
	}
	t.Logf("%d requests, %d snapshots", m.Requests, snapshots)
}
