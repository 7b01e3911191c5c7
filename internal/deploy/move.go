package deploy

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Move is what a strategy must know: from what to what, and how much of it there is.
type Move struct {
	Service string
	From    string // empty: nothing serves yet
	To      string
	Had     int        // instances of From at full strength
	Left    int        // instances of From that a superseded rollout has left
	Want    int        // instances of To
	Enough  int        // instances that answered everything when the move began; 0: nobody knows
	Over    []Standing // what a superseded rollout had brought in and still answers
	Failed  int        // instances of a superseded rollout that was on its way back: they get only what the overload rule leaves them
	S       Service    // To's settings
}

// Standing is a superseded revision that serves until it is replaced.
type Standing struct {
	Revision  string
	Instances int
	Share     Share
}

// Steps writes a move as pictures, by the strategy of its settings. Nothing else asks which strategy it is.
func Steps(m Move) (forth, back []Step) {
	switch s := m.S.Strategy; {
	case m.From == "":
		return First(m)
	case s.Canary != nil:
		return Canary(m)
	case s.BlueGreen != nil:
		return BlueGreen(m)
	default:
		return Rolling(m)
	}
}

// picture is the frame that all pictures of a move share.
func (m Move) picture(total, serving int, groups ...Group) Picture {
	kept := groups[:0:0]
	for _, g := range groups {
		if g.Revision != "" && g.Instances > 0 {
			kept = append(kept, g)
		}
	}
	return Picture{Service: m.Service, Groups: kept, MaxTotal: total + m.Failed, MinServing: max(0, serving), Stable: cmp.Or(m.From, m.To),
		Canary: m.canary(), Full: m.full(), MaxOverload: m.S.MaxOverload, Drain: m.S.DrainTimeout.D()}
}

func (m Move) canary() string {
	if m.From == "" {
		return ""
	}
	return m.To
}

// full is the number of instances that the overload rule counts from. Where the new settings ask for fewer, they say
// that so many are enough; and what fewer instances answered before the rollout is not taken from them because of it.
func (m Move) full() int {
	if m.From == "" {
		return 0
	}
	return min(m.Had, m.Want, cmp.Or(m.Enough, m.Want))
}

// rest is how the world looks when the move is over and revision alone serves. It keeps the room that the move had:
// where what should go is all that answers, it may stay, and what should serve can be started all the same.
func (m Move) rest(revision string, n, room int) Picture {
	missing := 0
	if rolling := m.S.Strategy.Rolling; rolling != nil {
		missing = rolling.MaxUnavailable
	}
	p := Picture{Service: m.Service, MaxTotal: max(n, room), MinServing: max(0, n-missing), Stable: revision, Drain: m.S.DrainTimeout.D()}
	if revision != "" {
		p.Groups = []Group{{Revision: revision, Instances: n, Share: Whole, Await: true}}
	}
	return p
}

// home is the way back: everything to where we came from, by the overload rule.
func (m Move) home(total int) []Step {
	p := m.picture(total, m.serving(), Group{Revision: m.From, Instances: m.Had, Share: Whole, Await: true})
	p.Stable = m.From
	return []Step{{Name: "back", Picture: p, Gate: Gate{Deadline: m.S.Deadline.D()}}}
}

func (m Move) serving() int {
	if m.From == "" {
		return 0
	}
	return min(m.Had, m.Want)
}

func (m Move) judgement() *Judgement {
	if !m.S.Analysis.On() || m.S.Worker() {
		return nil
	}
	return &Judgement{m.S.Analysis.Objectives, m.S.Analysis.MinRequests, m.S.Analysis.OnInsufficient}
}

// over is how many superseded instances are left once so many new ones carry traffic, as groups with their part of
// what the new ones leave, and their sum.
func (m Move) over(carrying int, rest Share) (groups []Group, instances int, shares Share) {
	for _, o := range m.Over {
		n := max(0, o.Instances-carrying)
		carrying = max(0, carrying-o.Instances)
		share := min(Share(int(o.Share)*int(rest)/int(Whole)), Share(n*int(Whole)/max(1, m.full())))
		groups = append(groups, Group{Revision: o.Revision, Instances: n, Share: share})
		instances += n
		if n > 0 {
			shares += share
		}
	}
	return groups, instances, shares
}

func (m Move) stood() (n int) {
	for _, o := range m.Over {
		n += o.Instances
	}
	return n
}

// First brings up a service that nobody serves yet. It has nothing to be compared with and nothing to go back to.
func First(m Move) (forth, back []Step) {
	gate := Gate{Bake: m.bake(), Deadline: m.S.Deadline.D()}
	if bg := m.S.Strategy.BlueGreen; bg != nil {
		gate.Tasks = append(tests(bg.Tests, bg.TestTimeout), load(bg.LoadTest)...)
	}
	p := m.picture(m.Want, 0, Group{Revision: m.To, Instances: m.Want, Share: Whole, Await: true})
	p.MaxOverload = 0
	if len(gate.Tasks) > 0 {
		p.Preview = m.To
	}
	nothing := m.picture(m.Want, 0)
	nothing.Stable = ""
	back = []Step{{Name: "back", Picture: nothing, Gate: Gate{Deadline: m.S.Deadline.D()}}}
	return []Step{{Name: "start", Picture: p, Gate: gate}}, back
}

// bake is the strategy's own: also the first version is watched before anybody says that it is there.
func (m Move) bake() time.Duration {
	switch s := m.S.Strategy; {
	case s.Canary != nil:
		return s.Canary.Bake.D()
	case s.BlueGreen != nil:
		return s.BlueGreen.Bake.D()
	case s.Rolling != nil:
		return s.Rolling.Bake.D()
	}
	return 0
}

// Rolling replaces instances a few at a time: never more than max_surge above the wanted number, never more than
// max_unavailable below it.
func Rolling(m Move) (forth, back []Step) {
	o := m.S.Strategy.Rolling
	surge, missing := *o.MaxSurge, o.MaxUnavailable
	total := max(m.Had, m.Want) + surge
	floor := max(0, m.serving()-missing)
	overload := m.S.MaxOverload
	if floor > 0 { // the user's own max_unavailable is not overload
		overload = max(overload, float64(m.full())/float64(floor))
	} else {
		overload = 0
	}
	for k := 0; k < m.Want; {
		k = min(k+surge+missing, m.Want)
		from, kept := 0, 0 // of the old revision, and of superseded ones: those go first
		if k < m.Want {
			from = max(0, min(m.Left, m.Had-k))
			kept = max(0, m.Had-k-from)
		}
		over, _, _ := m.over(max(0, m.stood()-kept), 0)
		groups := []Group{{Revision: m.From, Instances: from}}
		groups = append(groups, over...)
		groups = append(groups, Group{Revision: m.To, Instances: k, Await: true})
		m.divide(groups, k)
		p := m.picture(total, floor, groups...)
		p.MaxOverload = overload
		forth = append(forth, Step{Name: fmt.Sprintf("%d of %d", k, m.Want), Picture: p,
			Gate: Gate{Bake: o.Bake.D(), Analysis: m.judgement(), Deadline: m.S.Deadline.D()}})
	}
	back = m.home(total)
	back[0].Picture.MinServing = max(0, m.Had-missing)
	if overload == 0 {
		back[0].Picture.MaxOverload = 0
	}
	return forth, back
}

// divide gives every instance the same part of the traffic: by counting them, or, where instances of a failed revision
// still run and must not be counted, in figures.
func (m Move) divide(groups []Group, k int) {
	for i := range groups {
		groups[i].Share = Proportional
	}
	if m.Failed > 0 {
		to := Share(k * int(Whole) / m.Want)
		groups[0].Share, groups[len(groups)-1].Share = Whole-to, to
	}
}

// BlueGreen starts the new revision whole beside the old one, tests it without users, and swaps in one publish.
func BlueGreen(m Move) (forth, back []Step) {
	o := m.S.Strategy.BlueGreen
	tasks := append(tests(o.Tests, o.TestTimeout), load(o.LoadTest)...)
	over, stood, share := m.over(0, Whole)
	total := m.Had + m.Want + stood
	old := Group{Revision: m.From, Instances: m.Had, Share: Whole - share}
	green := Group{Revision: m.To, Instances: m.Want, Await: true}

	before := m.picture(total, m.serving(), append(over, old, green)...)
	before.Preview = m.To
	preview := Step{Name: "preview", Picture: before, Gate: Gate{Tasks: tasks, Approve: o.Approve, Deadline: m.S.Deadline.D()}}

	old.Share, green.Share = 0, Whole
	after := m.picture(total, m.serving(), old, green)
	swap := Step{Name: "swap", Picture: after, Gate: Gate{Bake: o.Bake.D(), Analysis: m.judgement(), Deadline: m.S.Deadline.D()}}
	return []Step{preview, swap}, m.home(total)
}

// Canary gives a growing share of the traffic to the new revision, while the old one stays at full strength.
func Canary(m Move) (forth, back []Step) {
	o := m.S.Strategy.Canary
	stood, total := m.stood(), 0
	var match []Match
	for _, s := range o.Steps {
		n := s.Instances
		if n == 0 {
			n = max(1, int(math.Ceil(float64(m.Want)*float64(s.Weight)/float64(Whole))))
		}
		match = append(match[:len(match):len(match)], s.Match...)
		over, left, share := m.over(n, Whole-s.Weight)
		total = max(total, m.Had+n+stood)
		stood = left
		groups := append(over, Group{Revision: m.From, Instances: m.Had, Share: Whole - s.Weight - share},
			Group{Revision: m.To, Instances: n, Share: s.Weight, Match: match, Await: true})
		p := m.picture(m.Had+n+max(left, m.stood()), m.serving(), groups...)
		gate := Gate{Tasks: tests(s.Tests, o.TestTimeout), Bake: o.Bake.D(), Analysis: m.judgement(), Approve: s.Approve, Deadline: m.S.Deadline.D()}
		if s.Bake != nil {
			gate.Bake = s.Bake.D()
		}
		if len(gate.Tasks) > 0 {
			p.Preview = m.To
		}
		forth = append(forth, Step{Name: s.Weight.String(), Picture: p, Gate: gate})
	}
	return forth, m.home(total)
}

// Straight goes to a revision that is known to be good, without a second canary. Like a way back it is judged by
// nothing but health. Where instances are replaced in place it keeps to that room; otherwise it swaps all at once.
func Straight(m Move) (forth, back []Step) {
	if m.S.Strategy.Rolling != nil {
		forth, back = Rolling(m)
	} else {
		m.S.Strategy = Strategy{BlueGreen: &BlueGreenOptions{Bake: new(Duration)}}
		forth, back = BlueGreen(m)
		forth[0].Name, forth[0].Picture.Preview = "start", ""
	}
	for i := range forth {
		forth[i].Gate = Gate{Deadline: m.S.Deadline.D()}
	}
	return forth, back
}

func tests(commands [][]string, timeout Duration) (tasks []Task) {
	for i, c := range commands {
		tasks = append(tasks, Task{Name: fmt.Sprintf("test %d (%s)", i+1, c[0]), Command: c, Timeout: timeout.D(), Again: true})
	}
	return tasks
}

func load(l *LoadTest) []Task {
	if l == nil {
		return nil
	}
	return []Task{{Name: "load test", Load: l, Timeout: l.Duration.D() * 3, Again: true}}
}
