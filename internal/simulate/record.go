package simulate

import (
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// tell takes down what has happened from one state to the next.
func (p *play) tell(before deploy.State) {
	for _, e := range deploy.Events(before, p.state, at(p.now)) {
		if e.Rollout != "" {
			p.result.Timeline = append(p.result.Timeline, Entry{Time: p.now.Seconds(), Kind: e.Kind, Step: e.Step, Message: e.Message})
		}
	}
	now := p.state.Rollout
	if now == nil {
		return
	}
	was := before.Rollout
	if was == nil {
		was = &deploy.Rollout{At: -1}
	}
	p.stays(was, now)
	if now.Returning && !was.Returning {
		p.result.Verdict, p.result.Reason = p.second(), now.Reason
	}
	if now.Passed && !was.Passed && !now.Returning {
		p.result.Promoted = p.second()
	}
	if len(now.Notes) > len(was.Notes) {
		p.result.Notes = slices.Clone(now.Notes)
	}
}

// stays follows the rollout from step to step.
func (p *play) stays(was, now *deploy.Rollout) {
	last := func() *Stay { return &p.result.Steps[len(p.result.Steps)-1] }
	if now.Returning {
		return
	}
	if was.At != now.At {
		if was.At >= 0 {
			last().Left = p.second()
		}
		if was.At > now.At {
			p.result.Back++
		}
		p.result.Steps = append(p.result.Steps, Stay{Step: now.Step().Name, Entered: p.now.Seconds()})
	}
	if now.Passed && last().Left == nil {
		last().Left = p.second()
	}
	if !now.Reached.IsZero() && last().Reached == nil {
		last().Reached = p.second()
	}
	if p.result.Full == nil && p.world.share(fresh) == 1 {
		p.result.Full = p.second()
	}
}

func (p *play) second() *float64 { return new(p.now.Seconds()) }

// note keeps what the judge says.
func (p *play) note(v deploy.Verdict) {
	if v.Outcome == deploy.Freeze || v.Outcome == deploy.BackOne {
		p.result.Frozen += turn.Seconds()
	}
	if len(v.Figures) > 0 {
		p.result.Figures = v.Figures
	}
}

// weigh takes down the evidence against the canary once a second, and at the end.
func (p *play) weigh() {
	_, stream, guilty := p.judge.Analysis.Guilty()
	if p.now%time.Second != 0 && !guilty {
		return
	}
	found := p.judge.Analysis.Findings()
	p.weight = map[string]float64{deploy.StreamErrors: found.Errors.Evidence}
	for _, f := range found.Latency {
		p.weight[deploy.StreamLatency] = f.Evidence
	}
	for _, f := range found.Guardrail {
		p.weight[deploy.StreamGuardrail] = max(p.weight[deploy.StreamGuardrail], f.Evidence)
	}
	for s, e := range p.weight {
		p.result.Evidence[s] = max(p.result.Evidence[s], e)
	}
	if guilty {
		p.result.Stream = stream
	}
}

// end writes the result.
func (p *play) end() Result {
	r := &p.result
	r.Ended = p.now.Seconds()
	r.Canary, r.Stable = p.arms[canary].total, p.arms[stable].total
	r.Outcome = Open
	switch now := p.state.Rollout; {
	case !now.Open():
		r.Outcome = string(now.Result)
	case !now.PausedAt.IsZero():
		r.Outcome, r.Reason = Waits, now.Waiting
	default:
		r.Reason = now.Waiting
	}
	for _, j := range p.state.Rollout.Judged {
		if j.Outcome == deploy.Inconclusive {
			r.Doubts++
		}
	}
	if onset := p.onset(); onset >= 0 && onset.Seconds() <= r.Ended {
		r.Onset = new(onset.Seconds())
	}
	return *r
}

// onset is when the first regression begins; negative: never.
func (p *play) onset() time.Duration {
	if p.since < 0 || len(p.s.Regressions) == 0 {
		return -1
	}
	first := p.s.Regressions[0].After.D()
	for _, r := range p.s.Regressions {
		first = min(first, r.After.D())
	}
	return p.since + first
}
