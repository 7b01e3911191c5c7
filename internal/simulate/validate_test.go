package simulate

import (
	"slices"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestValidate(t *testing.T) {
	if p := Default().Validate(); p != nil {
		t.Fatalf("the default: %v", p)
	}
	for path, change := range map[string]func(*Scenario){
		"":                       func(s *Scenario) { s.Service.Port = "none" },
		"rate":                   func(s *Scenario) { s.Rate = -1 },
		"errors":                 func(s *Scenario) { s.Errors = 1 },
		"p50":                    func(s *Scenario) { s.P50 = 0 },
		"p99":                    func(s *Scenario) { s.P99 = ms(10) },
		"limit":                  func(s *Scenario) { s.Limit = 0 },
		"seed":                   func(s *Scenario) { s.Seed = -1 },
		"drift.shape":            func(s *Scenario) { s.Drift.Shape = "tide" },
		"drift.period":           func(s *Scenario) { s.Drift.Errors = 1 },
		"drift.errors":           func(s *Scenario) { s.Drift = Drift{Period: ms(60_000), Errors: 9} },
		"incidents[0]":           func(s *Scenario) { s.Incidents = []Incident{{}} },
		"incidents[0].on":        func(s *Scenario) { s.Incidents = []Incident{{Errors: 0.1, On: "all"}} },
		"incidents[1].latency":   func(s *Scenario) { s.Incidents = []Incident{{Errors: 0.1}, {Latency: 0.01}} },
		"regressions[0]":         func(s *Scenario) { s.Regressions = []Regression{{After: ms(1)}} },
		"regressions[0].part":    func(s *Scenario) { s.Regressions = []Regression{{Hang: 1, Part: "tail"}} },
		"regressions[0].latency": func(s *Scenario) { s.Regressions = []Regression{{Latency: -2}} },
		"regressions[0].times":   func(s *Scenario) { s.Regressions = []Regression{{Latency: 2, Times: 10}} },
		"overload":               func(s *Scenario) { s.Overload = &Overload{Share: 0.1} },
		"clients.retries":        func(s *Scenario) { s.Clients.Retries = 1000 },
		"clients.every":          func(s *Scenario) { s.Clients.Every = 1 },
		"clients.charge":         func(s *Scenario) { s.Clients.Charge = "twice" },
	} {
		s := Default()
		change(&s)
		problems := s.Validate()
		if len(problems) != 1 || problems[0].Path != path || problems[0].Message == "" {
			t.Errorf("%s: %v", path, problems)
		}
	}
	s := Scenario{Service: Usual()}
	if p := s.Validate(); !slices.ContainsFunc(p, func(p deploy.Problem) bool { return p.Path == "p50" }) || len(p) != 2 {
		t.Errorf("an empty scenario: %v", p)
	}
}

func TestPortion(t *testing.T) {
	for text, want := range map[string]Portion{"0%": 0, "0.1%": 0.001, "0.005%": 0.00005, "100%": 1, "12.5%": 0.125} {
		var p Portion
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want || p.String() != text {
			t.Errorf("%s is read as %v and written as %s: %v", text, float64(p), p, err)
		}
	}
	for _, text := range []string{"", "1", "101%", "-1%", "NaN%", "1e-3%", "%", "0x1p-2%"} {
		if err := new(Portion).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
