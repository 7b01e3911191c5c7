package deploy

import (
	"errors"
	"testing"
	"time"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// under is a service with an open rollout from r1 to r2.
func under(t *testing.T, s Service) State {
	t.Helper()
	state := State{Service: "s", Stable: "r1", Instances: s.Instances, Revisions: 2}
	state, _, err := Begin(state, Request{To: "r2", Version: "2", Settings: s, By: "deploy"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || refusal.Message != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestApplyRefuses(t *testing.T) {
	open := *under(t, canary(2, 5000, Whole)).Rollout
	ended, back, passed, paused := open, open.turnBack(noon, "it failed"), open, open.rest(noon, "paused")
	ended.Result, passed.Passed = Promoted, true
	for _, c := range []struct {
		name    string
		rollout Rollout
		verb    Verb
		want    string
	}{
		{"ended", ended, Promote, "rollout s-1 has ended (promoted); there is nothing to promote"},
		{"on its way back", back, Promote, "rollout s-1 is on its way back to r1 and cannot be stopped: a way back is never itself rolled back"},
		{"on its way back", back, Abort, "rollout s-1 is on its way back to r1 and cannot be stopped: a way back is never itself rolled back"},
		{"passed", passed, Abort, "rollout s-1 has passed its last gate and only drains what is left; to go back, say naru rollback s"},
		{"paused", paused, Pause, "rollout s-1 is paused already"},
		{"not paused", open, Resume, "rollout s-1 is not paused"},
		{"no such word", open, "stop", `"stop" is not a command for a rollout`},
	} {
		t.Run(c.name+" "+string(c.verb), func(t *testing.T) {
			_, err := Apply(c.rollout, Command{Verb: c.verb}, noon)
			refused(t, err, c.want)
		})
	}
}

func TestBeginRefuses(t *testing.T) {
	s := canary(2, 5000, Whole)
	open := under(t, s)
	rest := State{Service: "s", Stable: "r1", Instances: 2}
	for _, c := range []struct {
		name, to, want string
		state          State
	}{
		{"a service that goes", "r3", "s is being removed; deploy it again when it is gone", Remove(rest, noon)},
		{"what serves", "r1", "s serves r1 already", rest},
		{"where an open rollout comes from", "r1", "rollout s-1 comes from r1: to stay there, say naru abort s", open},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, superseded, err := Begin(c.state, Request{To: c.to, Settings: s}, noon)
			refused(t, err, c.want)
			if superseded != nil {
				t.Error("the open rollout was superseded by one that was refused")
			}
		})
	}
	_, err := Scale(open, 3)
	refused(t, err, "rollout s-1 is open: wait for it, or say naru abort s")
	_, err = Scale(State{Service: "s"}, 3)
	refused(t, err, "s has no revision yet: deploy one first")
}

func TestSuperseded(t *testing.T) {
	s := canary(2, 5000, Whole)
	next, old, err := Begin(under(t, s), Request{To: "r3", Version: "3.0", Settings: s}, noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if old == nil || old.Result != Aborted || old.Reason != "superseded by r3 (version 3.0)" || !old.Closed.Equal(noon.Add(time.Minute)) {
		t.Errorf("superseded: %+v", old)
	}
	if r := next.Rollout; r.ID != "s-2" || r.From != "r1" || r.To != "r3" {
		t.Errorf("%s from %s to %s", r.ID, r.From, r.To)
	}
}

func TestAbortIsNoRollback(t *testing.T) {
	l := aLife(t, strategies["canary"])
	l.ask(t, move{settings: strategies["canary"]})
	l.until(t, "a step", isAt(1, true))
	l.say(Command{Verb: Abort})
	l.until(t, "the end", ended)
	if r := l.state.Rollout; r.Result != Aborted || r.Reason != "aborted by hand" || l.state.Stable != "r1" {
		t.Errorf("%s: %s; %s is stable", r.Result, r.Reason, l.state.Stable)
	}
}

func TestPromoteSkipsOneGate(t *testing.T) {
	s := brisk(canary(2, 2500, 5000, Whole))
	s.Strategy.Canary.Bake = dur(time.Hour)
	for _, full := range []bool{false, true} {
		l := aLife(t, strategies["rolling"])
		l.ask(t, move{settings: s})
		l.until(t, "the first step", isAt(0, true))
		l.say(Command{Verb: Promote, Full: full})
		l.until(t, "the second step", isAt(1, true))
		for range 20 {
			if err := l.pass(); err != nil {
				t.Fatal(err)
			}
		}
		if open := !ended(l.state); open == full || open && l.state.Rollout.At != 1 {
			t.Errorf("full %v: open %v, at step %d", full, open, l.state.Rollout.At+1)
		}
	}
}

// TestPauseStopsTheClocks holds bake and deadline against a pause that is longer than both.
func TestPauseStopsTheClocks(t *testing.T) {
	r := *under(t, canary(2, 5000, Whole)).Rollout
	r.Reached = noon.Add(10 * time.Second)
	paused, err := Apply(r, Command{Verb: Pause}, noon.Add(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	resumed, err := Apply(paused, Command{Verb: Resume}, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if baked := noon.Add(time.Hour).Sub(resumed.Reached); baked != 10*time.Second {
		t.Errorf("has baked for %s", baked)
	}
	if since := noon.Add(time.Hour).Sub(resumed.Entered); since != 20*time.Second {
		t.Errorf("the deadline has run for %s", since)
	}
}

func TestResumed(t *testing.T) {
	s := under(t, canary(2, 5000, Whole))
	r := *s.Rollout
	r.Reached, r.Served, r.Sick = noon.Add(time.Second), true, noon.Add(time.Minute)
	s.Rollout = &r
	again := *s.Resumed(noon.Add(time.Hour)).Rollout
	if !again.Entered.Equal(noon.Add(time.Hour)) || !again.Watched.Equal(noon.Add(time.Hour)) || again.Served || !again.Sick.IsZero() {
		t.Errorf("%+v", again)
	}
	if !again.Reached.Equal(r.Reached) {
		t.Errorf("bake begins anew: %s", again.Reached)
	}
	r = r.rest(noon.Add(10*time.Second), "paused")
	paused := r.Resumed(noon.Add(time.Hour))
	if baked := paused.PausedAt.Sub(paused.Reached); baked != 9*time.Second {
		t.Errorf("paused after %s of bake", baked)
	}
	r.Result = Aborted
	if closed := r.Resumed(noon.Add(time.Hour)); !closed.Entered.Equal(r.Entered) {
		t.Error("an ended rollout was resumed")
	}
}

func TestScaleKeepsTheRoom(t *testing.T) {
	m := replace(3, rolling(3, 2, 1))
	s := State{Service: "s", Stable: "r1", Instances: 3, Rest: m.rest("r1", 3, 5)}
	for _, n := range []int{6, 1} {
		next, err := Scale(s, n)
		if err != nil {
			t.Fatal(err)
		}
		p := next.Rest
		if p.Groups[0].Instances != n || p.MaxTotal != n+2 || p.MinServing != n-1 || next.Instances != n || s.Rest.Groups[0].Instances != 3 {
			t.Errorf("%d: %+v", n, p)
		}
	}
}
