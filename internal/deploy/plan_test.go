package deploy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serving is a service at rest that r1 serves with n instances.
func serving(n int) State {
	return State{Service: "web", Stable: "r1", Instances: n, Revisions: 1,
		Rest: Picture{Service: "web", Stable: "r1", MaxTotal: n, MinServing: n, Groups: []Group{{Revision: "r1", Instances: n, Share: Whole, Await: true}}}}
}

func planned(t *testing.T, s State, settings Service) Plan {
	t.Helper()
	settings.Process = &Process{Command: []string{"./web", "${VERSION}"}}
	p, err := NewPlan(s, Request{To: "r2", Settings: settings.Normalise(), Version: "2.0", By: "deploy"}, time.Unix(1000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanOfRollingShowsWhatMayBeMissing(t *testing.T) {
	bake := Duration(10 * time.Second)
	p := planned(t, serving(4), Service{Instances: 4, Strategy: Strategy{Rolling: &RollingOptions{MaxSurge: new(1), MaxUnavailable: 1, Bake: &bake}}})
	want := []PlanStep{
		{Name: "2 of 4", Groups: []PlanGroup{{"r1", 2, 50, nil}, {"r2", 2, 50, nil}}, Capacity: 75, Paid: 5, Gate: "bake 10s, analysis", Time: Duration(13 * time.Second)},
		{Name: "4 of 4", Groups: []PlanGroup{{"r2", 4, 100, nil}}, Capacity: 75, Paid: 5, Gate: "bake 10s, analysis", Time: Duration(13 * time.Second)},
	}
	if d := cmp.Diff(want, p.Steps); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	if p.Peak != 5 || p.Total != Duration(27*time.Second) {
		t.Errorf("peak %d, total %s", p.Peak, p.Total)
	}
	if !strings.Contains(p.Back, "2 times their share") {
		t.Errorf("the way back does not name the overload: %s", p.Back)
	}
}

func TestPlanOfBlueGreenShowsCostAndWhatFollows(t *testing.T) {
	p := planned(t, serving(2), Service{Instances: 2, Strategy: Strategy{BlueGreen: &BlueGreenOptions{
		Tests: [][]string{{"./check", "--all"}}, LoadTest: &LoadTest{Rate: 200, Duration: Duration(30 * time.Second)},
		Approve: true, ScaleDownDelay: Duration(10 * time.Minute), Standby: "update"}}})
	preview, swap := p.Steps[0], p.Steps[1]
	if green := preview.Groups[1]; green.Instances != 2 || green.Traffic != 0 {
		t.Errorf("green stands so before the swap: %+v", green)
	}
	if want := "approval; first: test ./check --all, load test 200/s for 30s"; preview.Gate != want || !preview.Approve {
		t.Errorf("gate %q, want %q", preview.Gate, want)
	}
	if want := Duration(planStart + planTest + 30*time.Second); preview.Time != want {
		t.Errorf("the preview takes %s, want %s", preview.Time, want)
	}
	if swap.Paid != 4 || swap.Groups[0].Traffic != 0 || swap.Groups[1].Traffic != 100 {
		t.Errorf("swap %+v", swap)
	}
	if !strings.HasPrefix(p.Cost, "twice the instances (4 instead of 2)") {
		t.Errorf("cost %q", p.Cost)
	}
	if len(p.After) != 2 || !strings.Contains(p.After[0], "warm for 10m") || !strings.Contains(p.After[0], "as many of r2") {
		t.Errorf("after %q", p.After)
	}
	if !strings.Contains(p.Back, "at once") {
		t.Errorf("back %q", p.Back)
	}
}

func TestPlanOfCanaryNamesWhoIsMatched(t *testing.T) {
	p := planned(t, serving(4), Service{Instances: 4, Strategy: Strategy{Canary: &CanaryOptions{Steps: []CanaryStep{
		{Weight: 500, Match: []Match{{Header: "X-Beta", Value: "1"}}, Tests: [][]string{{"./smoke"}}}, {Weight: Whole, Approve: true}}}}})
	if got := p.Steps[0].Groups; got[0].Traffic != 95 || got[1].Traffic != 5 || got[1].Instances != 1 {
		t.Errorf("first step %+v", got)
	}
	if p.Steps[1].Paid != 8 || p.Peak != 8 || !strings.HasPrefix(p.Cost, "up to twice") {
		t.Errorf("paid %d, peak %d, cost %q", p.Steps[1].Paid, p.Peak, p.Cost)
	}
	if all := strings.Join(p.Notes, "\n"); !strings.Contains(all, "header X-Beta=1 go to r2 from step 1") || !strings.Contains(all, "preview address") {
		t.Errorf("notes %q", p.Notes)
	}
}

func TestPlanOfTheFirstVersion(t *testing.T) {
	p := planned(t, State{Service: "web"}, Service{Instances: 3})
	if len(p.Steps) != 1 || p.From != "" || p.Steps[0].Capacity != 0 || p.Steps[0].Groups[0].Traffic != 100 {
		t.Errorf("plan %+v", p)
	}
	if p.Cost != "no more instances than usual" || !strings.Contains(p.Back, "nothing to go back to") {
		t.Errorf("cost %q, back %q", p.Cost, p.Back)
	}
}

func TestPlanDuringARolloutSupersedesIt(t *testing.T) {
	s := serving(2)
	settings := Service{Instances: 2, Process: &Process{Command: []string{"./web", "${VERSION}"}}}.Normalise()
	open, _, err := Begin(s, Request{To: "r2", Settings: settings, Version: "2.0"}, time.Unix(900, 0))
	if err != nil {
		t.Fatal(err)
	}
	before := *open.Rollout
	p, err := NewPlan(open, Request{To: "r3", Settings: settings, Version: "3.0"}, time.Unix(1000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if p.Supersedes != before.ID || p.From != "r1" {
		t.Errorf("supersedes %q from %q", p.Supersedes, p.From)
	}
	if d := cmp.Diff(before, *open.Rollout); d != "" {
		t.Errorf("making a plan has changed the state:\n%s", d)
	}
}

func TestPlanOfARemovedServiceIsRefused(t *testing.T) {
	s := serving(1)
	s.Removed = true
	var refusal *Refusal
	if _, err := NewPlan(s, Request{To: "r2"}, time.Unix(1000, 0)); !errors.As(err, &refusal) {
		t.Errorf("error %v, want a refusal", err)
	}
}
