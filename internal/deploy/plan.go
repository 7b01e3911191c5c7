package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is a rollout before it begins: its steps with what they cost and take. Nothing has been changed by making it.
type Plan struct {
	Service     string `json:"service"`
	From        string `json:"from"` // empty: nothing serves yet
	FromVersion string `json:"from_version,omitempty"`
	To          string `json:"to"`
	Version     string `json:"version"`
	Supersedes  string `json:"supersedes,omitempty"` // the open rollout that this one would end

	Instances int        `json:"instances"` // that serve now
	Steps     []PlanStep `json:"steps"`
	Total     Duration   `json:"total"` // estimated; without the waiting for people
	Peak      int        `json:"peak_instances"`
	Hold      *PlanHold  `json:"hold,omitempty"` // nil: nobody has to wait

	Cost     string   `json:"cost"`
	Notes    []string `json:"notes,omitempty"`
	After    []string `json:"after"` // what follows the last step
	Back     string   `json:"back"`  // what happens when a step fails
	Estimate string   `json:"estimate"`
}

// PlanStep is one row: how the world looks once the step is reached, and what it takes.
type PlanStep struct {
	Name     string      `json:"name"`
	Groups   []PlanGroup `json:"groups"`
	Capacity float64     `json:"capacity"`  // percent of what serves now that stays healthy while the step is being reached; 0 where nothing serves
	Paid     int         `json:"instances"` // most that exist at once
	Gate     string      `json:"gate"`
	Time     Duration    `json:"time"` // estimated; without the waiting for people
	Approve  bool        `json:"approve,omitempty"`
	Held     Duration    `json:"held,omitempty"` // for so long requests wait, as far as can be told; part of Time
}

// PlanGroup is the part of one revision in a step.
type PlanGroup struct {
	Revision  string   `json:"revision"`
	Instances int      `json:"instances"`
	Traffic   float64  `json:"traffic"` // percent of the randomly assigned requests
	Match     []string `json:"match,omitempty"`
}

// What a plan assumes of what nobody has measured yet.
const (
	planStart = usualStart      // from the start of an instance until it is healthy
	planDrain = time.Second     // until requests in flight have finished
	planTest  = 5 * time.Second // one test
)

// NewPlan shows what a request would do to a service in this state. Its errors are those of Begin.
func NewPlan(s State, q Request, now time.Time) (Plan, error) {
	next, superseded, err := Begin(s, q, now)
	if err != nil {
		return Plan{}, err
	}
	r := *next.Rollout
	p := Plan{Service: r.Service, From: r.From, To: r.To, Version: q.Version, Instances: r.Home.count(r.From)}
	if superseded != nil {
		p.Supersedes = superseded.ID
	}
	before := r.Start
	for _, step := range r.Forth {
		row := planStep(step, before, p.Instances)
		p.Steps = append(p.Steps, row)
		p.Peak = max(p.Peak, row.Paid)
		p.Total += row.Time
		before = step.Picture
	}
	p.Total += Duration(planDrain)
	p.Notes, p.After, p.Back = planNotes(r), planAfter(r), planBack(r)
	p.Cost = planCost(p, r)
	if last := r.Forth[len(r.Forth)-1].Picture; last.Hold && r.From != "" {
		p.hold(r, s)
		return p, nil
	}
	p.Estimate = fmt.Sprintf("assuming that an instance is ready %s after its start, that requests finish within %s, and %s for each test; connections that stay open may add up to %s (drain_timeout) wherever instances are retired",
		seconds(planStart), seconds(planDrain), seconds(planTest), seconds(r.Rest.Drain))
	return p, nil
}

func planStep(step Step, before Picture, had int) PlanStep {
	p := step.Picture
	row := PlanStep{Name: step.Name, Paid: p.MaxTotal, Gate: step.Gate.words(), Approve: step.Gate.Approve}
	sum, starts, retires := 0, false, false
	for _, g := range p.Groups {
		sum += g.Instances
	}
	for _, g := range p.Groups {
		share := g.Share
		if share == Proportional {
			share = Whole * Share(g.Instances) / Share(sum)
		}
		row.Groups = append(row.Groups, PlanGroup{g.Revision, g.Instances, share.Percent(), matchWords(g.Match)})
		starts = starts || g.Instances > before.count(g.Revision)
	}
	for _, g := range before.Groups {
		retires = retires || g.Instances > p.count(g.Revision)
	}
	row.Paid = cmp.Or(row.Paid, sum)
	if had > 0 {
		row.Capacity = min(100, 100*float64(p.MinServing)/float64(had))
	}
	row.Time = Duration(step.Gate.expected())
	if starts {
		row.Time += Duration(planStart)
	}
	if retires {
		row.Time += Duration(planDrain)
	}
	return row
}

// expected is how long a gate holds when everything is well.
func (g Gate) expected() time.Duration {
	d := g.Bake
	for _, t := range g.Tasks {
		if t.Load != nil {
			d += t.Load.Duration.D()
		} else {
			d += planTest
		}
	}
	return d
}

// words says what a gate waits for, in the order in which it does.
func (g Gate) words() string {
	var before, after []string
	for _, t := range g.Tasks {
		before = append(before, t.words())
	}
	if g.Bake > 0 {
		after = append(after, "bake "+seconds(g.Bake))
	}
	if g.Analysis != nil {
		after = append(after, "analysis")
	}
	if g.Approve {
		after = append(after, "approval")
	}
	if len(after) == 0 {
		after = []string{"healthy"}
	}
	text := strings.Join(after, ", ")
	if len(before) > 0 {
		text += "; first: " + strings.Join(before, ", ")
	}
	return text
}

func (t Task) words() string {
	switch {
	case t.Load != nil:
		return fmt.Sprintf("load test %d/s for %s", t.Load.Rate, seconds(t.Load.Duration.D()))
	case len(t.Command) > 0:
		return "test " + strings.Join(t.Command, " ")
	}
	return t.Name
}

func matchWords(match []Match) (out []string) {
	for _, m := range match {
		kind, name := "header", m.Header
		if m.Cookie != "" {
			kind, name = "cookie", m.Cookie
		}
		if m.Value != "" {
			name += "=" + m.Value
		}
		out = append(out, kind+" "+name)
	}
	return out
}

// planNotes says what a table of numbers does not.
func planNotes(r Rollout) (notes []string) {
	var seen []string
	for i, step := range r.Forth {
		g, _ := step.Picture.group(r.To)
		for _, words := range matchWords(g.Match) {
			if !slices.Contains(seen, words) {
				seen = append(seen, words)
				notes = append(notes, fmt.Sprintf("requests with %s go to %s from step %d on", words, r.To, i+1))
			}
		}
		if step.Picture.Preview == r.To && len(step.Gate.Tasks) > 0 {
			notes = append(notes, fmt.Sprintf("the tests of step %d reach %s at its preview address, before the step gives it any traffic", i+1, r.To))
		}
	}
	return notes
}

func planAfter(r Rollout) (after []string) {
	for _, owed := range r.Owed {
		warm := fmt.Sprintf("%s of %s stay warm for %s, ready to take everything back; then they are stopped", countOf(owed.Instances), owed.Revision, seconds(owed.Delay))
		if owed.Kind == UpdateStandby {
			warm += fmt.Sprintf(" and as many of %s are kept warm, ready for the next deployment", r.To)
		}
		after = append(after, warm)
	}
	if len(after) == 0 && r.From != "" {
		after = append(after, fmt.Sprintf("what is left of %s finishes its requests and is stopped", r.From))
	}
	return append(after, fmt.Sprintf("%s serves with %s", r.To, countOf(r.Rest.count(r.To))))
}

// planBack describes the way back by what the steps leave of the revision that serves now.
func planBack(r Rollout) string {
	if r.From == "" {
		return fmt.Sprintf("nothing serves yet, so there is nothing to go back to: when a step fails, %s is stopped", r.To)
	}
	whole, overload := true, 0.
	for _, step := range r.Forth {
		whole = whole && step.Picture.count(r.From) >= r.Home.count(r.From)
		overload = max(overload, step.Picture.MaxOverload)
	}
	switch {
	case whole:
		return fmt.Sprintf("%s stands at full strength until the end: when a step fails, it takes everything back at once", r.From)
	case overload > 0:
		return fmt.Sprintf("when a step fails, %s takes back what its instances can carry (at most %.3g times their share each) at once, and the rest as the others come back", r.From, overload)
	}
	return fmt.Sprintf("when a step fails, %s takes everything back as its instances come back", r.From)
}

// planCost compares the most instances that exist at once with what runs anyway.
func planCost(p Plan, r Rollout) string {
	usual := max(p.Instances, r.Rest.count(r.To))
	least, lasts := p.Peak, p.Total.D()
	for _, step := range p.Steps {
		least = min(least, step.Paid)
	}
	for _, owed := range r.Owed {
		lasts += owed.Delay
	}
	upTo := ""
	if least < p.Peak {
		upTo = "up to "
	}
	switch more := p.Peak - usual; {
	case more <= 0:
		return "no more instances than usual"
	case p.Peak == 2*usual:
		return fmt.Sprintf("%stwice the instances (%d instead of %d) for about %s", upTo, p.Peak, usual, roughly(lasts))
	default:
		return fmt.Sprintf("%s%d more than the usual %s (%d) for about %s", upTo, more, countOf(usual), p.Peak, roughly(lasts))
	}
}

// roughly rounds an estimate to what can be meant by it.
func roughly(d time.Duration) string {
	unit := time.Second
	switch {
	case d >= time.Hour:
		unit = 5 * time.Minute
	case d >= 10*time.Minute:
		unit = time.Minute
	case d >= time.Minute:
		unit = 10 * time.Second
	}
	return Duration(d.Round(unit)).String()
}

func countOf(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}
