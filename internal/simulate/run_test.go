package simulate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/deploy"
)

// brief is a scenario of few requests and short steps, so that a test may play many.
func brief() Scenario {
	s := Default()
	s.Service = Canary(4, 3*time.Second, 1000, 5000, deploy.Whole)
	s.Rate, s.Warm, s.Start, s.Limit = 200, ms(60_000), ms(1000), ms(600_000)
	return s
}

func broken(s Scenario) Scenario {
	s.Regressions = []Regression{{Errors: new(Portion(1))}}
	return s
}

func TestSameSeedSameResult(t *testing.T) {
	s := brief()
	s.Drift = Drift{Shape: "walk", Period: ms(60_000), Errors: 1, Latency: 0.2, Rate: 0.2}
	s.Clients = Clients{Retries: 2, Stuck: 1}
	s.Seed = 40
	results, err := Runs(t.Context(), s, 6)
	if err != nil || len(results) != 6 {
		t.Fatal(len(results), err)
	}
	for i, r := range results {
		again := Run(s, 40+i, nil)
		again.Timeline, again.Figures = nil, nil
		if d := cmp.Diff(r, again); d != "" {
			t.Errorf("seed %d is played differently the second time:\n%s", 40+i, d)
		}
	}
	if results[0].Canary == results[1].Canary && results[1].Canary == results[2].Canary {
		t.Error("three seeds, one result")
	}
}

func TestStrategies(t *testing.T) {
	bake := new(deploy.Duration(3 * time.Second))
	for name, strategy := range map[string]deploy.Strategy{
		"canary":     brief().Service.Strategy,
		"approval":   {Canary: &deploy.CanaryOptions{Bake: bake, Steps: []deploy.CanaryStep{{Weight: 5000, Approve: true, Tests: [][]string{{"check"}}}, {Weight: deploy.Whole}}}},
		"rolling":    {Rolling: &deploy.RollingOptions{Bake: bake}},
		"blue-green": {BlueGreen: &deploy.BlueGreenOptions{Bake: bake, Tests: [][]string{{"check"}}, Approve: true}},
	} {
		s := brief()
		s.Service = deploy.Service{Instances: 4, Strategy: strategy}.Normalise()
		good := Run(s, 1, nil)
		if good.Outcome != "promoted" || good.Full == nil || good.Promoted == nil || good.Hurt.All() != 0 || good.Held > 1 {
			t.Errorf("%s: %+v", name, good)
		}
		if left := good.Steps[len(good.Steps)-1].Left; left == nil || *left != *good.Promoted {
			t.Errorf("%s: the last step is %+v, promoted after %v", name, good.Steps[len(good.Steps)-1], *good.Promoted)
		}
		bad := Run(broken(s), 1, nil)
		delay, ok := bad.Delay()
		if bad.Outcome != "rolled_back" || !ok || delay > 10 || bad.Hurt.Failed == 0 || bad.Reason == "" || bad.Full != nil && name != "blue-green" {
			t.Errorf("%s, broken: %+v", name, bad)
		}
		if bad.Onset == nil || *bad.Onset < s.Start.D().Seconds() {
			t.Errorf("%s: users came before an instance was healthy: %v", name, bad.Onset)
		}
		if last := bad.Timeline[len(bad.Timeline)-1]; last.Kind != deploy.EventRolledBack {
			t.Errorf("%s, broken: the last event is %+v", name, last)
		}
	}
}

func TestNobodyComes(t *testing.T) {
	s := brief()
	s.Rate = 0
	if r := Run(s, 1, nil); r.Outcome != Waits || r.Promoted != nil || r.Onset != nil || !strings.Contains(r.Reason, "no request") {
		t.Errorf("%+v", r)
	}
}

// TestLate expects a regression to be counted from its own beginning, and not to be found when it never comes.
func TestLate(t *testing.T) {
	s := broken(brief())
	s.Service = Canary(4, time.Minute, 1000, deploy.Whole)
	s.Regressions[0].After = ms(20_000)
	r := Run(s, 1, nil)
	if delay, ok := r.Delay(); r.Onset == nil || *r.Onset < 20 || *r.Onset > 25 || !ok || delay <= 0 || delay > 10 {
		t.Errorf("%+v", r)
	}
	s.Regressions[0].After = deploy.Duration(time.Hour)
	if r := Run(s, 1, nil); r.Outcome != "promoted" || r.Onset != nil {
		t.Errorf("%+v", r)
	}
}

// TestWatch adds up what is shown, and ends a run in the middle.
func TestWatch(t *testing.T) {
	var requests, failed uint64
	shares := map[float64]bool{}
	s := brief()
	s.Errors = 0.01
	r := Run(s, 1, func(m Moment) bool {
		requests += m.Canary.Requests + m.Stable.Requests
		failed += m.Canary.Failed + m.Stable.Failed
		shares[m.Share] = true
		return true
	})
	if all := r.Canary.Requests + r.Stable.Requests; requests > all || requests < all-200 || failed != r.Canary.Failed+r.Stable.Failed {
		t.Errorf("%d requests and %d failures were shown of %d and %d", requests, failed, all, r.Canary.Failed+r.Stable.Failed)
	}
	if !shares[0] || !shares[0.1] || !shares[0.5] || !shares[1] {
		t.Errorf("shares %v", shares)
	}
	r = Run(s, 1, func(m Moment) bool { return m.At < 5*time.Second })
	if r.Outcome != Open || r.Ended != 5 {
		t.Errorf("%+v", r)
	}
}

func TestInterrupted(t *testing.T) {
	n, err := Each(t.Context(), 100, func(i int) int { return i * i })
	if err != nil || len(n) != 100 || n[99] != 99*99 {
		t.Errorf("%v %v", n, err)
	}
	r, err := Runs(cancelled(t), brief(), 50)
	if err == nil || len(r) > 0 {
		t.Errorf("%d results, %v", len(r), err)
	}
}
