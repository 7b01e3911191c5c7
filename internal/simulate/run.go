package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/judge"
)

// turn is how often the core decides when nothing calls for it. The engine always does; where a step only bakes and the
// judge has nothing to say, nothing can come of it, and the simulation saves itself the trouble.
const turn = 200 * time.Millisecond

// Moment is what was counted in one tick, for who wants to judge the same traffic in another way.
type Moment struct {
	At     time.Duration   // the end of the tick, since the rollout began
	Share  float64         // the canary's part of the traffic
	Since  time.Duration   // when the first users reached the canary; negative: none has
	Canary analysis.Counts // valid until the next tick
	Stable analysis.Counts
	// Evidence is what each stream has against the canary, nil where nobody judges; see [Result]. It is taken every second.
	Evidence map[string]float64
}

// play is one rollout on its way.
type play struct {
	s      *Scenario
	now    time.Duration
	world  *world
	state  deploy.State
	judge  *judge.Judge // nil: nobody judges
	arms   [2]*arm
	sky    *sky
	crowd  *crowd
	since  time.Duration // when the first users came to the canary
	share  [2]float64    // of the traffic, by revision
	cohort int           // number of that division
	asked  time.Duration // when the core decided last
	said   deploy.Verdict
	weight map[string]float64 // evidence now, by stream
	result Result
}

// Run plays a scenario once, with the luck of that seed. watch is shown every tick of the rollout and may end it by
// false; nil: nobody watches. The scenario must be one that [Scenario.Validate] finds nothing wrong with.
func Run(s Scenario, seed int, watch func(Moment) bool) Result {
	s.Service = s.Service.Normalise()
	p := begin(&s, seed)
	p.deploy(p.warm())
	for p.open() {
		sample, share := p.step()
		p.look(sample)
		if watch != nil && !watch(Moment{p.now, share, p.since, sample.Canary, sample.Stable, p.weight}) {
			break
		}
	}
	return p.end()
}

func begin(s *Scenario, seed int) *play {
	// Streams of their own, so that one more request changes nothing in the weather.
	luck := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), stream)) }
	p := &play{s: s, world: newWorld(s.Start.D()), since: -1, sky: newSky(s, luck(1)), crowd: newCrowd(s, luck(2))}
	p.arms = [2]*arm{newArm(s, luck(3)), newArm(s, luck(4))}
	p.result = Result{Seed: seed, Evidence: map[string]float64{}}
	n := s.Service.Instances
	rest := deploy.Picture{Service: s.Name, Stable: old, MaxTotal: n, MinServing: n, Drain: s.Service.DrainTimeout.D(),
		Groups: []deploy.Group{{Revision: old, Instances: n, Share: deploy.Whole, Await: true}}}
	p.state = deploy.State{Service: s.Name, Stable: old, Instances: n, Rest: rest, Revisions: 2}
	p.now = -s.Warm.D() - s.Start.D() - time.Second
	for p.now < -s.Warm.D() { // the old version comes up
		p.decide()
		p.now += turn
	}
	p.now = -s.Warm.D()
	return p
}

// warm lets the old version be watched for a while, once a second, as the engine does with a service at rest.
func (p *play) warm() (base analysis.Baseline) {
	var second analysis.Counts
	for p.now < 0 {
		sample, _ := p.step()
		second.Add(sample.Stable)
		if p.now%time.Second == 0 {
			base.Add(time.Second, second)
			second = analysis.Counts{}
		}
	}
	p.arms[stable].total, p.result.Held = Tally{}, 0
	return base
}

// deploy begins the rollout; base is what is known of the old version.
func (p *play) deploy(base analysis.Baseline) {
	before := p.state
	next, _, err := deploy.Begin(p.state, deploy.Request{To: fresh, Settings: p.s.Service, Version: "new", By: "deploy"}, at(p.now))
	if err != nil { // a service at rest refuses nobody
		panic("simulate: " + err.Error())
	}
	p.state = next
	p.tell(before)
	if p.s.Service.Analysis.On() && !p.s.Service.Worker() {
		p.judge = new(judge.Begin(*next.Rollout, p.s.Service.Analysis, base))
	}
	p.asked = p.now - turn
}

// open reports whether there is anything left to see.
func (p *play) open() bool {
	r, open := p.state.Open()
	return open && p.now < p.s.Limit.D() && (r.PausedAt.IsZero() || r.Returning)
}

// step lets a tick pass and returns what the proxy counted in it, and the canary's share.
func (p *play) step() (judge.Sample, float64) {
	p.now += tick
	if p.now%time.Second == 0 {
		p.sky.drift(p.now)
	}
	share := [2]float64{p.world.share(old), p.world.share(fresh)}
	if share[canary] > 0 && p.since < 0 {
		p.since = p.now - tick
	}
	a, b := p.sky.look(p.now, p.since, share[canary])
	w := [2]*weather{&a, &b}
	if share != p.share {
		p.share = share
		p.cohort++
	}
	for _, arm := range p.arms {
		arm.cohort = p.cohort
		arm.begin(p.now)
	}
	p.crowd.send(p.now, share[canary], p.arms, w)
	mean := p.sky.rate() * tick.Seconds()
	for i, arm := range p.arms {
		arm.serve(p.now, mean*share[i], w[i], &p.result.Hurt)
	}
	p.result.Held += mean * max(0, 1-share[stable]-share[canary])
	counts := [2]analysis.Counts{}
	for i, arm := range p.arms {
		charged, fair := p.crowd.charge(p.now, share[canary], i, arm)
		counts[i] = arm.settle(charged, fair, p.s.Clients.Sticky)
	}
	return judge.Sample{Span: tick, Canary: counts[canary], Stable: counts[stable], Cohort: uint64(p.cohort), Share: share[canary] / max(share[canary]+share[stable], 1e-9),
		Waiting: [2]uint64{p.arms[canary].waiting(p.now), p.arms[stable].waiting(p.now)}}, share[canary]
}

// look shows the judge what was counted, and the core what the judge says: with every turn, and at once when it convicts.
func (p *play) look(sample judge.Sample) {
	r, open := p.state.Open()
	if open && p.judge != nil {
		p.judge.See(r, at(p.now), sample)
		p.weigh()
	}
	if p.now < p.due(r) {
		return
	}
	if p.asked = p.now; open && p.judge != nil {
		p.said = p.judge.Verdict(r, nil)
		p.note(p.said)
	}
	p.decide()
	p.approve()
}

// due is when the core must decide next.
func (p *play) due(r deploy.Rollout) time.Duration {
	next := p.asked + turn
	baked := r.Reached.Add(r.Step().Gate.Bake).Sub(zero)
	if r.Phase == deploy.Baking && r.PausedAt.IsZero() && !p.world.changes(baked) {
		next = max(next, baked)
	}
	if p.judge == nil || r.Returning {
		return next
	}
	if _, _, guilty := p.judge.Analysis.Guilty(); guilty {
		return p.now
	}
	for i := range p.judge.Analysis.Guards {
		if p.judge.Analysis.Guards[i].Open {
			return p.asked + turn
		}
	}
	return next
}

// decide is one turn of the engine: observe, decide, act.
func (p *play) decide() {
	before := p.state
	o := p.world.observe(p.now, [2]int{len(p.arms[stable].flights), len(p.arms[canary].flights)})
	o.Verdict = p.said
	next, actions := deploy.Decide(p.state, o)
	p.state = next
	for _, a := range actions {
		p.world.do(p.now, a)
	}
	p.tell(before)
}

// approve says yes at once where a person is asked.
func (p *play) approve() {
	r, open := p.state.Open()
	if !open || r.Phase != deploy.Approval {
		return
	}
	before := p.state
	if r, err := deploy.Apply(r, deploy.Command{Verb: deploy.Promote}, at(p.now)); err == nil {
		p.state.Rollout = &r
		p.tell(before)
	}
}
