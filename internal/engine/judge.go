package engine

import (
	"fmt"
	"math"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
)

// judge holds the candidate's own requests against the service's objectives, from the moment that a step's traffic is
// given. It looks with every turn, several times a second, and says fail only when chance is no explanation.
//
// Each objective is a bound on a share of requests: errors on the failed ones, p99 on those slower than it (at most 1 %).
// The share is failing when even the lower end of its Wilson score interval lies above the bound (E. B. Wilson, 1927)
// and, where stable breaks the objective too, above the upper end of stable's: that is not the candidate's fault. It has
// passed when it is within the bound over at least min_requests. Anything else is unknown, no data above all.
type judge struct {
	rollout string
	step    int
	epoch   string
	begun   bool
	began   time.Time        // when the base was taken
	base    map[string]tally // by revision
}

// z is the width of the interval in standard deviations. It is looked at many times, so it is wide: 3 is 99.87 % for one look.
const z = 3.0

// tally is what a revision has answered to randomly assigned users.
type tally struct {
	requests, failed uint64
	latency          proxy.Histogram
}

func tallies(seen proxy.ServiceState) map[string]tally {
	out := map[string]tally{}
	for _, m := range seen.Meters {
		if m.Assignment != "random" {
			continue
		}
		t := out[m.Revision]
		t.requests += m.Requests
		t.failed += m.Failed
		t.latency.Merge(m.Latency)
		out[m.Revision] = t
	}
	return out
}

func (t tally) since(base tally) tally {
	return tally{t.requests - base.requests, t.failed - base.failed, t.latency.Since(base.latency)}
}

// look judges the step that the rollout is in.
func (j *judge) look(s deploy.State, o deploy.Observation, epoch string, seen proxy.ServiceState) deploy.Verdict {
	r, open := s.Open()
	if !open || r.Returning || r.Passed || r.Step().Gate.Analysis == nil || r.Weight() == 0 {
		j.begun = false
		return deploy.Verdict{}
	}
	now := tallies(seen)
	if !j.begun || j.rollout != r.ID || j.step != r.At || j.epoch != epoch {
		*j = judge{rollout: r.ID, step: r.At, epoch: epoch, begun: true, began: o.Now, base: now}
	}
	canary, stable := now[r.To].since(j.base[r.To]), now[r.From].since(j.base[r.From])
	v := assess(*r.Step().Gate.Analysis, canary, stable, r)
	if late := j.began.After(r.Reached) && !r.Reached.IsZero(); late && v.Outcome == deploy.Inconclusive && o.Now.Sub(j.began) < r.Step().Gate.Patience() {
		return deploy.Verdict{} // the controller was started anew in the middle of the step: it looks as long as it would have
	}
	v.Rollout, v.Step, v.Requests = r.ID, r.At, canary.requests
	return v
}

// objective is one bound and what both revisions have made of it.
type objective struct {
	name          string
	bound         float64 // share that is allowed
	canary, total uint64
	stable, of    uint64
	words         func(share float64) string
}

func assess(g deploy.Judgement, canary, stable tally, r deploy.Rollout) deploy.Verdict {
	v := deploy.Verdict{Outcome: deploy.Pass}
	for _, b := range objectives(g, canary, stable) {
		share, base := part(b.canary, b.total), part(b.stable, b.of)
		v.Figures = append(v.Figures, deploy.Figure{Name: b.name, Revision: r.To, Value: share, Bound: b.bound, Unit: "share", Requests: b.total},
			deploy.Figure{Name: b.name, Revision: r.From, Value: base, Bound: b.bound, Unit: "share", Requests: b.of})
		figures := fmt.Sprintf("%s of %d requests to %s, %s of %d to %s; the objective allows %s",
			b.words(share), b.total, r.To, b.words(base), b.of, r.From, b.words(b.bound))
		switch low, _ := wilson(b.canary, b.total); {
		case b.total >= uint64(g.MinRequests) && low > b.bound && low > excuse(b):
			v.Outcome, v.Reason = deploy.Fail, b.name+": "+figures
			return v
		case b.total < uint64(g.MinRequests):
			v.Outcome, v.Reason = deploy.Inconclusive, fmt.Sprintf("%s has answered %d requests in this step, %d are needed", r.To, b.total, g.MinRequests)
		case share > b.bound:
			v.Outcome, v.Reason = deploy.Inconclusive, b.name+" cannot be told yet: "+figures
		}
	}
	return v
}

func objectives(g deploy.Judgement, canary, stable tally) (out []objective) {
	if g.Objectives.Errors != nil {
		out = append(out, objective{"errors", float64(*g.Objectives.Errors) / float64(deploy.Whole), canary.failed, canary.requests, stable.failed, stable.requests,
			func(s float64) string { return fmt.Sprintf("%.2f%% failed", 100*s) }})
	}
	if p99 := g.Objectives.P99.D(); p99 > 0 {
		slow := func(t tally) (uint64, uint64) { return t.latency.CountAbove(p99), t.latency.Count() }
		c, cn := slow(canary)
		s, sn := slow(stable)
		out = append(out, objective{"p99", 0.01, c, cn, s, sn,
			func(s float64) string {
				return fmt.Sprintf("%.2f%% slower than %s", 100*s, deploy.Duration(p99.Round(time.Microsecond)))
			}})
	}
	return out
}

func part(k, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64(k) / float64(n)
}

// wilson is the Wilson score interval of a share seen k times in n.
func wilson(k, n uint64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, N := float64(min(k, n))/float64(n), float64(n) // a failure may be counted a moment before its request
	centre := (p + z*z/(2*N)) / (1 + z*z/N)
	half := z / (1 + z*z/N) * math.Sqrt(p*(1-p)/N+z*z/(4*N*N))
	return max(0, centre-half), min(1, centre+half)
}

// excuse is the share that stable suffers as well: the upper end of its interval where it breaks the objective itself,
// and nothing where it keeps it.
func excuse(b objective) float64 {
	if part(b.stable, b.of) <= b.bound {
		return 0
	}
	_, high := wilson(b.stable, b.of)
	return high
}
