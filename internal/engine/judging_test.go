package engine

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/judge"
	"github.com/naru-deploy/naru/internal/proxy"
)

// seenAt is a proxy's word: r1 and r2 with so many requests of 10 ms each, and failures of r2.
func seenAt(epoch string, at time.Duration, r1, r2, failed uint64) (proxy.State, proxy.ServiceState) {
	meter := func(revision string, n, failed uint64) proxy.Meter {
		m := proxy.Meter{Revision: revision, Assignment: random, Claimed: n, Decided: n, Charged: failed, Faults: failed,
			Cohort: proxy.Cohort{Decided: n, Charged: failed, Faults: failed, Drawn: n, DrawnFaults: failed}}
		for range n {
			m.Latency.Add(10 * time.Millisecond)
		}
		return m
	}
	return proxy.State{Epoch: epoch, Time: time.Unix(1000, 0).Add(at)}, proxy.ServiceState{Service: "shop", Meters: []proxy.Meter{
		meter("r1", r1, 0), meter("r2", r2, failed),
		{Revision: "r2", Assignment: "preview", Decided: 1000, Charged: 1000}, // tests are no users
	}}
}

func aRollout(t *testing.T) (deploy.Rollout, deploy.Service) {
	t.Helper()
	s := deploy.Service{Instances: 2, Process: &deploy.Process{Command: []string{"./shop"}},
		Strategy: deploy.Strategy{Canary: &deploy.CanaryOptions{Steps: []deploy.CanaryStep{{Weight: 5000}, {Weight: deploy.Whole}}}}}.Normalise()
	state, _, err := deploy.Begin(deploy.State{Service: "shop", Stable: "r1", Instances: 2, Revisions: 1}, deploy.Request{To: "r2", Settings: s, By: "deploy"}, time.Unix(1000, 0))
	if err != nil {
		t.Fatal(err)
	}
	r := *state.Rollout
	r.Reached = time.Unix(1000, 0)
	return r, s
}

func judgingOf(t *testing.T, s deploy.Service, r deploy.Rollout, at proxy.State, seen proxy.ServiceState) *judging {
	t.Helper()
	l := &loop{}
	j := l.beginJudging(r, s, at, seen)
	if j == nil {
		t.Fatal("nobody judges")
	}
	return j
}

// What was counted before the rollout is held against nobody, every count after it is taken once, and a proxy that was
// started anew counts from nothing.
func TestJudgeIsToldEveryCountOnce(t *testing.T) {
	r, s := aRollout(t)
	state, seen := seenAt("a", 0, 500, 50, 50)
	j := judgingOf(t, s, r, state, seen)
	look := func(epoch string, at time.Duration, r1, r2, failed uint64) {
		state, seen := seenAt(epoch, at, r1, r2, failed)
		j.see(r, time.Unix(1000, 0).Add(at), state, seen)
		j.see(r, time.Unix(1000, 0).Add(at), state, seen) // the same word again
	}
	look("a", time.Second, 600, 150, 51)
	text := j.keep(time.Unix(2000, 0), true)
	j = &judging{}
	if err := json.Unmarshal(text, j); err != nil {
		t.Fatal(err)
	}
	look("a", 3*time.Second, 700, 250, 52)
	look("", 4*time.Second, 0, 0, 0) // the proxy cannot be reached
	look("b", 5*time.Second, 100, 100, 1)
	f := j.Judge.Analysis.Findings().Errors
	if want := (analysis.Tally{Requests: 300, Events: 3}); f.Canary != want || f.Stable != (analysis.Tally{Requests: 300}) {
		t.Errorf("canary %+v, stable %+v", f.Canary, f.Stable)
	}
	if v := j.Judge.Verdict(r, nil); v.Requests != 300 || v.Step != 0 {
		t.Errorf("%+v", v)
	}
}

// In-flight requests that grow older move from bucket to bucket; what ends leaves the gauge and stands in the histogram.
func TestAgesBecomeLatencies(t *testing.T) {
	var a, b arm
	a.Aged.Add(10 * time.Millisecond)
	b.Done.Add(50 * time.Millisecond)
	b.Decided = 1
	c := b.since(a, true)
	young, old := analysis.Bucket(10*time.Millisecond), analysis.Bucket(50*time.Millisecond)
	if c.Requests != 1 || c.Aged[young] != -1 || c.Done[old] != 1 {
		t.Errorf("%d requests, %d at 10 ms, %d done at 50 ms", c.Requests, c.Aged[young], c.Done[old])
	}
}

func TestJudgeIsStoredNowAndThen(t *testing.T) {
	var none *judging
	if none.keep(time.Unix(1000, 0), true) != nil {
		t.Error("a judge that is not there is stored")
	}
	r, s := aRollout(t)
	state, seen := seenAt("a", 0, 500, 50, 50)
	j := judgingOf(t, s, r, state, seen)
	var kept []bool
	for _, c := range []struct {
		at   time.Duration
		must bool
	}{{0, false}, {time.Second, false}, {time.Second, true}, {2 * time.Second, false}, {4 * time.Second, false}} {
		kept = append(kept, j.keep(time.Unix(1000, 0).Add(c.at), c.must) != nil)
	}
	if want := []bool{true, false, true, false, true}; !reflect.DeepEqual(kept, want) {
		t.Errorf("%v, want %v", kept, want)
	}
}

// Where no proxy could be reached when the rollout began, what one has counted before is held against nobody.
func TestCountsFromBeforeAreNobodys(t *testing.T) {
	r, s := aRollout(t)
	j := judgingOf(t, s, r, proxy.State{}, proxy.ServiceState{})
	for i, failed := range []uint64{500, 501} {
		state, seen := seenAt("a", time.Duration(i+1)*time.Second, 100_000, 1000+uint64(i)*100, failed)
		j.see(r, time.Unix(1001, 0), state, seen)
	}
	if f := j.Judge.Analysis.Findings().Errors; f.Canary != (analysis.Tally{Requests: 100, Events: 1}) {
		t.Errorf("%+v", f.Canary)
	}
}

func TestHangDeadlineFollowsStable(t *testing.T) {
	r, s := aRollout(t)
	for _, c := range []struct {
		name    string
		given   time.Duration
		latency time.Duration
		n       int
		want    time.Duration
	}{
		{"given", 7 * time.Second, time.Millisecond, 1000, 7 * time.Second},
		{"unknown yet", 0, time.Millisecond, 100, 30 * time.Second},
		{"quick", 0, time.Millisecond, 1000, hangLeast},
		{"long polls", 0, 15 * time.Second, 1000, 45 * time.Second},
		{"never above the response timeout", 0, 50 * time.Second, 1000, time.Minute},
	} {
		settings := s
		settings.Analysis.HangDeadline = deploy.Duration(c.given)
		var base analysis.Baseline
		counts := analysis.Counts{Requests: uint64(c.n), Done: make([]int32, analysis.Buckets)}
		counts.Done[analysis.Bucket(c.latency)] = int32(c.n)
		base.Add(time.Second, counts)
		j := judging{Judge: judge.Begin(r, settings.Analysis, base)}
		if got := j.hang(settings); got < c.want*97/100 || got > c.want*105/100 {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNormOfTheRevisionThatServes(t *testing.T) {
	l := &loop{state: deploy.State{Stable: "r1"}}
	now := time.Unix(1000, 0)
	look := func(epoch string, at time.Duration, r1, r2 uint64) {
		state, seen := seenAt(epoch, at, r1, r2, 0)
		l.warm(now.Add(at), state, seen)
	}
	known := func(revision string) analysis.Baseline { return l.norms.of(revision, now.Add(310*time.Second)) }
	for i := range 300 {
		look("a", time.Duration(i)*time.Second, uint64(i)*10, 0)
		look("a", time.Duration(i)*time.Second+100*time.Millisecond, uint64(i)*10+5, 0) // too soon
	}
	if b := known("r1"); b.Answered() < 1000 || b.Answered() > 3000 || math.Abs(b.Requests-b.Answered()) > 1e-6 {
		t.Errorf("%.0f requests, %.0f answered", b.Requests, b.Answered())
	}
	if b := known("r2"); b.Answered() != 0 {
		t.Error("what r1 does is said of r2")
	}
	text := l.norms.keep(now.Add(300 * time.Second))
	if text == nil || l.norms.keep(now.Add(330*time.Second)) != nil {
		t.Error("it is stored once a minute")
	}
	again := &loop{state: l.state}
	if err := again.norms.restore(text); err != nil || !reflect.DeepEqual(again.norms.of("r1", now.Add(310*time.Second)), known("r1")) {
		t.Errorf("a controller that was started anew knows something else: %v", err)
	}
	if b := again.norms.of("r1", now.Add(time.Hour)); b.Answered() != 0 {
		t.Error("what was an hour ago is said of today")
	}
	l.state.Stable = "r2"
	look("a", 301*time.Second, 0, 70)
	look("b", 303*time.Second, 0, 50) // another proxy: nothing is known of the time between
	look("b", 305*time.Second, 0, 80)
	if b := known("r2"); b.Answered() < 29 || b.Answered() > 30 {
		t.Errorf("%.1f answered, want the 30 of the second proxy", b.Answered())
	}
}
