package deploy

import (
	"fmt"
	"time"
)

// PlanHold says how long requests wait while a program that cannot run twice is replaced.
type PlanHold struct {
	Expected Duration `json:"expected"`            // from the last start that was measured
	Limit    Duration `json:"limit"`               // then the new version is given up
	Timeout  Duration `json:"timeout"`             // then a request that waits is answered 503
	Drain    Duration `json:"drain"`               // most that requests in flight may add
	Stop     Duration `json:"stop"`                // most that the end of the old version may add
	Start    Duration `json:"start"`               // of the new version, expected
	Return   Duration `json:"return"`              // of the old version, if it must come back
	TooShort string   `json:"too_short,omitempty"` // why nothing would be begun as long as the old version answers; empty: it would
}

const (
	planStop  = 500 * time.Millisecond // that a program is taken to need for its end
	planGrain = 100 * time.Millisecond // that estimates are rounded to
)

// replaced gives the steps the times and the capacity that they have where one revision ends before the other begins.
func (p *Plan) replaced(r Rollout, held time.Duration) {
	p.Total = 0
	for i, step := range r.Forth {
		row := &p.Steps[i]
		row.Time = Duration(step.Gate.expected())
		if step.Picture.count(r.To) > 0 {
			row.Held = Duration(held)
			row.Time += row.Held
		} else {
			row.Capacity, row.Gate = 100, r.To+" is ready to start"
		}
		p.Total += row.Time
	}
}

// hold says beforehand who has to wait, for how long, and what happens when the new version does not become healthy.
func (p *Plan) hold(r Rollout, s State) {
	swap := r.Forth[len(r.Forth)-1].Picture
	r.At = len(r.Forth) - 1
	start, measured := r.Return, fmt.Sprintf("the last start of %s took so long", r.From)
	if _, known := s.Starts[r.From]; !known {
		measured = "nobody has measured it yet"
	}
	if took, known := s.Starts[r.To]; known {
		start, measured = took, fmt.Sprintf("its last start took so long, that of %s %s", r.From, seconds(r.Return))
	}
	start = max(planGrain, start.Round(planGrain)) // more would be false precision
	p.replaced(r, planStop+start)
	back := fmt.Sprintf("what is found out before %s could be started leaves %s as it is", r.To, r.From)
	p.Estimate = fmt.Sprintf("assuming that %s is healthy %s after its start (%s), and that %s needs %s to end", r.To, seconds(start), measured, r.From, seconds(planStop))
	p.After = []string{fmt.Sprintf("%s serves with %s", r.To, countOf(r.Rest.count(r.To)))}
	if swap.HoldTimeout == 0 { // a worker
		p.Notes = append(p.Notes, fmt.Sprintf("%s cannot run twice: %s has ended before %s is started, and for about %s nobody does its work", p.Service, r.From, r.To, seconds(planStop+start)))
		p.Back = fmt.Sprintf("when %s does not become healthy, %s is started again; %s", r.To, r.From, back)
		return
	}
	limit := r.patience()
	p.Hold = &PlanHold{Expected: Duration(planStop + start), Limit: Duration(limit.Round(time.Millisecond)), Timeout: Duration(swap.HoldTimeout), Drain: Duration(min(swap.Drain, limit/2)),
		Stop: Duration(r.StopTimeout), Start: Duration(start), Return: Duration(r.Return.Round(time.Millisecond))}
	if limit == 0 {
		p.Hold.TooShort = r.tooShort()
	}
	p.Notes = append(p.Notes, fmt.Sprintf("%s cannot run twice: requests are held while %s ends and %s starts, about %s; requests in flight may add up to %s (drain_timeout, at most half of what there is), and a program that does not end when it is told to, up to %s (stop_timeout)",
		p.Service, r.From, r.To, seconds(planStop+start), seconds(p.Hold.Drain.D()), seconds(r.StopTimeout)))
	if planStop+start > limit {
		p.Notes = append(p.Notes, fmt.Sprintf("hold_timeout (%s) is too short for that: raise it to about %s", seconds(swap.HoldTimeout), seconds(enough(start, r.Return))))
	}
	p.Back = fmt.Sprintf("when %s is not healthy %s after requests began to wait, %s comes back, so that it answers them before hold_timeout (%s) is over; %s",
		r.To, seconds(limit), r.From, seconds(swap.HoldTimeout), back)
}
