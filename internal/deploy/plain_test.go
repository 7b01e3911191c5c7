package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// brisk shortens the waiting of usual settings; the worlds of these tests are small.
func brisk(s Service) Service {
	s.DrainTimeout, s.Deadline = Duration(3*time.Second), Duration(time.Minute)
	return baking(s, time.Second)
}

// baking is the settings with another bake time.
func baking(s Service, d time.Duration) Service {
	s = s.Normalise() // a copy that shares nothing
	switch {
	case s.Strategy.Rolling != nil:
		s.Strategy.Rolling.Bake = dur(d)
	case s.Strategy.BlueGreen != nil:
		s.Strategy.BlueGreen.Bake = dur(d)
	case s.Strategy.Canary != nil:
		s.Strategy.Canary.Bake = dur(d)
	}
	return s
}

func blueGreen(instances int, o BlueGreenOptions) Service {
	return usual(instances, Strategy{BlueGreen: &o})
}

var strategies = map[string]Service{
	"rolling":  brisk(rolling(4, 1, 0)),
	"in place": brisk(rolling(4, 0, 1)),
	"canary":   brisk(canary(4, 1000, 5000, Whole)),
	"blue":     brisk(blueGreen(4, BlueGreenOptions{Tests: [][]string{{"check"}}})),
}

// aLife is one in which a first version serves.
func aLife(t *testing.T, s Service) *life {
	t.Helper()
	l := newLife(script{seed: 1, proxies: 1}, mutant{})
	l.ask(t, move{settings: s})
	l.until(t, "the first version serves", func(s State) bool { return s.Stable == "r1" })
	return l
}

func isAt(step int, reached bool) func(State) bool {
	return func(s State) bool {
		r, open := s.Open()
		return !open || r.At > step || r.At == step && r.Reached.IsZero() != reached
	}
}

func ended(s State) bool { _, open := s.Open(); return !open }

// TestSupersedeAnywhere begins another rollout at every step of every strategy, while it starts and once it is true.
// The invariants hold at every turn, and in a calm world everything is answered all the time.
func TestSupersedeAnywhere(t *testing.T) {
	for name, one := range strategies {
		for other, two := range strategies {
			t.Run(name+" by "+other, func(t *testing.T) {
				t.Parallel()
				forth, _ := Steps(replace(one.Instances, one))
				for at := range 2 * len(forth) {
					l := aLife(t, one)
					l.ask(t, move{settings: one})
					l.until(t, "the moment", isAt(at/2, at%2 == 1))
					l.ask(t, move{settings: two})
					l.until(t, "the end", ended)
					if l.state.Stable != "r3" || !slices.Equal(l.results, []Result{Promoted, Aborted, Promoted}) {
						t.Errorf("step %d: %s is stable after %v %v", at/2+1, l.state.Stable, l.results, l.reasons)
					}
				}
			})
		}
	}
}

// TestSupersededWayBack begins another rollout while the one before is on its way back.
func TestSupersededWayBack(t *testing.T) {
	for name, s := range strategies {
		l := aLife(t, s)
		l.ask(t, move{settings: s, nature: nature{failAt: time.Millisecond}})
		l.until(t, name+" turns back", func(s State) bool { return s.Rollout.Returning })
		l.ask(t, move{settings: s})
		l.until(t, "the end", ended)
		if l.state.Stable != "r3" || l.state.Previous != "r1" {
			t.Errorf("%s: %s is stable, %s was: %v", name, l.state.Stable, l.state.Previous, l.reasons)
		}
	}
}

// TestStableMayCrash bakes a good version longer than stable ever lasts.
func TestStableMayCrash(t *testing.T) {
	for name, s := range strategies {
		l := aLife(t, s)
		l.w.nature["r1"] = nature{crashes: 50}
		l.sc.moves, l.next = []move{{nature: l.w.nature["r1"]}}, 1 // so that nobody takes this for a calm world
		s = baking(s, 30*time.Second)
		l.ask(t, move{settings: s})
		l.until(t, name+" ends", ended)
		if l.state.Stable != "r2" {
			t.Errorf("%s: %v", name, l.reasons)
		}
	}
}

// TestFirstSuperseded begins again and again before the first version serves, and then when part of it does.
func TestFirstSuperseded(t *testing.T) {
	s := strategies["blue"]
	l := newLife(script{seed: 1, proxies: 1}, mutant{})
	l.ask(t, move{settings: s, nature: nature{never: true}})
	for range 10 {
		l.until(t, "a tick", func(State) bool { return l.tick > l.began })
	}
	l.ask(t, move{settings: s, nature: nature{taskFail: true}})
	l.until(t, "the tests", func(s State) bool { return s.Rollout.Phase == Tasking })
	l.ask(t, move{settings: strategies["rolling"]})
	if l.state.Rollout.From != "" {
		t.Errorf("comes from %s, which has never served", l.state.Rollout.From)
	}
	l.until(t, "traffic", func(s State) bool { return s.Routing.Share("r3") == Whole })
	l.ask(t, move{settings: s, nature: nature{never: true}})
	if l.state.Rollout.From != "r3" {
		t.Errorf("comes from %q, and r3 serves", l.state.Rollout.From)
	}
	l.until(t, "the end", ended)
	if l.state.Stable != "r3" {
		t.Errorf("%q is stable: %v", l.state.Stable, l.reasons)
	}
}

// TestRollbackToWarmBlue expects everything to move in the turn in which the rollback is seen, without any start.
func TestRollbackToWarmBlue(t *testing.T) {
	l := aLife(t, brisk(blueGreen(3, BlueGreenOptions{ScaleDownDelay: Duration(time.Hour)})))
	blue := l.settings["r1"]
	l.ask(t, move{settings: blue})
	l.until(t, "green serves", func(s State) bool { return s.Stable == "r2" })
	if len(l.state.Obligations) != 1 || l.state.Obligations[0].Kind != ScaleDown || len(l.w.bodies) != 6 {
		t.Fatalf("owes %v with %d instances", l.state.Obligations, len(l.w.bodies))
	}
	l.ask(t, move{kind: rollback, settings: blue})
	began := l.tick
	l.until(t, "blue answers", func(s State) bool { return s.Routing.Share("r1") == Whole })
	if turns := l.tick - began; turns > 3 {
		t.Errorf("it took %d turns", turns)
	}
	l.until(t, "the end", ended)
	if l.state.Stable != "r1" || l.results[2] != Promoted {
		t.Errorf("%s is stable: %v", l.state.Stable, l.results)
	}
}

// TestStandbyUpdate expects blue to become warm instances of the new revision, which a larger number of instances uses first.
func TestStandbyUpdate(t *testing.T) {
	s := brisk(blueGreen(2, BlueGreenOptions{Standby: "update", ScaleDownDelay: Duration(2 * time.Second)}))
	l := aLife(t, s)
	l.ask(t, move{settings: s})
	warm := func(enabled, all int) func(State) bool {
		return func(s State) bool {
			on := count(s.Routing, func(m Member) bool { return m.Enabled })
			return on == enabled && len(s.Routing.Members) == all && count(s.Routing, func(m Member) bool { return m.Revision == "r2" }) == all
		}
	}
	l.until(t, "two serve and two wait", warm(2, 4))
	l.until(t, "all are well", func(s State) bool {
		return !slices.ContainsFunc(s.Routing.Members, func(m Member) bool { return seenAs(l.seen(), m.ID, m.Address) != Healthy })
	})
	state, err := Scale(l.state, 4)
	if err != nil {
		t.Fatal(err)
	}
	l.state = state
	began := l.tick
	l.until(t, "four serve", func(s State) bool { return count(s.Routing, func(m Member) bool { return m.Enabled }) == 4 })
	if l.tick-began > 2 {
		t.Errorf("it took %d turns", l.tick-began)
	}
	l.until(t, "four serve and two wait", warm(4, 6))
	if l.state, err = Scale(l.state, 1); err != nil {
		t.Fatal(err)
	}
	l.until(t, "one serves and two wait", warm(1, 3))
}

// TestEvidence holds what becomes of a candidate of which too little is known against on_insufficient.
func TestEvidence(t *testing.T) {
	for _, c := range []struct {
		name, setting string
		nature        nature
		phase         Phase
		result        Result
		note, reason  string
	}{
		{"promote", "promote", nature{verdict: Inconclusive}, Ended, Promoted, "step 100% passed without enough evidence: so it is", ""},
		{"pause", "pause", nature{verdict: Inconclusive}, Paused, "", "", ""},
		{"rollback", "rollback", nature{verdict: Inconclusive}, Ended, RolledBack, "", "too little evidence: so it is"},
		{"no request, promote", "promote", nature{silent: true}, Paused, "", "", ""},
		{"no request, rollback", "rollback", nature{silent: true}, Paused, "", "", ""},
		{"freeze", "promote", nature{verdict: Freeze}, Ended, Promoted, "", ""},
		{"back one", "promote", nature{verdict: BackOne}, Ended, Promoted, "stepped back from 100%: so it is", ""},
		{"back one twice", "promote", nature{verdict: BackOne, again: true}, Paused, "", "stepped back from 100%: so it is", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := brisk(canary(2, 5000, Whole))
			s.Analysis.OnInsufficient = c.setting
			l := aLife(t, s)
			l.ask(t, move{settings: s, nature: c.nature})
			l.until(t, "an end or a pause", func(s State) bool { return s.Rollout.Phase == c.phase })
			r := *l.state.Rollout
			if c.nature.again && (r.At != 0 || r.Weight() != 5000 || len(r.Notes) != 2) {
				t.Errorf("it rests in step %d with %s: %q", r.At+1, r.Weight(), r.Notes)
			}
			if r.Result != c.result || r.Reason != c.reason || c.note != "" && !slices.Contains(r.Notes, c.note) || c.note == "" && r.Notes != nil {
				t.Errorf("%s: %q, notes %q", r.Result, r.Reason, r.Notes)
			}
		})
	}
}

// TestPauseKeepsThePicture pauses while a test runs that passes meanwhile: its traffic waits for the resume.
func TestPauseKeepsThePicture(t *testing.T) {
	s := strategies["blue"]
	l := aLife(t, s)
	l.ask(t, move{settings: s})
	l.until(t, "the test", func(s State) bool { return s.Rollout.Phase == Tasking })
	l.say(Command{Verb: Pause})
	for range 10 {
		if err := l.pass(); err != nil {
			t.Fatal(err)
		}
		if l.state.Rollout.At != 0 || l.state.Rollout.Phase != Paused {
			t.Fatalf("step %d, %s", l.state.Rollout.At+1, l.state.Rollout.Phase)
		}
	}
	l.say(Command{Verb: Resume})
	l.until(t, "the end", ended)
	if l.state.Stable != "r2" {
		t.Errorf("%s is stable: %v", l.state.Stable, l.reasons)
	}
}

// TestLostProxy follows a rollout and its way back with a proxy that has ceased to listen: nothing is stopped that it may
// still route to, and both end.
func TestLostProxy(t *testing.T) {
	s := strategies["rolling"]
	l := newLife(script{seed: 1, proxies: 2}, mutant{})
	l.ask(t, move{settings: s})
	l.until(t, "the first version serves", func(s State) bool { return s.Stable == "r1" })
	l.w.proxies[1].stuck = 1 << 30
	l.ask(t, move{settings: s, nature: nature{failAt: time.Hour}}) // good, but nobody is to blame the controller
	l.until(t, "the end", ended)
	want := "step 1 of 4 was not reached within 1m: s-r2-1 to be healthy; the way back was not complete after 1m"
	if l.results[1] != RolledBack || l.reasons[1] != want {
		t.Errorf("%s: %s", l.results[1], l.reasons[1])
	}
}

// TestEvents follows a rollout that succeeds and one that fails, in words.
func TestEvents(t *testing.T) {
	s := brisk(canary(2, 5000, Whole))
	s.Strategy.Canary.Steps[1].Approve = true
	s.Strategy.Canary.Steps[0].Tests = [][]string{{"./smoke"}}
	l := aLife(t, s)
	before := l.state
	l.ask(t, move{settings: s})
	l.told = Events(before, l.state, l.w.now)
	l.until(t, "the end", ended)
	before = l.state
	l.ask(t, move{settings: s, nature: nature{failAt: time.Millisecond}})
	l.told = append(l.told, Events(before, l.state, l.w.now)...)
	l.until(t, "the end", ended)
	var b strings.Builder
	for _, e := range l.told {
		fmt.Fprintf(&b, "%s %d %s: %s\n", e.Rollout, e.Step, e.Kind, e.Message)
	}
	if diff := cmp.Diff(strings.TrimLeft(wantEvents, "\n"), b.String()); diff != "" {
		t.Error(diff)
	}
}

const wantEvents = `
s-2 1 begun: from r1 to r2, in 2 steps
s-2 1 step: step 1 of 2 (50%): 2 instances of r1 with 50%, 1 instance of r2 with 50%
s-2 1 serving: s-r2-1 is healthy and may be given requests
s-2 1 task: test 1 (./smoke) begins
s-2 1 passed: test 1 (./smoke) has passed
s-2 1 reached: step 50% is reached: r1 50%, r2 50%
s-2 2 step: step 2 of 2 (100%): 2 instances of r1 with 0%, 2 instances of r2 with 100%
s-2 2 serving: s-r2-2 is healthy and may be given requests
s-2 2 reached: step 100% is reached: r1 0%, r2 100%
s-2 2 approval: waits for approval: naru promote s
s-2 2 draining: waits for the old instances to finish
s-2 2 retired: s-r1-1 is given no more requests
s-2 2 retired: s-r1-2 is given no more requests
s-2 0 promoted: r2 serves
s-3 1 begun: from r2 to r3, in 2 steps
s-3 1 step: step 1 of 2 (50%): 2 instances of r2 with 50%, 1 instance of r3 with 50%
s-3 1 serving: s-r3-1 is healthy and may be given requests
s-3 1 task: test 1 (./smoke) begins
s-3 1 passed: test 1 (./smoke) has passed
s-3 1 reached: step 50% is reached: r2 50%, r3 50%
s-3 0 back: back to r2: so it is
s-3 0 retired: s-r3-1 is given no more requests
s-3 0 draining: waits for the new instances to finish
s-3 0 rolled_back: r2 serves: so it is
`

// TestJudgements holds what is kept of the analysis for the receipt: one word for every stay in a step, the last included.
func TestJudgements(t *testing.T) {
	said := func(r *Rollout) (out []string) {
		for _, j := range r.Judged {
			out = append(out, j.Step+" "+string(j.Outcome))
		}
		return out
	}
	for _, c := range []struct {
		nature nature
		want   string
	}{
		{nature{}, "50% pass, 100% pass"},
		{nature{verdict: BackOne}, "50% pass, 100% back_one, 50% pass, 100% pass"},
		{nature{verdict: Inconclusive}, "50% unknown, 100% unknown"},
		{nature{failAt: time.Millisecond}, "50% fail"},
	} {
		l := aLife(t, brisk(canary(2, 5000, Whole)))
		l.ask(t, move{settings: brisk(canary(2, 5000, Whole)), nature: c.nature})
		l.until(t, "the end", ended)
		if got := strings.Join(said(l.state.Rollout), ", "); got != c.want {
			t.Errorf("%+v: %s, want %s", c.nature, got, c.want)
		}
	}
}

// TestPromoteOverAFreeze lets a person decide what the analysis leaves open, and never what it has found.
func TestPromoteOverAFreeze(t *testing.T) {
	l := aLife(t, brisk(canary(2, 5000, Whole)))
	l.ask(t, move{settings: brisk(canary(2, 5000, Whole)), nature: nature{verdict: Freeze}})
	l.until(t, "the freeze", func(s State) bool { return s.Rollout.Phase == Analysing })
	l.say(Command{Verb: Promote})
	l.until(t, "the next step", func(s State) bool { return s.Rollout.At == 1 })
}

// TestFreezeStopsTheClocks holds an incident against the time in which evidence is waited for: it does not count.
func TestFreezeStopsTheClocks(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1000, 0).Add(time.Duration(s) * time.Second) }
	r := Rollout{ID: "s-2", Service: "s", To: "r2", Forth: []Step{{Name: "50%", Gate: Gate{Bake: 10 * time.Second, Analysis: &Analysis{OnInsufficient: "promote"}}}, {Name: "100%"}}, Reached: at(0), Entered: at(0)}
	look := func(now int, outcome Outcome) {
		r = r.gate(Observation{Now: at(now), Verdict: Verdict{Rollout: "s-2", Outcome: outcome, Requests: 5, Reason: "so it is"}})
	}
	look(5, Freeze)
	if r.Phase != Analysing || r.Waiting != "so it is" {
		t.Errorf("%s: %s", r.Phase, r.Waiting)
	}
	look(500, Freeze)
	look(600, Inconclusive)
	if left := 10*time.Second - at(600).Sub(r.Reached); left != 5*time.Second || r.Phase != Baking {
		t.Errorf("%s, %s of the bake is left", r.Phase, left)
	}
	look(624, Inconclusive)
	if r.At != 0 {
		t.Error("the patience was spent in the incident")
	}
	look(626, Inconclusive)
	if r.At != 1 || len(r.Notes) != 1 {
		t.Errorf("step %d, notes %q", r.At+1, r.Notes)
	}
}
