package deploy

import (
	"fmt"
	"testing"
	"time"
)

func TestStartTimes(t *testing.T) {
	s := State{Stable: "r1"}
	for _, c := range []struct {
		revision   string
		took, want time.Duration
	}{
		{"r1", time.Second, time.Second},
		{"r1", 3 * time.Second / 2, 3 * time.Second / 2},
		{"r1", 5 * time.Minute, 3 * time.Second}, // once
		{"r1", time.Second, time.Second},
		{"r2", time.Minute, time.Minute},
	} {
		if s.Starts = s.timed(c.revision, c.took); s.took(c.revision) != c.want {
			t.Errorf("%s took %s: kept %s, want %s", c.revision, c.took, s.took(c.revision), c.want)
		}
	}
	for n := range 2 * keptStarts {
		s.Starts = s.timed(fmt.Sprintf("r%d", n+3), time.Second)
	}
	if len(s.Starts) != keptStarts || s.Starts["r1"] != time.Second || s.took("r2") != usualStart {
		t.Errorf("%d are kept: %v", len(s.Starts), s.Starts)
	}
}

// The start counts from the decision, over crashes anew, and not over the time that nobody watched.
func TestStartsAreMeasured(t *testing.T) {
	at := time.Unix(1000, 0)
	seen := func(after time.Duration, state InstanceState) Observation {
		return Observation{Now: at.Add(after), Instances: []Instance{{ID: "s-r1-1", Revision: "r1", Slot: 1, State: state, Address: "a"}}}
	}
	start := []Action{Start{"s-r1-1", "r1", 1}}
	serves := Routing{Members: []Member{{ID: "s-r1-1", Revision: "r1", Address: "a", Enabled: true}}}
	s := State{Stable: "r1"}.measured(Observation{Now: at}, start)
	s = s.measured(seen(time.Second, Running), nil)
	crashed := s.measured(seen(2*time.Second, Exited), start)
	s.Routing, crashed.Routing = serves, serves
	if got := s.measured(seen(3*time.Second, Running), nil); got.Starts["r1"] != 3*time.Second || got.Begun != nil {
		t.Errorf("%v %v", got.Starts, got.Begun)
	}
	if got := crashed.measured(seen(3*time.Second, Running), nil); got.Starts["r1"] != time.Second {
		t.Errorf("after a crash %v", got.Starts)
	}
	if got := s.Resumed(at).measured(seen(time.Hour, Running), nil); len(got.Starts) > 0 {
		t.Errorf("nobody watched, and yet %v", got.Starts)
	}
}
