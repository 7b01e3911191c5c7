package simulate

import (
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// BenchmarkTick is what a tick of 100 requests costs, everything included.
func BenchmarkTick(b *testing.B) {
	for name, bake := range map[string]time.Duration{"bake=30s": 30 * time.Second, "bake=4m": 4 * time.Minute} {
		b.Run(name, func(b *testing.B) {
			s := Default()
			s.Service = Canary(5, bake, 500, 1000, 2500, 5000, 7500, deploy.Whole)
			ticks := 0
			for i := 0; b.Loop(); i++ {
				r := Run(s, i, nil)
				ticks += int((r.Ended + s.Warm.D().Seconds()) / tick.Seconds())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(ticks), "ns/tick")
		})
	}
}
