package deploy

import (
	"strings"
	"testing"
	"time"
)

// alone is a service at rest whose program cannot run twice.
func alone(starts map[string]time.Duration) State {
	s := serving(1)
	s.Rest.Hold, s.Rest.HoldTimeout, s.Rest.MinServing, s.Starts = true, 10*time.Second, 0, starts
	return s
}

func TestPlanOfExclusiveSaysWhoWaits(t *testing.T) {
	p := planned(t, alone(map[string]time.Duration{"r1": 1500 * time.Millisecond}), Service{Exclusive: true, DrainTimeout: Duration(2 * time.Second)})
	if len(p.Steps) != 2 || p.Steps[0].Name != "prepare" || p.Steps[0].Capacity != 100 || p.Steps[1].Name != "swap" || p.Steps[1].Capacity != 0 || p.Peak != 1 {
		t.Fatalf("steps %+v, peak %d", p.Steps, p.Peak)
	}
	h := p.Hold
	if h == nil || h.Expected != Duration(2*time.Second) || h.Return != Duration(1500*time.Millisecond) || h.Timeout != Duration(10*time.Second) || h.Limit != Duration(5*time.Second) || h.Drain != Duration(2*time.Second) {
		t.Errorf("hold %+v", h)
	}
	if p.Total != Duration(7*time.Second) || p.Steps[1].Held != h.Expected {
		t.Errorf("total %s, held %s", p.Total, p.Steps[1].Held)
	}
	for _, want := range []string{"web cannot run twice: requests are held while r1 ends and r2 starts, about 2s", "2s (drain_timeout", "10s (stop_timeout)"} {
		if !strings.Contains(strings.Join(p.Notes, "\n"), want) {
			t.Errorf("the notes do not say %q: %q", want, p.Notes)
		}
	}
	for _, want := range []string{"when r2 is not healthy 5s after requests began to wait, r1 comes back", "before hold_timeout (10s) is over", "leaves r1 as it is"} {
		if !strings.Contains(p.Back, want) {
			t.Errorf("the way back does not say %q: %s", want, p.Back)
		}
	}
	if !strings.Contains(p.Estimate, "r2 is healthy 1.5s after its start (the last start of r1 took so long)") {
		t.Errorf("estimate: %s", p.Estimate)
	}
}

// A plan that cannot succeed says so, and what would help.
func TestPlanOfExclusiveFindsHoldTimeoutTooShort(t *testing.T) {
	p := planned(t, alone(map[string]time.Duration{"r1": 6 * time.Second}), Service{Exclusive: true})
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, "hold_timeout (10s) is too short for that: raise it to about 27s") {
		t.Errorf("notes: %s", notes)
	}
	if h := planned(t, alone(map[string]time.Duration{"r1": 9 * time.Second}), Service{Exclusive: true}).Hold; p.Hold.TooShort != "" || !strings.Contains(h.TooShort, "hold_timeout (10s) is too short: r1 takes 9s to start") {
		t.Errorf("hopeless are %q and %q, and only the second is", p.Hold.TooShort, h.TooShort)
	}
	again := planned(t, alone(map[string]time.Duration{"r1": 6 * time.Second}), Service{Exclusive: true, HoldTimeout: Duration(27 * time.Second)})
	if notes := strings.Join(again.Notes, "\n"); strings.Contains(notes, "too short") {
		t.Errorf("what the plan has proposed is not enough: %s", notes)
	}
	unknown := planned(t, alone(nil), Service{Exclusive: true})
	if !strings.Contains(unknown.Estimate, "nobody has measured it yet") {
		t.Errorf("estimate: %s", unknown.Estimate)
	}
	worker := planned(t, alone(nil), Service{Exclusive: true, Port: "none"})
	if worker.Hold != nil || !strings.Contains(strings.Join(worker.Notes, "\n"), "nobody does its work") {
		t.Errorf("a worker has nobody to hold: %+v, %q", worker.Hold, worker.Notes)
	}
}
