package deploy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	tooLong  = 2000 // ticks without an end, or without a move
	fewKills = 12   // a controller that is killed all the time never sees a deadline pass
)

// life is a controller that lives through a script in a world of its own.
type life struct {
	sc    script
	m     mutant
	w     *world
	rnd   *rand.Rand
	state State // of the controller that runs
	saved State // what the next one will find
	told  []Event

	tick, next int
	began      int // tick of the last beginning or end of a rollout
	down       int // ticks until there is a controller again
	kills      int
	dark       int       // ticks until the platform can be asked again
	since      time.Time // since when it cannot
	waiting    int       // ticks in which the rollout has waited for people

	settings map[string]Service
	kept     map[string]bool // revisions that are stored
	failed   string          // the last revision that was rolled back
	promoted map[string]bool // rollouts to which somebody said promote
	results  []Result        // of every rollout, superseded ones too
	reasons  []string
}

// live runs a script against a controller, or against a mutant of it, and returns the first broken invariant.
func live(sc script, m mutant) (*life, error) {
	l := newLife(sc, m)
	for !l.over() {
		if err := l.pass(); err != nil {
			return l, err
		}
	}
	return l, nil
}

func newLife(sc script, m mutant) *life {
	return &life{sc: sc, m: m, w: newWorld(sc.seed, sc.proxies, sc.rough), rnd: rand.New(rand.NewPCG(sc.seed, 99)),
		state: State{Service: "s"}, saved: State{Service: "s"}, settings: map[string]Service{}, kept: map[string]bool{}, promoted: map[string]bool{}}
}

// pass lives through one tick.
func (l *life) pass() error {
	if err := l.turn(); err != nil {
		return fmt.Errorf("tick %d: %w", l.tick, err)
	}
	l.w.pass()
	l.tick++
	return nil
}

// until lets time pass in a life that a test follows closely.
func (l *life) until(t *testing.T, what string, reached func(State) bool) {
	t.Helper()
	for range tooLong {
		if reached(l.state) {
			return
		}
		if err := l.pass(); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("never: %s; %+v", what, l.state.Rollout)
}

// ask begins a move of a life that a test follows closely.
func (l *life) ask(t *testing.T, mv move) {
	t.Helper()
	state, err := l.begin(mv)
	if err != nil {
		t.Fatal(err)
	}
	l.state, l.saved, l.began = state, state, l.tick
}

// over reports whether all has been said and done and the world has come to rest.
func (l *life) over() bool {
	if _, open := l.state.Open(); open || l.down > 0 || l.next < len(l.sc.moves) {
		return false
	}
	if l.state.Removed {
		return len(l.w.bodies) == 0
	}
	v := look(l.state.Picture(), l.seen())
	whole := !slices.ContainsFunc(v.seats, func(s seat) bool { return !s.live() })
	return v.settled() && whole && len(v.surplus())+len(l.state.Obligations) == 0 || l.tick-l.began > 60 && !l.mustRest()
}

// mustRest reports whether nothing can keep the service from coming to rest.
func (l *life) mustRest() bool {
	return l.state.Removed || !l.sc.rough && (l.state.Stable == "" || l.w.nature[l.state.Stable].runs())
}

func (l *life) seen() Observation {
	o := l.w.observe(l.state)
	o.Routing = l.state.Routing
	return o
}

func (l *life) turn() error {
	if l.down > 0 {
		if l.down--; l.down == 0 {
			l.state = l.saved
			if !l.m.stubborn {
				l.state = l.state.Resumed(l.w.now)
			}
		}
		return nil
	}
	l.trouble()
	if l.down > 0 {
		return nil
	}
	if l.unseen() {
		return nil
	}
	if err := l.move(); err != nil {
		return err
	}
	l.speak()
	if l.tick%8 == 0 { // else most of the time would go into it
		l.clean()
	}
	before, o := l.state, l.w.observe(l.state)
	state, acts := l.m.decide(before, o)
	if err := judge(l, before, o, state, acts); err != nil {
		return err
	}
	l.act(state, acts)
	return l.note(before)
}

// act saves and acts, or is killed at any point of that.
func (l *life) act(state State, acts []Action) {
	reach := len(acts)
	if killed := l.hit(l.sc.kills) && l.kills < fewKills; killed {
		l.kills++
		reach = l.rnd.IntN(len(acts)+2) - 1
		l.die(1 + l.rnd.IntN(6))
	}
	if reach < 0 { // before it has saved
		return
	}
	l.told = append(l.told, Events(l.state, state, l.w.now)...)
	l.state = state
	if !l.m.forgets {
		l.saved = state
	}
	for _, a := range acts[:reach] {
		l.w.do(a)
	}
}

// die leaves the service without a controller for a while.
func (l *life) die(ticks int) {
	l.down = ticks
	l.w.forget()
}

func (l *life) hit(rate int) bool { return rate > 0 && l.rnd.IntN(1000) < rate }

// unseen reports whether the platform cannot be asked. People are heard all the same; nothing is decided.
func (l *life) unseen() bool {
	if l.dark == 0 {
		if !l.hit(l.sc.dark) || l.kills >= fewKills {
			return false
		}
		l.kills++
		l.dark, l.since = 1+l.rnd.IntN(200), l.w.now
	}
	l.speak()
	if l.dark--; l.dark == 0 && !l.m.impatient {
		l.state = l.state.Unseen(l.since, l.w.now, "")
	}
	return true
}

// trouble is what breaks around the controller.
func (l *life) trouble() {
	if l.hit(l.sc.reboots) && l.kills < fewKills {
		l.kills++
		l.w.reboot()
		l.die(1 + l.rnd.IntN(200))
	}
	if l.hit(l.sc.restarts) {
		l.w.proxies[l.rnd.IntN(len(l.w.proxies))].restart()
	}
	if l.hit(l.sc.stuck) {
		l.w.proxies[l.rnd.IntN(len(l.w.proxies))].stuck = 10 + l.rnd.IntN(30)
	}
}

// note keeps what has ended, and holds the end against what it had to be.
func (l *life) note(before State) error {
	_, open := before.Open()
	if _, still := l.state.Open(); still || !open {
		if l.tick-l.began > tooLong {
			return l.stranded()
		}
		return nil
	}
	r := *l.state.Rollout
	l.results, l.reasons, l.began = append(l.results, r.Result), append(l.reasons, r.Reason), l.tick
	if r.Result == RolledBack {
		l.failed = r.To
	}
	return judgeEnd(l, r)
}

func (l *life) stranded() error {
	if r, open := l.state.Open(); open {
		return broken(checkEnds, "%s is at step %d: %s, waiting for %s", r.ID, r.At+1, r.Phase, r.Waiting)
	}
	return broken(checkEnds, "%s does not come to rest: %s; obligations %v", l.state.Stable, look(l.state.Picture(), l.seen()).waiting(), l.state.Obligations)
}

// outcome is the check that a life has broken, or nothing.
func outcome(t *testing.T, err error) string {
	t.Helper()
	if v := (*violation)(nil); errors.As(err, &v) {
		return v.check
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}
