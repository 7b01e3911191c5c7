package analysis

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBucketsMeetAtTheirEdges(t *testing.T) {
	for i := range Buckets - 1 {
		edge := Edge(i + 1)
		if got := Bucket(edge - 1000); got != i && edge > time.Millisecond {
			t.Errorf("just below the edge %v lies bucket %d, want %d", edge, got, i)
		}
		if got := Bucket(edge + 1000); got != i+1 && edge > time.Millisecond {
			t.Errorf("just above the edge %v lies bucket %d, want %d", edge, got, i+1)
		}
	}
	if Bucket(0) != 0 || Bucket(time.Hour) != Buckets-1 {
		t.Errorf("what lies outside is in the buckets %d and %d", Bucket(0), Bucket(time.Hour))
	}
}

// As requests come, age, end and are given up, neither those beyond a threshold nor the decided ones ever become fewer,
// and in the end each request is decided once.
func TestDecidedRequestsNeverBecomeFewer(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	taus := []int{0, Bucket(10 * time.Millisecond), Bucket(200 * time.Millisecond), Bucket(time.Second), Buckets - 1}
	type request struct{ age, ends time.Duration }
	var flight []request
	total := make([]Tally, len(taus))
	begun, given := uint64(0), uint64(0)
	for tick := range 300 {
		const span = 100 * time.Millisecond
		var c Counts
		var still []request
		for _, q := range flight {
			switch {
			case q.age+span < q.ends:
				c.Age(q.age, q.age+span, 1)
				still = append(still, request{q.age + span, q.ends})
			case r.IntN(10) == 0:
				c.Age(q.age, q.ends, 1) // given up: it stays at its last age
				given++
			default:
				c.Age(q.age, -1, 1)
				c.Answer(q.ends, 1, 0)
			}
		}
		flight = still
		for range 20 {
			if tick < 200 {
				begun++
				c.Age(-1, 0, 1)
				flight = append(flight, request{0, time.Duration(r.ExpFloat64() * float64(300*time.Millisecond))})
			}
		}
		var tails tails
		tails.fill(c.Done, c.Aged)
		for i, tau := range taus {
			answered := tails.done.since(tau + 1)
			late := answered + tails.aged.since(tau+1)
			if late < 0 || late+tails.done.all-answered < 0 {
				t.Fatalf("tick %d: fewer requests beyond bucket %d than before", tick, tau)
			}
			total[i].add(tails.beyond(tau))
		}
	}
	if len(flight) > 0 {
		t.Fatalf("%d requests never ended", len(flight))
	}
	for i, n := range total {
		if n.Requests < begun-given || n.Requests > begun || n.Events > n.Requests {
			t.Errorf("beyond bucket %d: %+v of %d requests, of which %d were given up", taus[i], n, begun, given)
		}
	}
}

func TestMoreFailuresThanRequestsAreCut(t *testing.T) {
	if got := (Counts{Requests: 3, Failed: 5}).faults(); got != (Tally{3, 3}) {
		t.Errorf("5 failures of 3 requests count as %+v", got)
	}
}
