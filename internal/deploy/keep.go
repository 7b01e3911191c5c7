package deploy

import (
	"cmp"
	"slices"
	"time"
)

// Keep says how long a revision is kept that nothing needs any more. What serves, what served before it and what is
// pinned is kept in any case.
type Keep struct {
	Revisions int      `json:"revisions,omitempty" jsonschema_description:"How many revisions are kept, those that served last first." jsonschema:"default=10,minimum=2,maximum=1000"`
	Age       Duration `json:"age,omitempty" jsonschema_description:"A revision that has not served for so long goes." jsonschema:"default=90d"`
}

const maxKept = 1000

func (k Keep) normalise() Keep {
	k.Revisions = cmp.Or(k.Revisions, 10)
	k.Age = cmp.Or(k.Age, Duration(90*24*time.Hour))
	return k
}

func (k Keep) validate(p *problems) {
	if k.Revisions < 2 || k.Revisions > maxKept {
		p.add("keep.revisions", "%d revisions: the number must be from 2, because what serves and the one before it are always kept, to %d", k.Revisions, maxKept)
	}
	p.positive("keep.age", k.Age)
}

// Held is a stored revision as its keeping sees it.
type Held struct {
	ID     string
	Served bool      // it was promoted at some time
	Used   time.Time // when it last served or was to; of one that never did, when it was made
}

// Why says what a revision is kept for.
type Why string

const (
	WhyServes   Why = "serves"         // it is stable
	WhyPrevious Why = "served before"  // where naru rollback goes
	WhyNeeded   Why = "in use"         // a rollout, an obligation or an instance needs it, or naru retry would
	WhyPinned   Why = "pinned"         // by hand
	WhyRecent   Why = "among the last" // by number and age
)

// Retain says of every revision that is kept what for; one that is not in the answer may go. Pinned ones take no place
// from others. Of the rest the places go first to those that serve or are needed, then to those that have served,
// the last one first, and then to those that never did: a row of failures displaces nothing that one would go back to, nor
// does the last of them, which may be retried.
func (s State) Retain(k Keep, held []Held, now time.Time) map[string]Why {
	kept := make(map[string]Why, len(held))
	needed := s.needed()
	var rest []Held
	taken := 0
	for _, h := range held {
		if h.ID == s.Stable || h.ID == s.Previous || needed[h.ID] && h.Served {
			taken++
		}
		switch {
		case h.ID == s.Stable:
			kept[h.ID] = WhyServes
		case h.ID == s.Previous:
			kept[h.ID] = WhyPrevious
		case needed[h.ID]:
			kept[h.ID] = WhyNeeded
		case slices.Contains(s.Pins, h.ID):
		default:
			rest = append(rest, h)
		}
	}
	slices.SortStableFunc(rest, func(a, b Held) int {
		if a.Served != b.Served {
			return map[bool]int{true: -1, false: 1}[a.Served]
		}
		return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(Number(b.ID), Number(a.ID)))
	})
	for _, h := range rest {
		if taken < k.Revisions && now.Sub(h.Used) <= k.Age.D() {
			kept[h.ID] = WhyRecent
			taken++
		}
	}
	for _, h := range held {
		if _, already := kept[h.ID]; !already && slices.Contains(s.Pins, h.ID) {
			kept[h.ID] = WhyPinned
		}
	}
	return kept
}

// needed are the revisions that something of the state speaks of: pictures and ways that may still be taken, traffic as it
// is published, what is owed, and the last rollout, which may be retried.
func (s State) needed() map[string]bool {
	out := map[string]bool{}
	pictures := []Picture{s.Rest}
	if r := s.Rollout; r != nil {
		out[r.From], out[r.To] = true, true
		if r.Open() {
			pictures = append(pictures, r.Start, r.Rest, r.Home)
			for _, step := range append(slices.Clone(r.Forth), r.Back...) {
				pictures = append(pictures, step.Picture)
			}
		}
	}
	for _, p := range pictures {
		for _, g := range p.Groups {
			out[g.Revision] = true
		}
	}
	for _, m := range s.Routing.Members {
		out[m.Revision] = true
	}
	for _, split := range s.Routing.Splits {
		out[split.Revision] = true
	}
	for _, owed := range s.Obligations {
		out[owed.Revision] = true
	}
	return out
}

// Pin keeps a revision for good; pinning it twice is no mistake. That it is stored is for the caller to know.
func Pin(s State, revision string) State {
	if !slices.Contains(s.Pins, revision) {
		s.Pins = append(slices.Clone(s.Pins), revision)
		slices.SortFunc(s.Pins, func(a, b string) int { return cmp.Compare(Number(a), Number(b)) })
	}
	return s
}

// Unpin lets a revision go when its time has come. It refuses one that is not pinned.
func Unpin(s State, revision string) (State, error) {
	if !slices.Contains(s.Pins, revision) {
		return s, refuse("%s of %s is not pinned", revision, s.Service)
	}
	s.Pins = slices.DeleteFunc(slices.Clone(s.Pins), func(id string) bool { return id == revision })
	if len(s.Pins) == 0 {
		s.Pins = nil
	}
	return s, nil
}
