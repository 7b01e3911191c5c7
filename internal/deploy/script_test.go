package deploy

import (
	"math/rand/v2"
	"time"
)

// script is one simulated life: what is asked for when, and what goes wrong meanwhile. A trouble is a number of ticks
// out of 1000 in which it happens.
type script struct {
	seed     uint64
	proxies  int
	rough    bool // instances crash, observations come late, messages are lost
	kills    int  // the controller is killed, between any save and any action
	reboots  int  // the machine goes down and comes back
	restarts int  // a proxy is started anew
	stuck    int  // a proxy takes over nothing for a while
	dark     int  // the platform cannot be asked for a while
	words    int  // somebody says something
	moves    []move
}

// move is something that people ask for.
type move struct {
	kind     kind
	settings Service
	nature   nature
	after    int // ticks after the one before; -1: when no rollout is open
}

type kind int

const (
	deploy   kind = iota
	rollback      // to the revision before, straight
	retry         // the last revision that failed
	scale
	remove
)

// calm reports whether nothing breaks by itself, so that every request must find somebody.
func (sc script) calm() bool {
	for _, m := range sc.moves {
		n := m.nature
		if m.settings.Exclusive {
			return false
		}
		if n.crash || n.hangs || n.rots || n.dies || n.crashes > 0 || m.settings.Strategy.Rolling != nil && m.settings.Strategy.Rolling.MaxUnavailable > 0 {
			return false
		}
	}
	return !sc.rough && sc.reboots == 0 && sc.restarts == 0
}

// draw makes a script of a seed: several deploys, good and bad, in the middle of each other or one after the other.
func draw(seed uint64) script {
	rnd := rand.New(rand.NewPCG(seed, 3))
	sc := script{seed: seed, proxies: 1 + rnd.IntN(3), rough: rnd.IntN(2) == 0}
	for _, trouble := range []struct {
		of      *int
		percent int
		rate    int
	}{{&sc.kills, 50, 25}, {&sc.reboots, 20, 4}, {&sc.restarts, 20, 10}, {&sc.stuck, 20, 10}, {&sc.words, 30, 30}} {
		if rnd.IntN(100) < trouble.percent {
			*trouble.of = trouble.rate
		}
	}
	n := 1 + rnd.IntN(6)
	for i := range 2 + rnd.IntN(4) {
		if rnd.IntN(5) == 0 {
			n = 1 + rnd.IntN(6)
		}
		sc.moves = append(sc.moves, drawMove(rnd, i, n, sc.rough))
	}
	if rnd.IntN(10) == 0 {
		sc.moves = append(sc.moves, move{kind: remove, after: rnd.IntN(60) - 1})
	}
	if dark := rand.New(rand.NewPCG(seed, 23)); dark.IntN(4) == 0 {
		sc.dark = 10
	}
	return sc.alone()
}

// alone makes the program of every fourth script one that cannot run twice, as a rule from its first version to its last.
func (sc script) alone() script {
	rnd := rand.New(rand.NewPCG(sc.seed, 17))
	if rnd.IntN(4) > 0 {
		return sc
	}
	for i := range sc.moves {
		if s := &sc.moves[i].settings; rnd.IntN(8) > 0 {
			s.Exclusive, s.Instances, s.Strategy, s.Bake = true, 1, Strategy{}, dur(5*time.Second)
			if rnd.IntN(2) == 0 {
				s.Health.StartTimeout = Duration(time.Minute) // later than who waits can wait for
			}
			if rnd.IntN(4) == 0 {
				s.HoldTimeout = brief
			}
		}
	}
	return sc
}

func drawMove(rnd *rand.Rand, i, n int, rough bool) move {
	mv := move{settings: settings(rnd, n), after: -1}
	if i > 0 {
		mv.kind = []kind{deploy, deploy, deploy, deploy, deploy, rollback, retry, scale}[rnd.IntN(8)]
		mv.nature = natures[rnd.IntN(len(natures))]
	}
	if i > 1 && rnd.IntN(2) == 0 || rnd.IntN(20) == 0 {
		mv.after = rnd.IntN(80)
	}
	if rough {
		mv.nature.crashes = rnd.IntN(8)
	}
	return mv
}

func dur(d time.Duration) *Duration { return new(Duration(d)) }

// settings draws one of the strategies.
func settings(rnd *rand.Rand, n int) Service {
	s := Service{Instances: n, MaxOverload: 2, DrainTimeout: Duration(3 * time.Second), Deadline: Duration(60 * time.Second),
		HoldTimeout: plenty, StopTimeout: Duration(2 * time.Second),
		Health:   Health{StartTimeout: Duration(12 * time.Second), Interval: Duration(time.Second)},
		Analysis: Analysis{OnInsufficient: []string{"promote", "pause", "rollback"}[rnd.IntN(3)]}}
	bake := dur(time.Duration(rnd.IntN(5)) * tick)
	switch rnd.IntN(3) {
	case 0:
		s.Strategy.Rolling = drawRolling(rnd, n, bake)
	case 1:
		s.Strategy.BlueGreen = &BlueGreenOptions{Bake: bake, Tests: [][]string{{"check"}}, ScaleDownDelay: Duration(rnd.IntN(3)) * Duration(3*time.Second),
			Standby: []string{"stop", "stop", "update"}[rnd.IntN(3)], Approve: rnd.IntN(6) == 0}
	default:
		s.Strategy.Canary = drawCanary(rnd, bake)
	}
	return s
}

func drawRolling(rnd *rand.Rand, n int, bake *Duration) *RollingOptions {
	surge, missing := rnd.IntN(3), min(rnd.IntN(3), n)
	if surge+missing == 0 {
		surge = 1
	}
	return &RollingOptions{MaxSurge: &surge, MaxUnavailable: missing, Bake: bake}
}

func drawCanary(rnd *rand.Rand, bake *Duration) *CanaryOptions {
	o := &CanaryOptions{Bake: bake}
	for _, w := range []Share{500, 1000, 2500, 5000, 7500} {
		if rnd.IntN(2) == 0 {
			o.Steps = append(o.Steps, CanaryStep{Weight: w, Approve: rnd.IntN(10) == 0})
		}
	}
	o.Steps = append(o.Steps, CanaryStep{Weight: Whole})
	if rnd.IntN(2) == 0 {
		o.Steps[rnd.IntN(len(o.Steps))].Tests = [][]string{{"check"}, {"check again"}}
	}
	if rnd.IntN(3) == 0 {
		o.Steps[0].Match = []Match{{Header: "X-Beta"}}
	}
	return o
}

// determined draws a script whose end does not hang on the moment at which something happens.
func determined(seed uint64) script {
	rnd := rand.New(rand.NewPCG(seed, 5))
	sc := script{seed: seed, proxies: 1 + rnd.IntN(2)}
	n := 1 + rnd.IntN(4)
	for i := range 2 + rnd.IntN(3) {
		mv := drawMove(rnd, i, n, false)
		mv.after = -1
		if mv.nature.hangs || mv.nature.failAt > time.Second {
			mv.nature = nature{failAt: time.Millisecond}
		}
		sc.moves = append(sc.moves, mv)
	}
	return sc.alone()
}

// fix draws a script in which stable breaks, and is then replaced by a good version: at once, after a version that does
// not work either, or in the middle of that one.
func fix(seed uint64) script {
	rnd := rand.New(rand.NewPCG(seed, 11))
	sc := script{seed: seed, proxies: 1 + rnd.IntN(2)}
	n := 1 + rnd.IntN(5)
	broken := []nature{{rots: true}, {dies: true}, {rots: true, dies: true}}[rnd.IntN(3)]
	sc.moves = []move{{settings: settings(rnd, n), nature: broken, after: -1}}
	begin := 60 + rnd.IntN(40)
	if rnd.IntN(2) == 0 {
		failed := []nature{{never: true}, {crash: true}, {prepare: true}, {taskFail: true}, {failAt: time.Millisecond}, {hangs: true}}[rnd.IntN(6)]
		sc.moves = append(sc.moves, move{settings: settings(rnd, n), nature: failed, after: begin})
		if begin = -1; rnd.IntN(2) == 0 {
			begin = rnd.IntN(60)
		}
	}
	sc.moves = append(sc.moves, move{settings: settings(rnd, n), after: begin})
	sc = sc.alone()
	for i := range sc.moves {
		sc.moves[i].settings.HoldTimeout = plenty // or it is nobody's fault that a version had too little
	}
	return sc
}
