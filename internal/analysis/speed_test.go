package analysis

import (
	"testing"
	"time"
)

func BenchmarkAdd(b *testing.B) {
	t := newTraffic(1, 1000, 0.05, 0.001, 0.001)
	t.canary.latency = lognormal(30*time.Millisecond, 0.5, 0, 0)
	t.stable.latency = t.canary.latency
	ticks := make([]Tick, 1000)
	for i := range ticks {
		ticks[i] = t.next()
	}
	a := New(Options{Alpha: 0.01, Errors: true, Latency: true, Guardrail: true, Objective: 0.01, P99: time.Second, Harm: 0.0005, Shift: 1}, t.warmed())
	a.Enter(Step{Compared: true, Share: 0.05, Next: 0.1})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a.Add(ticks[i%1000])
	}
}
