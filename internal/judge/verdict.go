package judge

import (
	"fmt"
	"math"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
)

// Verdict says what is known of the canary now. answers are the last words of the step's outside sources.
func (j *Judge) Verdict(r deploy.Rollout, answers []Answer) deploy.Verdict {
	j.follow(r)
	if r.Returning || r.Passed || j.Step < 0 || j.Step >= len(r.Forth) || r.Forth[j.Step].Gate.Analysis == nil || j.Kind == silent {
		return deploy.Verdict{}
	}
	v := deploy.Verdict{Rollout: r.ID, Step: j.Step, Requests: j.Given}
	found := j.Analysis.Findings()
	say := speaker{r: r, j: j, incident: found.Incident}
	v.Figures = append(say.figures(found), outside(answers, r)...)
	if f, stream, guilty := j.Analysis.Guilty(); guilty {
		v.Outcome, v.Reason = deploy.Fail, say.guilt(stream, f)
		if stream == deploy.StreamGuardrail && j.mayAsk(r) {
			v.Outcome, v.Reason = deploy.BackOne, v.Reason+fmt.Sprintf("; %s is given traffic again to see whether it fares better", r.From)
		}
		if n := j.Analysis.Guilt.Heard; n.Requests > 0 {
			v.Reason += fmt.Sprintf("; given traffic again, %s did not: %s of %s", r.From, figure.Percent(n.Rate()), requests(n.Requests))
		}
		return v
	}
	if f, asked := j.Analysis.Questioned(); asked {
		v.Outcome, v.Reason = deploy.Freeze, fmt.Sprintf("%s; %s has traffic again, and is watched for whether it fails as well", say.guilt(deploy.StreamGuardrail, f), r.From)
		return v
	}
	for _, a := range answers {
		if a.Breaches >= a.Source.Breaches {
			v.Outcome, v.Reason = deploy.Fail, fmt.Sprintf("%s, %s in a row", a.words(r), plural(a.Breaches, "answer"))
			return v
		}
	}
	if i := found.Incident; i.Open && !i.Old {
		v.Outcome, v.Reason = deploy.Freeze, say.incidentWords()
		if i.Shifted && !j.Returned {
			v.Outcome, v.Reason = deploy.BackOne, v.Reason+fmt.Sprintf("; it began right after %s was given more traffic", r.To)
		}
		return v
	}
	v.Outcome, v.Reason = j.weigh(say, found, answers)
	return v
}

// mayAsk reports whether the canary answers alone, and one step back it would not. An incident that strikes everybody cannot
// be told there from a fault of the canary, and a step back tells within seconds. Where people have paused the rollout, or
// have skipped the gate, it would not be taken; and it is taken once.
func (j *Judge) mayAsk(r deploy.Rollout) bool {
	return j.Kind == alone && j.Step == r.At && r.At > 0 && kindOf(r.Forth[r.At-1].Picture, r) == compared &&
		!r.SteppedBack && !r.Reached.IsZero() && r.PausedAt.IsZero() && !r.Skip && !r.SkipAll
}

// weigh says whether enough speaks for the canary to go on, and otherwise what is missing most.
func (j *Judge) weigh(say speaker, found analysis.Findings, answers []Answer) (deploy.Outcome, string) {
	if j.Given == 0 {
		return deploy.Inconclusive, "no request has reached " + say.r.To + " yet"
	}
	if why := j.unanswered(say.r); why != "" { // what is not known yet is no missing evidence, which may be waived
		return deploy.Freeze, why
	}
	for _, f := range j.against(found) {
		if f.Evidence >= analysis.Calm { // not missing evidence, which may be waived: some that speaks against it
			return deploy.Freeze, say.doubt(f)
		}
	}
	var worst *analysis.Finding
	if j.Kind == compared {
		for _, f := range asked(found) {
			if f.Clearance < analysis.Enough && (worst == nil || f.Missing > worst.Missing) {
				worst = &f
			}
		}
	}
	if worst != nil {
		return deploy.Inconclusive, say.missing(*worst)
	}
	for _, a := range answers {
		if a.Source.Needed() && !a.good() {
			return deploy.Inconclusive, a.words(say.r)
		}
	}
	return deploy.Pass, say.cleared(found)
}

// unanswered says that too many requests hang in the air: counted neither as good nor as failed, they would let a version pass
// that answers nothing. Their fate is known when the hang deadline has passed at the latest.
func (j *Judge) unanswered(r deploy.Rollout) string {
	if j.Answered == 0 {
		return fmt.Sprintf("%s has answered none of %s yet", r.To, requests(j.Given))
	}
	allowed := j.Analysis.Options.Objective
	if asked := j.Analysis.Errors.All.Harm.Rungs; j.Kind == compared && len(asked) > 0 {
		allowed = asked[0].Margin
	}
	stable := float64(j.Waiting[1]) / float64(max(1, j.Asked))
	if float64(j.Waiting[0]) <= (allowed+2*stable)*float64(j.Given) {
		return ""
	}
	return fmt.Sprintf("%s of the %s to %s have waited for longer than nearly all to %s do; whether they fail is not known yet", figure.Count(j.Waiting[0]), requests(j.Given), r.To, r.From)
}

// minutes is how long the canary takes to answer so many requests at its present rate.
func (j *Judge) minutes(requests float64) float64 {
	if j.Given == 0 || j.Since <= 0 {
		return math.Inf(1)
	}
	rate := float64(j.Given) / j.Since.Seconds()
	return requests / rate / 60
}

// against lists the streams whose evidence this step can change: what the comparison once had against a canary that has all
// the traffic now would stand for ever.
func (j *Judge) against(f analysis.Findings) []analysis.Finding {
	if j.Kind != compared {
		return f.Guardrail
	}
	return append(append([]analysis.Finding{f.Errors}, f.Latency...), f.Guardrail...)
}

// asked lists the streams that must have excluded a harm before the canary gets more.
func asked(f analysis.Findings) (out []analysis.Finding) {
	for _, one := range append([]analysis.Finding{f.Errors}, f.Latency...) {
		if one.Margin > 0 && !one.Confounded {
			out = append(out, one)
		}
	}
	return out
}
