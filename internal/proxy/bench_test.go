package proxy

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The whole of what the core adds to a request.
func BenchmarkExchange(b *testing.B) {
	for _, c := range []struct {
		name  string
		route Route
		v     Visitor
	}{
		{"rest", chat(backendsOf("r1", 5)...), get()},
		{"canary", canary(500, append(backendsOf("r1", 5), backendsOf("r2", 1)...)...), get()},
		{"sticky", sticky(canary(500, append(backendsOf("r1", 5), backendsOf("r2", 1)...)...)), get().as("0123456789abcdef0123456789abcdef")},
	} {
		r := New(Options{})
		apply(b, r, 1, c.route)
		once := func() {
			x, err := r.Begin(c.v)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := x.Acquire(b.Context()); err != nil {
				b.Fatal(err)
			}
			x.Head(200)
			x.Done(Outcome{Status: 200, In: 100, Out: 1000})
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
		b.Run(c.name+"-parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					once()
				}
			})
		})
	}
}

func sticky(r Route) Route {
	r.Affinity = Affinity{By: ByCookie, Sticky: true}
	return r
}

// What counting one request costs, from the first claim to the end. The
// difference between rest and canary is what a judge of revisions costs.
func BenchmarkMeter(b *testing.B) {
	for _, c := range []struct {
		name  string
		route Route
	}{{"rest", chat()}, {"canary", canary(500)}} {
		svc := newService("chat")
		rt, g := &route{svc: svc, spec: c.route}, &share{meters: svc.metersOf("r1"), cohort: 1}
		svc.cohort.Store(1)
		once := func(x *Exchange) {
			*x = Exchange{svc: svc, route: rt, began: x.began}
			x.track(g, atRandom)
			x.Head(200)
			x.count(Outcome{Status: 200, In: 100, Out: 1000})
		}
		b.Run(c.name, func(b *testing.B) {
			x := &Exchange{began: time.Now()}
			for b.Loop() {
				once(x)
			}
		})
		b.Run(c.name+"-parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				x := &Exchange{began: time.Now()}
				for pb.Next() {
					once(x)
				}
			})
		})
	}
}

func BenchmarkBucketOf(b *testing.B) {
	d := time.Duration(0)
	for b.Loop() {
		d = (d + 3_000_017) & (1<<30 - 1)
		bucketOf(d)
	}
}

// What a watch costs the proxy, ten times a second while a canary is open: the
// snapshot, and the snapshot written as JSON.
func BenchmarkState(b *testing.B) {
	r := New(Options{})
	route := canary(500, append(backendsOf("r1", 5), backendsOf("r2", 1)...)...)
	route.Groups[1].Match = []Match{{Header: "X-Beta"}}
	apply(b, r, 1, route)
	rng := rand.New(rand.NewPCG(1, 2))
	end := func(v Visitor, o Outcome) *Exchange {
		x := begin(b, r, v)
		x.began = time.Now().Add(-time.Duration(8e6 * math.Exp(0.7*rng.NormFloat64()))) // 8 ms in the middle, 40 ms at the 99th percentile
		acquire(b, x)
		if o.Status > 0 || o.Aborted {
			x.Done(o)
		}
		return x
	}
	for i := range 20_000 {
		end(get(), Outcome{Status: 200})
		if i%100 == 0 {
			end(get().with("X-Beta", "1"), Outcome{Status: 200})
			end(get(), Outcome{Aborted: true})
		}
	}
	for range 200 {
		defer end(get(), Outcome{}).Done(Outcome{Status: 200})
	}
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.State()
		}
	})
	b.Run("written", func(b *testing.B) {
		b.ReportAllocs()
		var n counted
		for b.Loop() {
			n = 0
			if err := json.NewEncoder(&n).Encode(r.State()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n), "bytes")
	})
}

// counted is how much was written.
type counted int

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}
