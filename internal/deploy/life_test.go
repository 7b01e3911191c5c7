package deploy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
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

	tick, next int
	began      int // tick of the last beginning or end of a rollout
	down       int // ticks until there is a controller again
	kills      int
	waiting    int // ticks in which the rollout has waited for people

	settings map[string]Service
	failed   string          // the last revision that was rolled back
	promoted map[string]bool // rollouts to which somebody said promote
	results  []Result        // of every rollout, superseded ones too
	reasons  []string
}

// live runs a script against a controller, or against a mutant of it, and returns the first broken invariant.
func live(sc script, m mutant) (*life, error) {
	l := &life{sc: sc, m: m, w: newWorld(sc.seed, sc.proxies, sc.rough), rnd: rand.New(rand.NewPCG(sc.seed, 99)),
		state: State{Service: "s"}, settings: map[string]Service{}, promoted: map[string]bool{}}
	l.saved = l.state
	for !l.over() {
		if err := l.turn(); err != nil {
			return l, fmt.Errorf("tick %d: %w", l.tick, err)
		}
		l.w.pass()
		l.tick++
	}
	return l, nil
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
	if err := l.move(); err != nil {
		return err
	}
	l.speak()
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

// move does what the script asks for next, when its time has come. What makes no sense now is refused, and then nothing
// has changed.
func (l *life) move() error {
	_, open := l.state.Open()
	if l.next == len(l.sc.moves) {
		return nil
	}
	mv := l.sc.moves[l.next]
	if mv.after < 0 && open || mv.after >= 0 && l.tick-l.began < mv.after {
		return nil
	}
	l.next++
	state, err := l.state, error(nil)
	switch mv.kind {
	case scale:
		state, err = Scale(state, mv.settings.Instances)
	case remove:
		state = Remove(state, l.w.now)
	default:
		state, err = l.begin(mv)
	}
	if refusal := (*Refusal)(nil); err != nil && !errors.As(err, &refusal) {
		return err
	}
	l.state, l.saved, l.began = state, state, l.tick
	return nil
}

func (l *life) begin(mv move) (State, error) {
	q := Request{Settings: mv.settings, By: "deploy"}
	switch mv.kind {
	case rollback:
		q.To, q.Straight, q.By = l.state.Previous, true, "rollback"
	case retry:
		q.To, q.By = l.failed, "retry"
	}
	state := l.state
	if q.To == "" {
		state.Revisions++
		q.To = "r" + strconv.Itoa(state.Revisions)
		l.w.nature[q.To] = mv.nature
	}
	l.settings[q.To], q.Version = q.Settings, q.To
	state, old, err := Begin(state, q, l.w.now)
	if err == nil && old != nil {
		l.results, l.reasons = append(l.results, old.Result), append(l.reasons, old.Reason)
	}
	return state, err
}

// speak says something at random, and what a person would when a rollout waits for one.
func (l *life) speak() {
	r, open := l.state.Open()
	if open && (r.Phase == Paused || r.Phase == Approval) {
		l.waiting++
	} else {
		l.waiting = 0
	}
	switch n := l.w.nature[r.To]; {
	case !open:
	case l.waiting > 12 && (r.Phase == Approval || n.silent || n.verdict != ""):
		l.say(Command{Verb: Promote})
	case l.waiting > 12:
		l.say(Command{Verb: Resume})
	case l.hit(l.sc.words):
		verb := []Verb{Promote, Pause, Resume, Abort}[l.rnd.IntN(4)]
		l.say(Command{Verb: verb, Full: l.rnd.IntN(2) == 0})
	}
}

func (l *life) say(c Command) {
	r, _ := l.state.Open()
	next, err := Apply(r, c, l.w.now)
	if err != nil {
		return
	}
	l.promoted[r.ID] = l.promoted[r.ID] || c.Verb == Promote
	l.state.Rollout = &next
	l.saved = l.state
	l.waiting = 0
}

// note keeps what has ended, and holds the end against what it had to be.
func (l *life) note(before State) error {
	was, open := before.Open()
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
	return judgeEnd(l, was, r)
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
