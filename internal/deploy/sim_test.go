package deploy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// script is one simulated life: what is deployed when, and what is said meanwhile.
type script struct {
	seed    uint64
	proxies int
	rough   bool
	kills   bool // the controller is killed between saves and actions
	moves   []move
	words   int // commands at random moments, of 1000 ticks
}

type move struct {
	settings Service
	nature   nature
	straight bool
	after    int // ticks after the one before; -1: when it has ended
}

// mutant is a controller with one mistake: it sees the world wrong, or forgets. It shows that a check can fail.
type mutant struct {
	name    string
	caught  string // the check that must find it
	see     func(State, *Observation)
	plan    func(State) State // what it takes the picture to be
	act     func(Observation, []Action) []Action
	forgets bool // restarts from a state that was never saved
}

func dur(d time.Duration) *Duration { v := Duration(d); return &v }

// settings draws one of the strategies.
func settings(rnd *rand.Rand, n int) Service {
	s := Service{Instances: n, MaxOverload: 2, DrainTimeout: Duration(5 * time.Second), Deadline: Duration(60 * time.Second),
		Health:   Health{StartTimeout: Duration(30 * time.Second), Interval: Duration(time.Second)},
		Analysis: Analysis{MinRequests: 20, OnInsufficient: "promote"}}
	bake := dur(time.Duration(rnd.IntN(8)) * tick)
	switch rnd.IntN(3) {
	case 0:
		surge, missing := rnd.IntN(3), rnd.IntN(2)
		if surge+missing == 0 {
			surge = 1
		}
		s.Strategy.Rolling = &RollingOptions{MaxSurge: &surge, MaxUnavailable: min(missing, n-1), Bake: bake}
		if surge == 0 && n == 1 {
			*s.Strategy.Rolling.MaxSurge = 1
		}
	case 1:
		s.Strategy.BlueGreen = &BlueGreenOptions{Bake: bake, Tests: [][]string{{"check"}}, ScaleDownDelay: Duration(rnd.IntN(3)) * Duration(3*time.Second)}
		if rnd.IntN(3) == 0 {
			s.Strategy.BlueGreen.Standby = "update"
		}
	default:
		o := &CanaryOptions{Bake: bake}
		for _, w := range []Share{500, 1000, 2500, 5000, 7500} {
			if rnd.IntN(2) == 0 {
				o.Steps = append(o.Steps, CanaryStep{Weight: w})
			}
		}
		if len(o.Steps) > 0 && rnd.IntN(2) == 0 {
			o.Steps[0].Tests = [][]string{{"check"}}
		}
		o.Steps = append(o.Steps, CanaryStep{Weight: Whole})
		s.Strategy.Canary = o
	}
	return s
}

// life is what became of a script.
type life struct {
	state   State
	results []Result // of every rollout, superseded ones too
	reasons []string
}

// live runs a script against a controller, or against a mutant of it, and returns the first broken invariant.
func live(sc script, m mutant) (life, error) {
	w := newWorld(sc.seed, max(1, sc.proxies), sc.rough)
	rnd := rand.New(rand.NewPCG(sc.seed, 99))
	l := life{state: State{Service: "s"}}
	saved, began, next := l.state, 0, 0
	for n := 0; ; n++ {
		_, open := l.state.Open()
		if next < len(sc.moves) && (!open && sc.moves[next].after < 0 || sc.moves[next].after >= 0 && n-began >= sc.moves[next].after) {
			mv := sc.moves[next]
			next++
			l.state.Revisions++
			to := fmt.Sprint("r", l.state.Revisions)
			w.nature[to] = mv.nature
			state, old, err := Begin(l.state, Request{To: to, Settings: mv.settings, Version: to, By: "deploy", Straight: mv.straight}, w.now)
			if err != nil {
				return l, err
			}
			if old != nil {
				l.results, l.reasons = append(l.results, old.Result), append(l.reasons, old.Reason)
			}
			l.state, saved, began = state, state, n
		}
		if sc.words > 0 && rnd.IntN(1000) < sc.words {
			l.state = say(l.state, rnd, w.now)
			saved = l.state
		}
		o := w.observe(l.state)
		seen := o
		if m.see != nil {
			m.see(l.state, &seen)
		}
		input := l.state
		if m.plan != nil {
			input = m.plan(input)
		}
		state, acts := Decide(input, seen)
		if m.act != nil {
			acts = m.act(o, acts)
		}
		o.Routing = l.state.Routing
		if err := judge(w, l.state, o, trueState(l.state, state, m), acts, calm(sc)); err != nil {
			return l, fmt.Errorf("tick %d: %w", n, err)
		}
		if err := judgeTurn(l.state, state); err != nil {
			return l, err
		}
		wasOpen := open
		if !m.forgets {
			saved = state
		}
		stop := len(acts) + 1
		if sc.kills && rnd.IntN(40) == 0 {
			stop = rnd.IntN(len(acts) + 1)
		}
		for i, a := range acts {
			if i >= stop {
				break
			}
			w.do(a)
		}
		l.state = state
		if stop <= len(acts) { // killed: it starts again with what was saved; its proxies are told again
			l.state = saved
			w.tasks = map[string]time.Time{}
			w.do(Publish{l.state.Routing})
			for key := range w.results {
				if w.results[key].State == TaskRunning {
					delete(w.results, key)
				}
			}
		}
		if r := l.state.Rollout; wasOpen && r != nil && !r.Open() {
			l.results, l.reasons = append(l.results, r.Result), append(l.reasons, r.Reason)
			began = n
		}
		w.pass()
		if _, open := l.state.Open(); !open && next == len(sc.moves) {
			return l, nil
		}
		if n-began > 4000 {
			r, _ := l.state.Open()
			return l, broken(checkEnds, "%s at step %d: %s, waiting for %s", r.ID, r.At+1, r.Phase, r.Waiting)
		}
	}
}

// trueState is what the decision leads to, with the picture as it really is.
func trueState(before, after State, m mutant) State {
	if m.plan == nil {
		return after
	}
	if r, open := after.Open(); open && before.Rollout != nil && before.Rollout.ID == r.ID {
		r.Forth, r.Back, r.Rest, r.Home = before.Rollout.Forth, before.Rollout.Back, before.Rollout.Rest, before.Rollout.Home
		after.Rollout = &r
	} else if !open {
		after.Rest = before.Rest
		if before.Rollout != nil && before.Rollout.Open() {
			after.Rest = before.Rollout.Rest
		}
	}
	return after
}

// calm says that nothing breaks by itself, so that every request must find somebody.
func calm(sc script) bool {
	for _, m := range sc.moves {
		if m.nature.crash || m.nature.hangs || m.nature.crashes > 0 || m.settings.Strategy.Rolling != nil && m.settings.Strategy.Rolling.MaxUnavailable > 0 {
			return false
		}
	}
	return !sc.rough
}

func say(s State, rnd *rand.Rand, now time.Time) State {
	r, open := s.Open()
	if !open {
		return s
	}
	verb := []Verb{Promote, Pause, Resume, Resume, Resume, Abort}[rnd.IntN(6)]
	if r, err := Apply(r, Command{Verb: verb, Full: rnd.IntN(2) == 0}, now); err == nil {
		s.Rollout = &r
	}
	return s
}

// draw makes a script of a seed: several deploys, good and bad, in the middle of each other or one after the other.
func draw(seed uint64) script {
	rnd := rand.New(rand.NewPCG(seed, 3))
	sc := script{seed: seed, proxies: 1 + rnd.IntN(3), rough: rnd.IntN(2) == 0, kills: rnd.IntN(2) == 0}
	if rnd.IntN(3) == 0 {
		sc.words = 20
	}
	n := 1 + rnd.IntN(6)
	for i := range 2 + rnd.IntN(4) {
		if rnd.IntN(5) == 0 {
			n = 1 + rnd.IntN(6)
		}
		mv := move{settings: settings(rnd, n), after: -1, straight: rnd.IntN(8) == 0}
		if i > 1 && rnd.IntN(2) == 0 {
			mv.after = rnd.IntN(160)
		}
		if i > 0 {
			mv.nature = natures[rnd.IntN(len(natures))]
		}
		if sc.rough {
			mv.nature.crashes = rnd.IntN(4)
		}
		sc.moves = append(sc.moves, mv)
	}
	return sc
}

var natures = []nature{{}, {}, {}, {never: true}, {crash: true}, {prepare: true}, {taskFail: true}, {failAt: 4 * time.Second},
	{failAt: 12 * time.Second}, {hangs: true}, {failAt: time.Millisecond}}

// seeds is how many lives are simulated: NARU_SIM_SEEDS, from NARU_SIM_FROM on.
func seeds(t *testing.T, usual uint64) (from, to uint64) {
	number := func(name string, usual uint64) uint64 {
		v, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if os.Getenv(name) == "" {
			return usual
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	from = number("NARU_SIM_FROM", 0)
	return from, from + number("NARU_SIM_SEEDS", usual)
}

func TestEveryInvariantHolds(t *testing.T) {
	from, to := seeds(t, 2000)
	ends := map[Result]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range uint64(runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for seed := from + worker; seed < to && !t.Failed(); seed += uint64(runtime.GOMAXPROCS(0)) {
				l, err := live(draw(seed), mutant{})
				if err != nil {
					t.Errorf("%v\nreplay: NARU_SIM_FROM=%d NARU_SIM_SEEDS=1 go test ./internal/deploy -run %s", err, seed, t.Name())
				}
				mu.Lock()
				for _, r := range l.results {
					ends[r]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d lives: %v", to-from, ends)
	if to-from > 100 && (ends[Promoted] == 0 || ends[RolledBack] == 0 || ends[Aborted] == 0) {
		t.Errorf("the lives are one-sided: %v", ends)
	}
}

func check(err error) string {
	var v *violation
	if errors.As(err, &v) {
		return v.check
	}
	return ""
}
