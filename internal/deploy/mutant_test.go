package deploy

import (
	"slices"
	"testing"
	"time"
)

// mutant is a controller with one mistake. It shows that a check can fail.
type mutant struct {
	name      string
	caught    string // the check that must find it
	wrong     decider
	forgets   bool // acts without having saved
	stubborn  bool // does not begin its clocks anew when it is started
	impatient bool // goes on as if it had been able to look all the time
	careless  bool // keeps no revision but the one that serves and the one before it
}

// decider stands in the place of Decide.
type decider func(State, Observation) (State, []Action)

func (m mutant) decide(s State, o Observation) (State, []Action) {
	if m.wrong != nil {
		return m.wrong(s, o)
	}
	return Decide(s, o)
}

// sees is a controller that sees the world wrong.
func sees(wrong func(State, *Observation)) decider {
	return func(s State, o Observation) (State, []Action) {
		o.Proxies = slices.Clone(o.Proxies)
		for i, p := range o.Proxies {
			backends := map[string]BackendState{}
			for id, b := range p.Backends {
				backends[id] = b
			}
			o.Proxies[i].Backends = backends
		}
		wrong(s, &o)
		return Decide(s, o)
	}
}

// paints is a controller that knows where it is, and brings the world closer to another picture.
func paints(wrong func(State, Picture) Picture) decider {
	return func(s State, o Observation) (State, []Action) {
		next, acts := Decide(s, o)
		o.Routing = s.Routing
		others, _ := Converge(wrong(next, next.Picture()), o)
		next.Routing = s.Routing
		for _, a := range others {
			if p, ok := a.(Publish); ok {
				next.Routing = p.Routing
			}
		}
		for _, a := range acts {
			if run, ok := a.(Run); ok {
				others = append(others, run)
			}
		}
		return next, others
	}
}

// turns is a controller that comes to another state.
func turns(wrong func(before State, after State) State) decider {
	return func(s State, o Observation) (State, []Action) {
		next, acts := Decide(s, o)
		return wrong(s, next), acts
	}
}

func everyBackend(change func(Observation, string, BackendState) BackendState) decider {
	return sees(func(_ State, o *Observation) {
		for _, p := range o.Proxies {
			for id, b := range p.Backends {
				p.Backends[id] = change(*o, id, b)
			}
		}
	})
}

func blind(_ Observation, _ string, b BackendState) BackendState {
	b.Health = Healthy
	return b
}

func impatient(_ Observation, _ string, b BackendState) BackendState {
	b.InFlight = 0
	return b
}

func hasty(s State, o *Observation) {
	for i := range o.Proxies {
		o.Proxies[i].Version = s.Routing.Version
	}
}

func deaf(_ State, o *Observation) {
	if o.Verdict.Outcome == Fail {
		o.Verdict.Outcome = Pass
	}
}

func timeless(s State, o *Observation) {
	if r, open := s.Open(); open {
		o.Now = r.Created
	}
}

func hopeful(_ State, o *Observation) {
	if o.Verdict.Outcome == Inconclusive {
		o.Verdict.Outcome = Pass
	}
}

func credulous(_ State, o *Observation) {
	prepared := map[string]Prepared{}
	for revision := range o.Prepared {
		prepared[revision] = Prepared{Ready: true}
	}
	o.Prepared = prepared
}

func trusting(_, after State) State {
	if r, open := after.Open(); open {
		r.Return, r.StopTimeout = 0, 0
		after.Rollout = &r
	}
	return after
}

// forgetful lets requests wait as long as the candidate's own settings say.
func forgetful(_, after State) State {
	r, open := after.Open()
	if !open {
		return after
	}
	r.Forth = slices.Clone(r.Forth)
	for i := range r.Forth {
		if p := &r.Forth[i].Picture; p.Hold {
			p.HoldTimeout = r.Rest.HoldTimeout
		}
	}
	after.Rollout = &r
	return after
}

func sociable(_ State, p Picture) Picture {
	if p.Hold {
		p.Hold, p.MaxTotal = false, p.MaxTotal+1
	}
	return p
}

func greedy(_ State, p Picture) Picture   { p.MinServing = 0; return p }
func crowded(_ State, p Picture) Picture  { p.MaxTotal += 2; return p }
func reckless(_ State, p Picture) Picture { p.MaxOverload = 0; return p }
func homeless(_ State, p Picture) Picture { p.Stable = ""; return p }

func headstrong(s State, p Picture) Picture {
	if r, open := s.Open(); open && r.Returning && !r.Passed {
		return r.Forth[len(r.Forth)-1].Picture
	}
	return p
}

func fickle(_, after State) State {
	if r, open := after.Open(); open && r.Returning && r.Passed {
		r.Returning, r.Passed, r.Reason = false, false, ""
		after.Rollout = &r
	}
	return after
}

func lazy(before, after State) State {
	if _, open := before.Open(); !open && len(after.Obligations) < len(before.Obligations) {
		after.Obligations, after.Rest = before.Obligations, before.Rest
	}
	return after
}

// exacting wants everybody to be healthy before it goes on, those too that a rollout is about to replace.
func exacting(before, after State) State {
	r, open := after.Open()
	if !open || before.Rollout != nil && before.Rollout.ID == r.ID && r.At > 0 {
		return after
	}
	r.Forth = slices.Clone(r.Forth)
	for i := range r.Forth {
		groups := slices.Clone(r.Forth[i].Picture.Groups)
		for g := range groups {
			groups[g].Await = true
		}
		r.Forth[i].Picture.Groups = groups
	}
	after.Rollout = &r
	return after
}

var mutants = []mutant{
	{name: "retires more than it may", caught: checkServing, wrong: paints(greedy)},
	{name: "starts more than it may", caught: checkTotal, wrong: paints(crowded)},
	{name: "takes everybody to be healthy", caught: checkHealthy, wrong: everyBackend(blind)},
	{name: "does not wait for requests in flight", caught: checkStop, wrong: everyBackend(impatient)},
	{name: "does not wait for proxies", caught: checkStop, wrong: sees(hasty)},
	{name: "does not hear a failing verdict", caught: checkFailed, wrong: sees(deaf)},
	{name: "keeps the traffic where it is on the way back", caught: checkFailed, wrong: paints(headstrong)},
	{name: "gives stable everything at once", caught: checkOverload, wrong: paints(reckless)},
	{name: "has a clock that stands still", caught: checkEnds, wrong: sees(timeless)},
	{name: "never does what it owes", caught: checkEnds, wrong: turns(lazy)},
	{name: "tries again on the way back", caught: checkBack, wrong: turns(fickle)},
	{name: "acts before it saves", caught: checkSameEnd, forgets: true},
	{name: "gives nobody what the canary cannot take", caught: checkSupersede, wrong: paints(homeless)},
	{name: "awaits what it is about to replace", caught: checkFix, wrong: turns(exacting)},
	{name: "holds its own absence against the candidate", caught: checkInnocent, stubborn: true},
	{name: "holds what it could not see against the candidate", caught: checkInnocent, impatient: true},
	{name: "takes no data for good data", caught: checkEvidence, wrong: sees(hopeful)},
	{name: "keeps only what serves and served", caught: checkKept, careless: true},
	{name: "starts the new one beside the old one", caught: checkAlone, wrong: paints(sociable)},
	{name: "waits for the new one as long as requests do", caught: checkHeld, wrong: turns(trusting)},
	{name: "forgets how long requests may wait for stable", caught: checkInnocent, wrong: turns(forgetful)},
	{name: "takes every version to be ready", caught: checkAhead, wrong: sees(credulous)},
}

// lifetimes are the lives that one seed gives: those of TestEveryInvariantHolds, TestFix and TestSameEnd.
func lifetimes(seed uint64, m mutant) []func() error {
	return []func() error{
		func() error { _, err := live(draw(seed), m); return err },
		func() error { return shipFix(seed, m) },
		func() error { return sameEnd(seed, m) },
	}
}

func TestMutantsAreCaught(t *testing.T) {
	const most = 400 // seeds
	found := map[string]bool{}
	for _, m := range mutants {
		found[m.caught] = true
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			others := map[string]int{}
			for seed := range uint64(most) {
				for _, live := range lifetimes(seed, m) {
					check := outcome(t, live())
					if check == m.caught {
						t.Logf("seed %d, after %s; before that %v", seed, time.Since(began).Round(time.Millisecond), others)
						return
					}
					others[check]++
				}
			}
			t.Errorf("no life of %d seeds has shown that %s; instead %v", most, m.caught, others)
		})
	}
	for _, check := range allChecks {
		if !found[check] {
			t.Errorf("no mutant shows that this check can fail: %s", check)
		}
	}
}
