package deploy

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

const tick = 500 * time.Millisecond

type body struct {
	Instance
	ready time.Time // when probes begin to succeed
	sick  time.Time // when they cease to
}

// world is a make-believe platform, proxies and clock that a controller acts on.
type world struct {
	seed    uint64
	rnd     *rand.Rand
	now     time.Time
	bodies  map[string]*body
	ids     []string // of bodies, sorted
	proxies []*eye
	ready   map[string]time.Time // revision: when prepared
	nature  map[string]nature
	tasks   map[string]time.Time // key: when it ends
	results map[string]TaskResult
	began   map[string]time.Time // rollout
	top     map[string]int       // rollout: the highest step so far
	to      map[string]string    // rollout: its candidate
	late    []Observation
	rough   bool // observations come late, what is published may be lost
	addr    int
}

func newWorld(seed uint64, proxies int, rough bool) *world {
	w := &world{seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_000_000, 0), bodies: map[string]*body{}, ready: map[string]time.Time{},
		nature: map[string]nature{}, tasks: map[string]time.Time{}, results: map[string]TaskResult{}, began: map[string]time.Time{},
		top: map[string]int{}, to: map[string]string{}, rough: rough}
	for i := range proxies {
		p := &eye{ID: "p" + strconv.Itoa(i), lag: i * 2}
		p.restart()
		w.proxies = append(w.proxies, p)
	}
	return w
}

// reboot ends every process of the machine; the platform knows afterwards that they did not end by themselves.
func (w *world) reboot() {
	for _, b := range w.bodies {
		if b.State == Running {
			b.State, b.Ended, b.Reason = Exited, w.now, "the machine was started anew"
		}
	}
	for _, p := range w.proxies {
		p.restart()
	}
	clear(w.ready)
	w.forget()
}

// forget is what dies with the controller: tasks that run. Some of them are found without a result, of others nothing
// is left.
func (w *world) forget() {
	for key := range w.tasks {
		if w.luck(key, 2) == 0 {
			w.results[key] = TaskResult{State: TaskInterrupted}
		}
	}
	clear(w.tasks)
}

// luck is a number from 0 to n-1 that belongs to a name.
func (w *world) luck(name string, n int) int {
	h := fnv.New64a()
	h.Write(strconv.AppendUint(nil, w.seed, 10))
	h.Write([]byte(name))
	return int((h.Sum64() >> 7) % uint64(n))
}

func (w *world) observe(s State) Observation {
	o := Observation{Now: w.now, Prepared: make(map[string]Prepared, len(w.ready)), Tasks: maps.Clone(w.results),
		Instances: make([]Instance, 0, len(w.ids)), Proxies: make([]ProxyState, 0, len(w.proxies))}
	for _, id := range w.ids {
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
	if w.rough {
		w.delay(&o)
	}
	return o
}

// delay puts what proxies, tasks and judge said a while ago in the place of what they say now.
func (w *world) delay(o *Observation) {
	w.late = append(w.late, *o)
	w.late = w.late[max(0, len(w.late)-5):]
	if w.rnd.IntN(4) == 0 {
		old := w.late[w.rnd.IntN(len(w.late))]
		o.Proxies, o.Verdict, o.Tasks = old.Proxies, old.Verdict, old.Tasks
	}
}

// well is the truth about an instance's health.
func (w *world) well(id, address string) bool {
	b := w.bodies[id]
	return b != nil && b.State == Running && b.Address == address && !w.now.Before(b.ready) && (b.sick.IsZero() || w.now.Before(b.sick))
}

// verdict is what the analysis says where the step asks for one. It may still speak of the step before.
func (w *world) verdict(s State) Verdict {
	r, open := s.Open()
	if !open {
		return Verdict{}
	}
	if _, ok := w.began[r.ID]; !ok {
		w.began[r.ID], w.to[r.ID] = w.now, r.To
	}
	if r.Returning || r.Step().Gate.Analysis == nil {
		return Verdict{}
	}
	w.top[r.ID] = max(w.top[r.ID], r.At)
	n, since := w.nature[r.To], w.now.Sub(w.began[r.ID])
	v := Verdict{Rollout: r.ID, Step: r.At, Outcome: Pass, Requests: 100, Reason: "so it is"}
	switch {
	case n.failAt > 0 && since >= n.failAt && r.Weight() != 0:
		v.Outcome = Fail
	case n.silent:
		v.Requests, v.Outcome = 0, Inconclusive
	case n.verdict == Inconclusive:
		v.Requests, v.Outcome = 5, Inconclusive
	case n.verdict == Freeze && since < 10*time.Second:
		v.Outcome = Freeze
	case n.verdict == BackOne && r.At == 1 && (n.again || !r.SteppedBack):
		v.Outcome = BackOne
	}
	if r.At > 0 && w.rnd.IntN(5) == 0 {
		v.Step--
	}
	return v
}

// do carries out an action, whether or not the controller remembers that it asked for it before.
func (w *world) do(a Action) {
	switch a := a.(type) {
	case Prepare:
		if _, ok := w.ready[a.Revision]; !ok {
			w.ready[a.Revision] = w.now.Add(time.Duration(w.luck(a.Revision, 4)) * tick)
		}
	case Start:
		w.start(a)
	case Stop:
		delete(w.bodies, a.ID)
		w.ids = slices.DeleteFunc(w.ids, func(id string) bool { return id == a.ID })
		for _, p := range w.proxies {
			delete(p.inFlight, a.ID)
		}
	case Publish:
		for _, p := range w.proxies {
			if !w.rough || w.rnd.IntN(10) > 0 {
				p.queue = append(p.queue, a.Routing)
			}
		}
	case Run:
		if _, running := w.tasks[a.Key]; running {
			return
		}
		if state := w.results[a.Key].State; state == "" || state == TaskInterrupted {
			delete(w.results, a.Key)
			w.tasks[a.Key] = w.now.Add(time.Duration(1+w.luck(a.Key, 6)) * tick)
		}
	}
}

func (w *world) start(a Start) {
	b := w.bodies[a.ID]
	if b != nil && b.Live() {
		return
	}
	exits := 0
	if b == nil {
		w.ids = append(w.ids, a.ID)
		slices.Sort(w.ids)
	} else {
		exits = b.Exits
	}
	w.addr++
	n := w.nature[a.Revision]
	b = &body{Instance: Instance{ID: a.ID, Revision: a.Revision, Slot: a.Slot, State: Running, Address: "a" + strconv.Itoa(w.addr), Started: w.now, Exits: exits}}
	b.ready = w.now.Add(time.Duration(1+w.luck(a.ID, 10)) * tick)
	if n.never {
		b.ready = w.now.Add(time.Hour * 1000)
	}
	if n.hangs {
		b.sick = b.ready.Add(time.Duration(5+w.luck(a.ID+"h", 20)) * tick)
	}
	if n.rots {
		b.sick = b.ready.Add(30 * time.Second)
	}
	w.bodies[a.ID] = b
	if n.crash || n.dies && exits > 0 {
		w.end(b)
	}
}

func (w *world) end(b *body) {
	b.State, b.Ended, b.Reason = Exited, w.now, "exit status 1"
	b.Exits++
	if w.now.Sub(b.Started) >= time.Minute {
		b.Exits = 0
	}
}

// pass lets a tick of time go by.
func (w *world) pass() {
	w.now = w.now.Add(tick)
	for _, id := range w.ids {
		b := w.bodies[id]
		n := w.nature[b.Revision]
		worn := n.dies && w.now.Sub(b.Started) > 30*time.Second
		if b.State == Running && (worn || n.crashes > 0 && w.rnd.IntN(1000) < n.crashes) {
			w.end(b)
		}
	}
	for key, at := range w.tasks {
		if w.now.Before(at) {
			continue
		}
		delete(w.tasks, key)
		w.results[key] = TaskResult{State: TaskPassed}
		if rollout, _, _ := strings.Cut(key, "/"); w.nature[w.to[rollout]].taskFail {
			w.results[key] = TaskResult{State: TaskFailed, Reason: "it said no"}
		}
	}
	for _, p := range w.proxies {
		w.serve(p)
	}
}
