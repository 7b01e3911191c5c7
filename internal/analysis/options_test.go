package analysis

import (
	"math"
	"testing"
	"time"
)

// The streams that are on share alpha, and their limits are 1/alpha of each: together they bound the false rollbacks.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name                    string
		o                       Options
		errors, latency, guards float64
	}{
		{"all", Options{Alpha: 0.01, Errors: true, Latency: true, Guardrail: true, Objective: 0.01}, 200, 250, 1000},
		{"two objectives", Options{Alpha: 0.01, Errors: true, Latency: true, Guardrail: true, Objective: 0.01, P99: time.Second}, 200, 250, 2000},
		{"no objective", Options{Alpha: 0.01, Errors: true, Latency: true, Guardrail: true}, 180, 225, 0},
		{"errors alone", Options{Alpha: 0.01, Errors: true}, 100, 0, 0},
		{"errors and guardrail", Options{Alpha: 0.02, Errors: true, Guardrail: true, Objective: 0.01}, 60, 0, 300},
		{"an objective without the guardrail", Options{Alpha: 0.01, Errors: true, Objective: 0.01}, 100, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.o
			o.Harm = 0.0005
			a := New(o, Baseline{})
			a.Enter(Step{Compared: true, Share: 0.1, Next: 0.5})
			f, spent := a.Findings(), 0.0
			is := func(what string, got Finding, want float64) {
				if math.Abs(got.Limit-want) > 1e-9 {
					t.Errorf("%s: limit %g, want %g", what, got.Limit, want)
				}
				if got.Limit > 0 {
					spent += 1 / got.Limit
				}
			}
			is("errors", f.Errors, c.errors)
			if len(f.Latency) > 0 != (c.latency > 0) {
				t.Errorf("%d latency findings", len(f.Latency))
			} else if c.latency > 0 {
				is("latency", f.Latency[0], c.latency)
			}
			for _, g := range f.Guardrail {
				is("guardrail", g, c.guards)
			}
			if len(f.Guardrail) != o.objectives() {
				t.Errorf("%d guardrails, want %d", len(f.Guardrail), o.objectives())
			}
			if math.Abs(spent-o.Alpha) > 1e-12 {
				t.Errorf("the streams spend %g of the alpha %g", spent, o.Alpha)
			}
		})
	}
}
