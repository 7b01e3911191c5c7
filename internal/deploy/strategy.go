package deploy

import (
	"fmt"
	"math"
	"time"
)

// First brings up a service that nobody serves yet. It has nothing to be compared with and nothing to go back to.
func First(m Move) (forth, back []Step) {
	gate := Gate{Bake: m.bake(), Deadline: m.S.Deadline.D()}
	if bg := m.S.Strategy.BlueGreen; bg != nil {
		gate.Tasks = append(tests(bg.Tests, bg.TestTimeout), load(bg.LoadTest)...)
	}
	p := m.picture(m.Want, 0, Group{Revision: m.To, Instances: m.Want, Share: Whole, Await: true})
	p.MaxOverload = 0 // nobody else could take what one instance must not
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
	case m.S.Bake != nil: // of a program that cannot run twice
		return m.S.Bake.D()
	}
	return 0
}

// Rolling replaces instances a few at a time: never more than max_surge above the wanted number, never more than
// max_unavailable below it.
func Rolling(m Move) (forth, back []Step) {
	o := m.S.Strategy.Rolling
	total := max(m.Had, m.Want) + *o.MaxSurge
	floor := max(0, m.serving()-o.MaxUnavailable)
	gate := Gate{Bake: o.Bake.D(), Analysis: m.judged(), Deadline: m.S.Deadline.D()}
	for k := 0; k < m.Want; {
		k = min(k+*o.MaxSurge+o.MaxUnavailable, m.Want)
		p := m.picture(total, floor, m.mixed(k)...)
		p.MaxOverload = m.overload(floor)
		forth = append(forth, Step{Name: fmt.Sprintf("%d of %d", k, m.Want), Picture: p, Gate: gate})
	}
	back = m.home(total)
	back[0].Picture.MinServing = max(0, m.Had-o.MaxUnavailable)
	if floor == 0 {
		back[0].Picture.MaxOverload = 0
	}
	return forth, back
}

// overload is how much an instance may be given while only so many serve: the user's own max_unavailable is not
// overload. Where nobody has to serve, whoever does may take everything.
func (m Move) overload(floor int) float64 {
	if floor == 0 {
		return 0
	}
	return max(m.S.MaxOverload, float64(m.full())/float64(floor))
}

// mixed is who runs when k new instances do: as many of the old revision as still have a place, and of superseded ones
// what then is left, so that these go first. Every instance gets the same part of the traffic: by counting them, or,
// where instances of a failed revision still run and must not be counted, in figures.
func (m Move) mixed(k int) []Group {
	from, kept := 0, 0
	if k < m.Want {
		from = max(0, min(m.Left, m.Had-k))
		kept = max(0, m.Had-k-from)
	}
	over, _, _ := m.over(max(0, m.stood()-kept), 0)
	groups := append([]Group{{Revision: m.From, Instances: from}}, over...)
	groups = append(groups, Group{Revision: m.To, Instances: k, Await: true})
	for i := range groups {
		groups[i].Share = Proportional
	}
	if m.Failed > 0 {
		to := Share(k * int(Whole) / m.Want)
		groups[0].Share, groups[len(groups)-1].Share = Whole-to, to
	}
	return groups
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
	swap := Step{Name: "swap", Picture: after, Gate: Gate{Bake: o.Bake.D(), Analysis: m.judged(), Deadline: m.S.Deadline.D()}}
	return []Step{preview, swap}, m.home(total)
}

// Canary gives a growing share of the traffic to the new revision, while the old one stays at full strength.
func Canary(m Move) (forth, back []Step) {
	total := 0
	var match []Match
	for _, s := range m.S.Strategy.Canary.Steps {
		n := s.Instances
		if n == 0 {
			n = max(1, int(math.Ceil(float64(m.Want)*float64(s.Weight)/float64(Whole))))
		}
		match = append(match[:len(match):len(match)], s.Match...) // who was once chosen stays with the canary
		over, _, share := m.over(n, Whole-s.Weight)
		groups := append(over, Group{Revision: m.From, Instances: m.Had, Share: Whole - s.Weight - share},
			Group{Revision: m.To, Instances: n, Share: s.Weight, Match: match, Await: true})
		p := m.picture(m.Had+n+m.stood(), m.serving(), groups...)
		total = max(total, p.MaxTotal-m.Failed)
		if len(s.Tests) > 0 {
			p.Preview = m.To
		}
		forth = append(forth, Step{Name: s.Weight.String(), Picture: p, Gate: m.rung(s)})
	}
	return forth, m.home(total)
}

// rung is the gate of one step of the canary's ladder.
func (m Move) rung(s CanaryStep) Gate {
	o := m.S.Strategy.Canary
	g := Gate{Tasks: tests(s.Tests, o.TestTimeout), Bake: o.Bake.D(), Analysis: m.judged(), Approve: s.Approve, Deadline: m.S.Deadline.D()}
	if s.Bake != nil {
		g.Bake = s.Bake.D()
	}
	return g
}

// Straight goes to a revision that is known to be good, without a second canary. Like a way back it is judged by
// nothing but health. Where instances are replaced in place it keeps to that room; otherwise it swaps all at once.
func Straight(m Move) (forth, back []Step) {
	switch {
	case m.alone():
		forth, back = Exclusive(m)
	case m.S.Strategy.Rolling != nil:
		forth, back = Rolling(m)
	default:
		m.S.Strategy = Strategy{BlueGreen: &BlueGreenOptions{Bake: new(Duration)}}
		forth, back = BlueGreen(m)
		forth[0].Name, forth[0].Picture.Preview = "start", ""
	}
	for i := range forth {
		forth[i].Gate = Gate{Deadline: m.S.Deadline.D()}
	}
	return forth, back
}

// tests are harmless to run again: a controller that was killed meanwhile begins them anew.
func tests(commands [][]string, timeout Duration) (tasks []Task) {
	for i, c := range commands {
		tasks = append(tasks, Task{Name: fmt.Sprintf("test %d (%s)", i+1, c[0]), Command: c, Timeout: timeout.D(), Again: true})
	}
	return tasks
}

// load gives a load test three times as long as it takes, so that a preview that hangs ends it and not the deadline.
func load(l *LoadTest) []Task {
	if l == nil {
		return nil
	}
	return []Task{{Name: "load test", Load: l, Timeout: l.Duration.D() * 3, Again: true}}
}
