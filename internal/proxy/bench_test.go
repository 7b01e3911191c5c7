package proxy

import (
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

func BenchmarkMeter(b *testing.B) {
	m := newMeter("r1", atRandom)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.request(200, 3*time.Millisecond)
			m.bytes(100, 1000)
		}
	})
}

func BenchmarkState(b *testing.B) {
	r := New(Options{})
	apply(b, r, 1, canary(500, append(backendsOf("r1", 5), backendsOf("r2", 1)...)...))
	for i := range 1000 {
		x := begin(b, r, get())
		acquire(b, x)
		x.began = time.Now().Add(-time.Duration(i) * time.Millisecond)
		x.Done(Outcome{Status: 200})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.State()
	}
}
