package deploy

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const tick = 250 * time.Millisecond

// nature is how the instances of one revision behave. Randomness that belongs to an instance is a hash of its name and
// the seed, so that two controllers which act at other moments live in the same world.
type nature struct {
	never    bool // never becomes healthy
	crash    bool // ends right after its start
	hangs    bool // becomes unhealthy after a while
	crashes  int  // of 1000 ticks, when the world is rough
	prepare  bool // cannot be prepared
	verdict  Outcome
	failAt   time.Duration // a verdict that turns to Fail this long after the rollout's beginning
	taskFail bool
	silent   bool // no request ever reaches it
}

type body struct {
	Instance
	ready time.Time // when probes begin to succeed
	sick  time.Time // when they cease to
}

type eye struct { // a proxy
	ID, Epoch string
	routing   Routing
	queue     []Routing // on its way
	lag       int
	inFlight  map[string]int
	flights   map[string]time.Time // requests that never end
}

// world is a make-believe platform, proxies and clock that a controller acts on.
type world struct {
	seed    uint64
	rnd     *rand.Rand
	now     time.Time
	bodies  map[string]*body
	proxies []*eye
	ready   map[string]time.Time // revision: when prepared
	nature  map[string]nature
	tasks   map[string]time.Time // key: when it ends
	results map[string]TaskResult
	began   map[string]time.Time // rollout
	late    []Observation
	rough   bool // instances crash and hang, observations come late
	addr    int
	to      map[string]string // rollout: its candidate
}

func newWorld(seed uint64, proxies int, rough bool) *world {
	w := &world{seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_000_000, 0), bodies: map[string]*body{}, ready: map[string]time.Time{},
		nature: map[string]nature{}, tasks: map[string]time.Time{}, results: map[string]TaskResult{}, began: map[string]time.Time{}, rough: rough, to: map[string]string{}}
	for i := range proxies {
		w.proxies = append(w.proxies, &eye{ID: fmt.Sprint("p", i), Epoch: "1", lag: i * 3, inFlight: map[string]int{}, flights: map[string]time.Time{}})
	}
	return w
}

// luck is a number from 0 to n-1 that belongs to a name.
func (w *world) luck(name string, n int) int {
	h := fnv.New64a()
	fmt.Fprint(h, w.seed, name)
	return int((h.Sum64() >> 7) % uint64(n))
}

func (w *world) observe(s State) Observation {
	o := Observation{Now: w.now, Prepared: map[string]Prepared{}, Tasks: maps.Clone(w.results)}
	for _, id := range slices.Sorted(maps.Keys(w.bodies)) {
		o.Instances = append(o.Instances, w.bodies[id].Instance)
	}
	for revision, at := range w.ready {
		switch {
		case w.nature[revision].prepare:
			o.Prepared[revision] = Prepared{Err: "no such program"}
		case !w.now.Before(at):
			o.Prepared[revision] = Prepared{Ready: true}
		}
	}
	for _, p := range w.proxies {
		o.Proxies = append(o.Proxies, w.see(p))
	}
	o.Verdict = w.verdict(s)
	w.late = append(w.late, o)
	if w.rough && w.rnd.IntN(4) == 0 { // what the proxies, the tasks and the judge say comes late or not at all
		old := w.late[max(0, len(w.late)-1-w.rnd.IntN(8))]
		o.Proxies, o.Verdict, o.Tasks = old.Proxies, old.Verdict, old.Tasks
	}
	return o
}

func (w *world) see(p *eye) ProxyState {
	s := ProxyState{ID: p.ID, Epoch: p.Epoch, Version: p.routing.Version, Backends: map[string]BackendState{}}
	for _, m := range p.routing.Members {
		b := BackendState{Address: m.Address, Health: Unhealthy, InFlight: p.inFlight[m.ID]}
		if w.well(m.ID, m.Address) {
			b.Health = Healthy
		}
		s.Backends[m.ID] = b
	}
	return s
}

// well is the truth about an instance's health.
func (w *world) well(id, address string) bool {
	b := w.bodies[id]
	return b != nil && b.State == Running && b.Address == address && !w.now.Before(b.ready) && (b.sick.IsZero() || w.now.Before(b.sick))
}

func (w *world) verdict(s State) Verdict {
	r, open := s.Open()
	if !open {
		return Verdict{}
	}
	if _, ok := w.began[r.ID]; !ok {
		w.began[r.ID], w.to[r.ID] = w.now, r.To
	}
	n := w.nature[r.To]
	v := Verdict{Rollout: r.ID, Step: r.At, Outcome: n.verdict, Requests: 100, Reason: "so many errors"}
	if n.failAt > 0 && w.now.Sub(w.began[r.ID]) >= n.failAt && r.Weight() != 0 {
		v.Outcome = Fail
	}
	if v.Outcome == "" {
		v.Outcome = Pass
	}
	if n.silent {
		v.Requests, v.Outcome = 0, Inconclusive
	}
	return v
}

// do carries out an action, whether or not the controller remembers that it asked for it before.
func (w *world) do(a Action) {
	switch a := a.(type) {
	case Prepare:
		if _, ok := w.ready[a.Revision]; !ok {
			w.ready[a.Revision] = w.now.Add(time.Duration(w.luck(a.Revision, 8)) * tick)
		}
	case Start:
		w.start(a)
	case Stop:
		delete(w.bodies, a.ID)
		for _, p := range w.proxies {
			delete(p.inFlight, a.ID)
		}
	case Publish:
		for _, p := range w.proxies {
			p.queue = append(p.queue, a.Routing)
		}
	case Run:
		if _, running := w.tasks[a.Key]; !running && w.results[a.Key].State == "" {
			w.tasks[a.Key] = w.now.Add(time.Duration(1+w.luck(a.Key, 12)) * tick)
		}
	}
}

func (w *world) start(a Start) {
	b := w.bodies[a.ID]
	if b != nil && b.Live() {
		return
	}
	exits := 0
	if b != nil {
		exits = b.Exits
	}
	w.addr++
	n := w.nature[a.Revision]
	b = &body{Instance: Instance{ID: a.ID, Revision: a.Revision, Slot: a.Slot, State: Running, Address: fmt.Sprint("a", w.addr), Started: w.now, Exits: exits}}
	b.ready = w.now.Add(time.Duration(1+w.luck(a.ID, 20)) * tick)
	if n.never {
		b.ready = w.now.Add(time.Hour * 1000)
	}
	if n.hangs {
		b.sick = b.ready.Add(time.Duration(10+w.luck(a.ID+"h", 40)) * tick)
	}
	w.bodies[a.ID] = b
	if n.crash {
		w.end(b)
	}
}

func (w *world) end(b *body) {
	b.State, b.Ended, b.Reason = Exited, w.now, "exit status 1"
	if w.now.Sub(b.Started) < time.Minute {
		b.Exits++
	} else {
		b.Exits = 0
	}
}

// pass lets a tick of time go by.
func (w *world) pass() {
	w.now = w.now.Add(tick)
	for _, id := range slices.Sorted(maps.Keys(w.bodies)) {
		b := w.bodies[id]
		if w.rough && b.State == Running && w.rnd.IntN(1000) < w.nature[b.Revision].crashes {
			w.end(b)
		}
	}
	for key, at := range w.tasks {
		if w.now.Before(at) {
			continue
		}
		delete(w.tasks, key)
		w.results[key] = TaskResult{State: TaskPassed}
		if w.taskFails(key) {
			w.results[key] = TaskResult{State: TaskFailed, Reason: "it said no"}
		}
	}
	for _, p := range w.proxies {
		w.serve(p)
	}
}

func (w *world) taskFails(key string) bool {
	rollout, _, _ := strings.Cut(key, "/")
	return w.nature[w.to[rollout]].taskFail
}

// serve lets a proxy take over what has reached it, and its requests begin and end. One in fifty never ends.
func (w *world) serve(p *eye) {
	if len(p.queue) > 0 && (p.lag == 0 || w.rnd.IntN(p.lag) == 0) {
		p.routing = p.queue[len(p.queue)-1]
		p.queue = nil
	}
	for _, m := range p.routing.Members {
		n := p.inFlight[m.ID]
		if n > 0 && (p.flights[m.ID].IsZero() || !w.well(m.ID, m.Address)) {
			n--
		}
		if m.Enabled && w.well(m.ID, m.Address) && p.routing.Share(m.Revision) > 0 {
			n = min(9, n+w.rnd.IntN(3))
			if w.rnd.IntN(50) == 0 {
				p.flights[m.ID] = w.now
			}
		}
		p.inFlight[m.ID] = max(0, n)
	}
}
