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

// nature is how the instances of one revision behave and what is said of them. Randomness that belongs to an instance
// is a hash of its name and the seed, so that two controllers which act at other moments live in the same world.
type nature struct {
	never    bool          // never becomes healthy
	crash    bool          // ends right after its start
	hangs    bool          // becomes unhealthy after a while
	rots     bool          // becomes unhealthy when it has been stable for some time
	dies     bool          // ends when it has been stable for some time, again and again
	crashes  int           // ends by itself in so many of 1000 ticks
	prepare  bool          // cannot be prepared
	taskFail bool          // fails its tests
	failAt   time.Duration // a verdict that turns to Fail so long after the rollout's beginning
	verdict  Outcome       // Inconclusive: too few requests. Freeze: for a while. BackOne: once
	silent   bool          // no request ever reaches it
}

// runs reports whether instances of the revision are healthy once they have started, and remain so.
func (n nature) runs() bool {
	return !n.never && !n.crash && !n.hangs && !n.rots && !n.dies && n.crashes == 0 && !n.prepare
}

// good reports whether a revision must be promoted when nobody interferes.
func (n nature) good(s Service) bool {
	unsure := n.verdict == Inconclusive && s.Analysis.OnInsufficient == "rollback"
	return n.runs() && !n.taskFail && n.failAt == 0 && !unsure
}

type body struct {
	Instance
	ready time.Time // when probes begin to succeed
	sick  time.Time // when they cease to
}

// eye is a proxy.
type eye struct {
	ID       string
	epoch    int
	routing  Routing
	queue    []Routing // on its way
	lag      int
	stuck    int // ticks in which it takes over nothing
	inFlight map[string]int
	endless  map[string]bool      // instances with a request that never ends
	probed   map[string]time.Time // address: when its first probe has ended
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

// restart empties a proxy: it knows nothing until it is told, and nobody's health until it has probed.
func (p *eye) restart() {
	p.epoch++
	p.routing, p.queue, p.inFlight, p.endless, p.probed = Routing{}, nil, map[string]int{}, map[string]bool{}, map[string]time.Time{}
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
	o := Observation{Now: w.now, Prepared: make(map[string]Prepared, len(w.ready)), Tasks: maps.Clone(w.results)}
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

func (w *world) see(p *eye) ProxyState {
	s := ProxyState{ID: p.ID, Epoch: strconv.Itoa(p.epoch), Version: p.routing.Version, Backends: make(map[string]BackendState, len(p.routing.Members))}
	for _, m := range p.routing.Members {
		b := BackendState{Address: m.Address, Health: Unhealthy, InFlight: p.inFlight[m.ID]}
		switch {
		case w.now.Before(p.probed[m.Address]):
			b.Health = Unknown
		case w.well(m.ID, m.Address):
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
	case n.verdict == BackOne && r.At == 1 && w.top[r.ID] == 1 && since < 10*time.Second:
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

// serve lets a proxy take over what has reached it, and its requests begin and end. One in fifty never ends.
func (w *world) serve(p *eye) {
	if p.stuck > 0 {
		p.stuck--
	} else if len(p.queue) > 0 && (p.lag == 0 || w.rnd.IntN(p.lag) == 0) {
		w.takeOver(p, p.queue[len(p.queue)-1])
		p.queue = nil
	}
	for _, m := range p.routing.Members {
		n, well := p.inFlight[m.ID], w.well(m.ID, m.Address)
		if n > 0 && (!p.endless[m.ID] || !well) {
			n--
		}
		if m.Enabled && well && p.routing.Share(m.Revision) > 0 {
			n = min(9, n+w.rnd.IntN(3))
			if w.rnd.IntN(50) == 0 {
				p.endless[m.ID] = true
			}
		}
		p.inFlight[m.ID] = n
	}
}

func (w *world) takeOver(p *eye, r Routing) {
	p.routing = r
	for _, m := range r.Members {
		if _, known := p.probed[m.Address]; !known {
			p.probed[m.Address] = w.now.Add(time.Duration(w.rnd.IntN(3)) * tick)
		}
	}
}
