package deploy

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// held makes revisions r1 to rN, each of which served an hour after the one before it, the last one at noon.
func held(n int) (out []Held) {
	for i := range n {
		out = append(out, Held{ID: RevisionID(i + 1), Served: true, Used: noon.Add(time.Duration(i+1-n) * time.Hour)})
	}
	return out
}

func numbers(kept map[string]Why) (out []int) {
	for id := range kept {
		out = append(out, Number(id))
	}
	slices.Sort(out)
	return out
}

func TestRetain(t *testing.T) {
	rest := State{Stable: "r9", Previous: "r8", Rest: Picture{Groups: []Group{{Revision: "r9"}}}}
	with := func(change func(*State)) State { s := rest; change(&s); return s }
	failed := held(9)
	for i := 3; i < 7; i++ { // r4 to r7 never served
		failed[i].Served = false
	}
	for _, c := range []struct {
		name  string
		state State
		keep  Keep
		held  []Held
		want  []int
	}{
		{"the last three", rest, Keep{3, Duration(time.Hour * 99)}, held(9), []int{7, 8, 9}},
		{"fewer than there may be", rest, Keep{20, Duration(time.Hour * 99)}, held(9), []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"not those that served long ago", rest, Keep{20, Duration(3 * time.Hour)}, held(9), []int{7, 8, 9}},
		{"stable and the one before it, however old", with(func(s *State) { s.Stable, s.Previous = "r2", "r1" }), Keep{2, 1}, held(9)[:3], []int{1, 2}},
		{"a pinned one takes no place", with(func(s *State) { s.Pins = []string{"r1"} }), Keep{3, Duration(4 * time.Hour)}, held(9), []int{1, 7, 8, 9}},
		{"pinned stable", with(func(s *State) { s.Pins = []string{"r9"} }), Keep{2, 1}, held(9), []int{8, 9}},
		{"failures displace nothing", rest, Keep{4, Duration(time.Hour * 99)}, failed, []int{2, 3, 8, 9}},
		{"failures have the places that are left", rest, Keep{6, Duration(time.Hour * 99)}, failed, []int{1, 2, 3, 7, 8, 9}},
		{"the last failure, which may be retried, displaces nothing", with(func(s *State) { s.Rollout = &Rollout{From: "r9", To: "r7", Result: RolledBack} }), Keep{4, Duration(time.Hour * 99)}, failed, []int{2, 3, 7, 8, 9}},
		{"what is still warm", with(func(s *State) { s.Rest.Groups = append(s.Rest.Groups, Group{Revision: "r3", Idle: true}) }), Keep{2, 1}, held(9), []int{3, 8, 9}},
		{"what is owed", with(func(s *State) { s.Obligations = []Obligation{{Revision: "r4"}} }), Keep{2, 1}, held(9), []int{4, 8, 9}},
		{"what still drains", with(func(s *State) { s.Routing.Members = []Member{{Revision: "r5"}} }), Keep{2, 1}, held(9), []int{5, 8, 9}},
		{"what may be retried", with(func(s *State) { s.Rollout = &Rollout{From: "r9", To: "r6", Result: RolledBack} }), Keep{2, 1}, held(9), []int{6, 8, 9}},
		{"a superseded revision of an open rollout", with(func(s *State) {
			s.Rollout = &Rollout{From: "r9", To: "r7", Forth: []Step{{Picture: Picture{Groups: []Group{{Revision: "r2"}}}}}}
		}), Keep{2, 1}, held(9), []int{2, 7, 8, 9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := c.state.Retain(c.keep, c.held, noon.Add(time.Minute))
			if got := numbers(kept); !slices.Equal(got, c.want) {
				t.Errorf("kept %v, want %v: %v", got, c.want, kept)
			}
		})
	}
}

// Every revision of a service that has seen much is kept for the reason that is said.
func TestRetainSaysWhy(t *testing.T) {
	s := State{Stable: "r5", Previous: "r4", Pins: []string{"r1", "r5"}, Obligations: []Obligation{{Revision: "r2"}}}
	kept := s.Retain(Keep{Revisions: 4, Age: Duration(time.Hour * 9)}, held(5), noon)
	want := map[string]Why{"r5": WhyServes, "r4": WhyPrevious, "r2": WhyNeeded, "r3": WhyRecent, "r1": WhyPinned}
	for i := range 5 {
		id := "r" + strconv.Itoa(i+1)
		if kept[id] != want[id] {
			t.Errorf("%s is kept because: %q, want %q", id, kept[id], want[id])
		}
	}
}

func TestPin(t *testing.T) {
	s := State{Service: "s"}
	was := Pin(Pin(s, "r10"), "r10")
	now := Pin(was, "r9")
	if !slices.Equal(now.Pins, []string{"r9", "r10"}) || !slices.Equal(was.Pins, []string{"r10"}) || s.Pins != nil {
		t.Errorf("%v, before %v", now.Pins, was.Pins)
	}
	_, err := Unpin(s, "r9")
	refused(t, err, "r9 of s is not pinned")
	left, err := Unpin(now, "r9")
	if err != nil || !slices.Equal(left.Pins, []string{"r10"}) || len(now.Pins) != 2 {
		t.Errorf("%v, %v", left.Pins, err)
	}
	var kinds []EventKind
	for _, e := range append(Events(s, was, noon), Events(now, left, noon)...) {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []EventKind{EventPinned, EventUnpinned}) {
		t.Errorf("%v", kinds)
	}
}
