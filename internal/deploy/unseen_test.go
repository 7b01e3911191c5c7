package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A time in which nobody could look counts for no clock, also where the clock began in the middle of it, or stood still.
func TestUnseen(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	state := under(t, canary(2, 5000, Whole))
	for _, c := range []struct {
		name            string
		entered, paused int // seconds after noon; 0: not paused
		want            int
	}{
		{"it runs", 40, 0, 640},
		{"it begins meanwhile", 300, 0, 700},
		{"it stood still before", 40, 90, 40},
		{"it stands still meanwhile", 40, 400, 340},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := *state.Rollout
			r.Entered, r.Reached, r.Sick = at(c.entered), at(c.entered), at(c.entered)
			if c.paused > 0 {
				r.PausedAt = at(c.paused)
			}
			s := state
			s.Rollout, s.Begun = &r, map[string]time.Time{"s-r2-1": at(50)}
			s = s.Unseen(at(100), at(700), "the engine was away")
			got := *s.Rollout
			for _, clock := range []time.Time{got.Entered, got.Reached, got.Sick} {
				if !clock.Equal(at(c.want)) {
					t.Errorf("%s, want %s", clock, at(c.want))
				}
			}
			if !got.FrozenAt.IsZero() || !got.Watched.Equal(at(700)) || s.Begun != nil {
				t.Errorf("frozen %s, watched %s, begun %v", got.FrozenAt, got.Watched, s.Begun)
			}
			if want := "it stood still for 10m, which counts for no deadline, no bake and no start: the engine was away"; !slices.Contains(got.Notes, want) {
				t.Errorf("%q", got.Notes)
			}
		})
	}
}

// A deadline that has passed because nothing could be started says why not.
func TestDeadlineSaysWhatHindered(t *testing.T) {
	s := under(t, canary(2, 5000, Whole))
	failed := Instance{ID: InstanceID("s", "r2", 1), Revision: "r2", Slot: 1, State: Exited, Exits: 1, Reason: "the engine has not answered in time"}
	late := noon.Add(s.Rollout.Step().Gate.Deadline + time.Second)
	r := Advance(*s.Rollout, Observation{Now: late, Instances: []Instance{failed}, Proxies: []ProxyState{{ID: "p"}}})
	if !r.Returning || !strings.HasSuffix(r.Reason, "s-r2-1 to start again: the engine has not answered in time") {
		t.Errorf("%q", r.Reason)
	}
}

// Who waits for an instance has waited all the same: a candidate is given no more time then than they have.
func TestUnseenWhileRequestsAreHeld(t *testing.T) {
	s := under(t, canary(2, 5000, Whole))
	s.Routing.Hold = true
	if got := s.Unseen(noon, noon.Add(time.Minute), "").Rollout; !got.Watched.Equal(s.Rollout.Watched) || len(got.Notes) > 0 {
		t.Errorf("%+v", got)
	}
	r := *s.Rollout
	r.Result = Aborted
	s.Rollout = &r
	if got := s.Unseen(noon, noon.Add(time.Minute), "").Rollout; !got.Entered.Equal(r.Entered) {
		t.Error("the clock of an ended rollout was moved")
	}
}
