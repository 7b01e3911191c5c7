package judge_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/judge"
)

// trial is a rollout whose steps the test walks by hand, and the traffic that its judge sees.
type trial struct {
	t       *testing.T
	r       deploy.Rollout
	j       judge.Judge
	now     time.Time
	rnd     *rand.Rand
	answers []judge.Answer

	rate           float64 // requests per second, of all users
	stable, canary float64 // share of failed requests
	slow           float64 // factor of the canary's latency
	match          float64 // requests per second that chosen users send to the canary
	chosen         float64 // share of them that fails besides
}

// begin opens a rollout of four instances by the given strategy, with traffic that has been going on for a while.
func begin(t *testing.T, s deploy.Service) *trial {
	t.Helper()
	s.Instances, s.Process = 4, &deploy.Process{Command: []string{"./shop"}}
	s = s.Normalise()
	state := deploy.State{Service: "shop", Stable: "r1", Instances: 4, Rest: deploy.Picture{Service: "shop", Stable: "r1",
		Groups: []deploy.Group{{Revision: "r1", Instances: 4, Share: deploy.Whole}}, MaxTotal: 4}, Revisions: 1}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	state, _, err := deploy.Begin(state, deploy.Request{To: "r2", Version: "2", Settings: s, By: "deploy"}, now)
	if err != nil {
		t.Fatal(err)
	}
	c := &trial{t: t, r: *state.Rollout, now: now, rnd: rand.New(rand.NewPCG(1, 2)), rate: 1000, stable: .001, canary: .001, slow: 1}
	var base analysis.Baseline
	for range 300 {
		base.Add(time.Second, c.counts(c.rate, c.stable, 1))
	}
	c.j = judge.Begin(c.r, s.Analysis, base)
	return c
}

// counts draws what a revision answers in a second.
func (c *trial) counts(rate, failing, slow float64) analysis.Counts {
	n := int(rate)
	if c.rnd.Float64() < rate-float64(n) {
		n++
	}
	var out analysis.Counts
	for range n {
		failed := 0
		if c.rnd.Float64() < failing {
			failed = 1
		}
		out.Answer(time.Duration(slow*20e6*(.5+c.rnd.ExpFloat64())), 1, failed)
	}
	return out
}

// reach makes the picture of the step true.
func (c *trial) reach(step int) {
	c.r.At, c.r.Reached = step, c.now
}

// pass lets seconds of traffic pass, and returns the verdict at their end.
func (c *trial) pass(seconds int) deploy.Verdict {
	for range seconds {
		c.second()
	}
	return c.j.Verdict(c.r, c.answers)
}

func (c *trial) second() {
	share := part(c.r)
	c.now = c.now.Add(time.Second)
	c.j.See(c.r, c.now, judge.Sample{Span: time.Second, Canary: c.counts(c.rate*share, c.canary, c.slow), Stable: c.counts(c.rate*(1-share), c.stable, 1),
		Chosen: c.counts(c.match, c.canary+c.chosen, c.slow)})
}

// part is the canary's part of the random traffic.
func part(r deploy.Rollout) float64 {
	if r.Reached.IsZero() {
		return 0
	}
	p := r.Picture()
	if s := p.Share("r2"); s != deploy.Proportional {
		return s.Percent() / 100
	}
	n, all := 0, 0
	for _, g := range p.Groups {
		all += g.Instances
		if g.Revision == "r2" {
			n = g.Instances
		}
	}
	return float64(n) / float64(all)
}

func canary(steps ...deploy.CanaryStep) deploy.Service {
	return deploy.Service{Strategy: deploy.Strategy{Canary: &deploy.CanaryOptions{Steps: append(steps, deploy.CanaryStep{Weight: deploy.Whole})}}}
}

func expect(t *testing.T, v deploy.Verdict, outcome deploy.Outcome, reasons ...string) {
	t.Helper()
	if v.Outcome != outcome {
		t.Fatalf("%s: %s, want %s", v.Outcome, v.Reason, outcome)
	}
	for _, want := range reasons {
		if !strings.Contains(v.Reason, want) {
			t.Errorf("%q does not say %q", v.Reason, want)
		}
	}
}

func TestGoodCanaryPassesOnceTheHarmIsExcluded(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 500}, deploy.CanaryStep{Weight: 1000}))
	if v := c.pass(5); v.Outcome != deploy.Inconclusive || v.Requests != 0 {
		t.Fatalf("before any traffic: %+v", v)
	}
	c.reach(0)
	v := c.pass(2)
	expect(t, v, deploy.Inconclusive, "more requests to r2", "at the present rate")
	if f := v.Figures[0]; f.Stream != "errors" || f.MoreRequests == nil || f.MoreMinutes == nil || *f.MoreMinutes <= 0 || f.Margin != .5 || f.Limit != 200 {
		t.Errorf("%+v", f)
	}
	v = c.pass(118)
	expect(t, v, deploy.Pass, "more than 0.5 points worse is excluded", "to r2", "to r1", "nothing speaks against it")
	if len(v.Figures) != 5 || v.Requests < 5500 || v.Requests > 6500 || v.Step != 0 || v.Rollout != c.r.ID {
		t.Errorf("%d figures of %d requests in step %d of %s", len(v.Figures), v.Requests, v.Step, v.Rollout)
	}
	c.reach(1) // the evidence of five percent says nothing about ten
	expect(t, c.pass(2), deploy.Inconclusive)
	c.reach(2)
	expect(t, c.pass(2), deploy.Pass, "r2 has all the traffic", "the objectives alone")
}

func TestBadCanariesAreFound(t *testing.T) {
	for _, c := range []struct {
		name    string
		harm    func(*trial)
		seconds int
		reasons []string
	}{
		{"errors", func(c *trial) { c.canary = .05 }, 40, []string{"errors: ", "% of ", " requests to r2 and ", " to r1 failed", "by chance alone less than 1 in 200 would look so: evidence ", " of 200"}},
		{"all fail", func(c *trial) { c.canary = 1 }, 1, []string{"errors: 2.63% of 2,050 requests to r2 and ", "over a million of 200"}},
		{"slow", func(c *trial) { c.slow = 1.5 }, 60, []string{"latency: ", "slower than ", " of r1)", " of 250"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, canary(deploy.CanaryStep{Weight: 500}))
			s.reach(0)
			expect(t, s.pass(40), deploy.Inconclusive)
			c.harm(s)
			expect(t, s.pass(c.seconds), deploy.Fail, c.reasons...)
			s.canary, s.slow = .001, 1
			expect(t, s.pass(100), deploy.Fail, c.reasons...) // what is found stays found
		})
	}
}

// An incident on both sides blames nobody, whatever the canary's part of the traffic is.
func TestIncidentFreezes(t *testing.T) {
	for step, want := range []deploy.Outcome{deploy.Freeze, deploy.Freeze, deploy.Freeze} {
		c := begin(t, canary(deploy.CanaryStep{Weight: 500}, deploy.CanaryStep{Weight: 5000}, deploy.CanaryStep{Weight: 7500}))
		c.reach(step)
		c.pass(60)
		c.stable, c.canary = .2, .2
		expect(t, c.pass(20), want, "r1 itself breaks the objective", "nobody is blamed")
		c.stable, c.canary = .001, .001
		if v := c.pass(600); v.Outcome != deploy.Pass {
			t.Errorf("after the incident: %s, %s", v.Outcome, v.Reason)
		}
	}
}

// When stable suffers right after the canary was given more, both may depend on something that cannot bear them.
func TestSharedDependency(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 500}, deploy.CanaryStep{Weight: 5000}))
	c.reach(0)
	c.pass(100)
	c.reach(1)
	c.stable, c.canary = .1, .1
	expect(t, c.pass(10), deploy.BackOne, "it began right after r2 was given more traffic")
	c.reach(0)
	expect(t, c.pass(10), deploy.Freeze, "r1 itself breaks the objective") // one incident takes one step back
	c.stable, c.canary = .001, .001
	expect(t, c.pass(200), deploy.Pass)
	c.reach(1)
	c.stable, c.canary = .1, .1
	expect(t, c.pass(10), deploy.BackOne)
}

// What speaks against a canary is not missing evidence, which may be waived.
func TestDoubtIsNotWaived(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 500}, deploy.CanaryStep{Weight: 5000}))
	c.reach(0)
	c.pass(60)
	c.canary = .008
	for range 60 {
		v := c.pass(1)
		if f := v.Figures[0]; f.Evidence >= 10 && f.Evidence < f.Limit {
			expect(t, v, deploy.Freeze, "speaks against it", "naru promote shop")
			return
		}
	}
	t.Error("the evidence never stood between the two limits")
}

// A canary that has everything and breaks the objective is given a witness: one step back both have traffic, and an incident
// that strikes both is told from a fault of the canary.
func TestCanaryThatIsAloneGetsAWitness(t *testing.T) {
	alone := func() *trial {
		c := begin(t, canary(deploy.CanaryStep{Weight: 5000}))
		c.reach(0)
		c.pass(100)
		c.reach(1)
		c.pass(10)
		c.canary = .2
		expect(t, c.pass(10), deploy.BackOne, "guardrail: ", "(the objective allows 1.00%)", " of 1,000", "r1 is given traffic again")
		return c
	}
	guilty := alone()
	guilty.r.At, guilty.r.Reached = 0, time.Time{}
	expect(t, guilty.j.Verdict(guilty.r, nil), deploy.Freeze, "guardrail: ", "r1 has traffic again") // the step is being taken
	guilty.reach(0)
	expect(t, guilty.pass(3), deploy.Fail, " of 1,000")

	unheard := alone() // stable has no traffic in which anything could be seen
	unheard.r.At = 0
	unheard.r.Reached, unheard.rate = unheard.now, 0
	expect(t, unheard.pass(20), deploy.Freeze, "r1 has traffic again")
	expect(t, unheard.pass(110), deploy.Fail, "guardrail: ")

	innocent := alone()
	innocent.stable = .2
	innocent.reach(0)
	expect(t, innocent.pass(10), deploy.Freeze, "r1 itself breaks the objective")
	innocent.stable, innocent.canary = .001, .001
	expect(t, innocent.pass(400), deploy.Pass)
	innocent.reach(1)
	expect(t, innocent.pass(10), deploy.Pass)

	again := alone() // what has been asked once is known
	again.r.SteppedBack = true
	expect(t, again.pass(1), deploy.Fail, "guardrail: ")
	paused := alone() // nobody would take the step back
	paused.r.PausedAt = paused.now
	expect(t, paused.pass(1), deploy.Fail, "guardrail: ")
	promoted := alone()
	promoted.r.Skip = true
	expect(t, promoted.pass(1), deploy.Fail, "guardrail: ")
}

// A service that was in trouble before the rollout may be mended by it.
func TestOldTroubleHoldsNobodyUp(t *testing.T) {
	s := canary(deploy.CanaryStep{Weight: 5000})
	c := begin(t, s)
	c.stable, c.canary = .05, .001
	var base analysis.Baseline
	for range 300 {
		base.Add(time.Second, c.counts(c.rate, c.stable, 1))
	}
	s.Instances, s.Process = 4, &deploy.Process{Command: []string{"./shop"}}
	c.j = judge.Begin(c.r, s.Normalise().Analysis, base)
	c.reach(0)
	expect(t, c.pass(90), deploy.Pass)
}

func TestZeroRequestsAreNoPass(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 500}))
	c.rate = 0
	c.reach(0)
	v := c.pass(300)
	expect(t, v, deploy.Inconclusive, "no request has reached r2")
	if v.Requests != 0 {
		t.Errorf("%d requests", v.Requests)
	}
}

// Beta users are not like the others: they are held against the objectives alone, and it is said.
func TestChosenUsers(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 0, Match: []deploy.Match{{Header: "X-Beta"}}}))
	c.reach(0)
	c.match = 50
	expect(t, c.pass(30), deploy.Pass, "only chosen users reach r2")
	c.canary = .1
	expect(t, c.pass(60), deploy.Fail, "guardrail: ")
}

// Connections that last all go to the new version of a rolling update. They are not compared, but a version that answers none
// of them is found.
func TestUpgradesAreHeldAgainstTheObjective(t *testing.T) {
	c := begin(t, deploy.Service{Strategy: deploy.Strategy{Rolling: &deploy.RollingOptions{}}})
	c.reach(0)
	c.match, c.chosen = 5, 1
	expect(t, c.pass(10), deploy.Fail, "guardrail: ")
}

// What the comparison once had against a canary does not hold it up for ever when there is nothing left to compare.
func TestOldDoubtDoesNotFreezeTheLastStep(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 5000}))
	c.reach(0)
	for c.canary = .003; ; {
		if v := c.pass(1); v.Figures[0].Evidence > 30 {
			break
		}
	}
	c.reach(1) // a person has promoted it
	c.canary = .001
	expect(t, c.pass(40), deploy.Pass, "r2 has all the traffic")
}

// Blue-green has nothing to compare with after the swap; a rolling update compares the new instances with the old.
func TestStrategies(t *testing.T) {
	blue := begin(t, deploy.Service{Strategy: deploy.Strategy{BlueGreen: &deploy.BlueGreenOptions{}}})
	blue.reach(0)
	if v := blue.pass(5); v.Outcome != "" {
		t.Errorf("without traffic: %+v", v)
	}
	blue.reach(1)
	expect(t, blue.pass(5), deploy.Pass, "the objectives alone")
	blue.canary = .05
	expect(t, blue.pass(5), deploy.Fail, "guardrail: ")

	rolling := begin(t, deploy.Service{Strategy: deploy.Strategy{Rolling: &deploy.RollingOptions{}}})
	rolling.reach(0)
	v := rolling.pass(5)
	if f := v.Figures[0]; f.Stream != "errors" || f.Stable == nil || f.Canary.Requests < 1000 || f.Margin != .1 { // a quarter now, half of it next
		t.Errorf("%+v", f)
	}
	rolling.canary = .1
	expect(t, rolling.pass(5), deploy.Fail, "errors: ")
}

func TestSources(t *testing.T) {
	c := begin(t, canary(deploy.CanaryStep{Weight: 500}, deploy.CanaryStep{Weight: 1000}))
	c.reach(0)
	source := deploy.Source{Name: "orders", Min: new(10.), Breaches: 2}
	ratio := deploy.Source{Name: "queue", MaxRatio: new(1.5), Breaches: 2}
	c.pass(120)
	for _, s := range []struct {
		answer  judge.Answer
		outcome deploy.Outcome
		reason  string
	}{
		{judge.Answer{Source: source, Known: true, Canary: new(12.)}, deploy.Pass, "is excluded"},
		{judge.Answer{Source: source}, deploy.Inconclusive, "orders has no data of r2"},
		{judge.Answer{Source: source, Known: true, Canary: new(12.), Err: "it timed out"}, deploy.Inconclusive, "orders is unknown: it timed out"},
		{judge.Answer{Source: source, Known: true, Canary: new(9.), Breaches: 1}, deploy.Inconclusive, "orders is 9 for r2; allowed is at least 10"},
		{judge.Answer{Source: source, Known: true, Canary: new(9.), Breaches: 2}, deploy.Fail, "orders is 9 for r2; allowed is at least 10, 2 answers in a row"},
		{judge.Answer{Source: ratio, Canary: new(9.)}, deploy.Inconclusive, "queue is 9 for r2 and has no data of r1"},
		{judge.Answer{Source: ratio, Known: true, Canary: new(9.), Stable: new(3.), Breaches: 2}, deploy.Fail, "queue is 9 for r2 and 3 for r1; allowed is at most 1.5 times the old version's"},
		{judge.Answer{Source: ratio, Canary: new(9.), Stable: new(0.)}, deploy.Inconclusive, "queue is 9 for r2 and 0 for r1, to which there is no ratio"},
		{judge.Answer{Source: deploy.Source{Name: "extra", Required: new(false), Max: new(1.), Breaches: 1}}, deploy.Pass, "is excluded"},
	} {
		c.answers = []judge.Answer{s.answer}
		v := c.j.Verdict(c.r, c.answers)
		expect(t, v, s.outcome, s.reason)
		if f := v.Figures[len(v.Figures)-1]; f.Stream != s.answer.Source.Name || f.Words == "" || (f.Canary == nil) != (s.answer.Canary == nil) {
			t.Errorf("%+v", f)
		}
	}
}

// A controller that is killed at any moment goes on with what is stored, bit for bit.
func TestStoredJudgeGoesOn(t *testing.T) {
	a, b := begin(t, canary(deploy.CanaryStep{Weight: 500})), begin(t, canary(deploy.CanaryStep{Weight: 500}))
	a.reach(0)
	b.reach(0)
	for i := range 60 {
		a.second()
		b.second()
		if i%7 == 0 {
			text, err := json.Marshal(b.j)
			if err != nil {
				t.Fatal(err)
			}
			b.j = judge.Judge{}
			if err := json.Unmarshal(text, &b.j); err != nil {
				t.Fatal(err)
			}
		}
	}
	one, _ := json.Marshal(a.j)
	two, _ := json.Marshal(b.j)
	if string(one) != string(two) || !reflect.DeepEqual(a.pass(1), b.pass(1)) {
		t.Error("the judge that was stored and read again has another opinion")
	}
}

func TestLoadBesideStable(t *testing.T) {
	c := begin(t, canary())
	var base analysis.Baseline
	if got := judge.Beside("r2", judge.Load{Requests: 100}, "r1", base); got != "" {
		t.Errorf("without anything to set it beside: %q", got)
	}
	base.Add(time.Second, c.counts(5000, .002, 1))
	got := judge.Beside("r2", judge.Load{Requests: 6000, P99: 3 * time.Second}, "r1", base)
	for _, want := range []string{"of r2: 0% of 6,000 requests failed, p99 3s", "users have had 0.", "told and not judged"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
