package judge

import (
	"fmt"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/figure"
)

// Load is what a load test has shown of a canary before it gets any traffic.
type Load struct {
	Requests uint64
	Errors   float64 // share of failed ones
	P99      time.Duration
}

// Known is how many requests of stable there must have been for its figures to be set beside others.
const Known = 200

// Beside sets a load test's figures beside those of the stable revision's own traffic. It is told and nobody is judged by
// it: a load test asks for one path and users ask for many, so that an honest version could be blamed for a page that is
// slower than the others. What a load test must keep is written in its own bounds.
func Beside(canary string, l Load, stable string, base analysis.Baseline) string {
	if base.Answered() < Known {
		return ""
	}
	p99 := analysis.Edge(base.Quantile(0.99) + 1)
	return fmt.Sprintf("the load test of %s: %s of %s requests failed, p99 %s; users have had %s failed and p99 %s of %s lately. They ask for other things, so this is told and not judged",
		canary, figure.Percent(l.Errors), figure.Count(l.Requests), latency(l.P99), figure.Percent(base.Faults/max(1, base.Requests)), latency(p99), stable)
}
