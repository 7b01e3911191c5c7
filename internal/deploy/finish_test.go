package deploy

import (
	"testing"
	"time"
)

// drainingTo is a service whose rollout from r1 to r2 has passed its last gate, or has come back, and only drains.
func drainingTo(returning bool) State {
	settings := inTwos()
	s := State{Service: "s", Stable: "r1", Instances: 2, Rest: Picture{Service: "s"}, Revisions: 2}
	s, _, err := Begin(s, Request{To: "r2", Settings: settings, Version: "2"}, time.Unix(1, 0))
	if err != nil {
		panic(err)
	}
	s.Rollout.Passed, s.Rollout.Returning, s.Rollout.Phase = true, returning, Draining
	return s
}

func inTwos() Service {
	one := 1
	return Service{Instances: 2, MaxOverload: 2, Strategy: Strategy{Rolling: &RollingOptions{MaxSurge: &one, Bake: new(Duration)}}}
}

// What has passed its last gate is promoted, whatever is deployed while the old instances still drain: no later way back
// ends below it.
func TestDeployWhileThePromotedRolloutDrains(t *testing.T) {
	s := drainingTo(false)
	next, ended, err := Begin(s, Request{To: "r3", Settings: inTwos(), Version: "3"}, time.Unix(2, 0))
	if err != nil {
		t.Fatal(err)
	}
	if ended == nil || ended.Result != Promoted || !ended.Closed.Equal(time.Unix(2, 0)) {
		t.Errorf("the draining rollout: %+v", ended)
	}
	if next.Stable != "r2" || next.Previous != "r1" || next.Rollout.From != "r2" || next.Rollout.Home.Stable != "r2" {
		t.Errorf("from %s, home %s, stable %s, previous %s", next.Rollout.From, next.Rollout.Home.Stable, next.Stable, next.Previous)
	}
}

func TestRollbackWhileThePromotedRolloutDrains(t *testing.T) {
	s := drainingTo(false)
	next, _, err := Begin(s, Request{To: "r1", Settings: inTwos(), Version: "1", Straight: true}, time.Unix(2, 0))
	if err != nil || next.Rollout.From != "r2" || next.Rollout.To != "r1" {
		t.Errorf("%v: %+v", err, next.Rollout)
	}
}

func TestDeployWhileTheWayBackDrains(t *testing.T) {
	s := drainingTo(true)
	next, ended, err := Begin(s, Request{To: "r3", Settings: inTwos(), Version: "3"}, time.Unix(2, 0))
	if err != nil || ended == nil || ended.Result != RolledBack || next.Stable != "r1" || next.Rollout.From != "r1" {
		t.Errorf("%v: %+v, then from %s", err, ended, next.Rollout.From)
	}
	if _, _, err := Begin(s, Request{To: "r1", Settings: inTwos()}, time.Unix(2, 0)); err == nil {
		t.Error("it serves r1 already")
	}
}
