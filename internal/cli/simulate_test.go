package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/naru-deploy/naru/internal/simulate"
)

// scenarioOf writes a scenario file.
func scenarioOf(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "night.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimulateSaysWhatBecomesOfIt(t *testing.T) {
	for _, columns := range []string{"80", "60", "nonsense", "10"} {
		t.Setenv("COLUMNS", columns)
		got := run(t.Context(), "simulate", "--bad-errors", "50%", "--rate", "100")
		if got.status != done || got.err != "" {
			t.Fatalf("%+v", got)
		}
		for _, says := range []string{"step 5% is reached", "back to r1: ", "\nrolled back ", "after the regression began", "hurt: ", "fail"} {
			if !strings.Contains(got.out, says) {
				t.Errorf("%q is missing in\n%s", says, got.out)
			}
		}
		widest := map[string]int{"60": 60, "10": 60}[columns]
		if widest == 0 {
			widest = width
		}
		for line := range strings.Lines(got.out) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > widest {
				t.Errorf("wider than %d: %s", widest, line)
			}
		}
	}
}

func TestSimulateOneRunAsJSON(t *testing.T) {
	got := run(t.Context(), "simulate", "--rate", "100", "--limit", "20s", "--json", "--incident", "1s:2s:30%:stable", "--seed", "9")
	var answer simulated
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || got.status != done {
		t.Fatalf("%v: %+v", err, got)
	}
	r := answer.Result
	if r == nil || r.Seed != 9 || r.Outcome != "open" || r.Ended != 20 || len(r.Timeline) == 0 || r.Stable.Failed == 0 || answer.Summary != nil {
		t.Errorf("%s", got.out)
	}
	if i := answer.Scenario.Incidents; len(i) != 1 || i[0].On != "stable" || answer.Strategy.Canary == nil {
		t.Errorf("%s", got.out)
	}
}

func TestSimulateMany(t *testing.T) {
	args := []string{"simulate", "--bad-slow", "20%x20", "--rate", "100", "--limit", "1m", "--runs", "3"}
	t.Setenv("COLUMNS", "60")
	got := run(t.Context(), args...)
	for _, says := range []string{"3 simulated rollouts with seeds 1 to 3", "rolled back", "MEDIAN", "regression to verdict    3"} {
		if !strings.Contains(got.out, says) || got.status != done {
			t.Errorf("%q is missing in\n%s%s", says, got.out, got.err)
		}
	}
	for line := range strings.Lines(got.out) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 60 {
			t.Errorf("wider than 60: %s", line)
		}
	}
	var answer simulated
	asJSON := run(t.Context(), append(args, "--json")...)
	if err := json.Unmarshal([]byte(asJSON.out), &answer); err != nil || answer.Summary == nil || answer.Summary.Runs != 3 || len(answer.Results) != 3 {
		t.Errorf("%v in %s", err, asJSON.out)
	}
}

func TestSimulateTheServiceOfAFile(t *testing.T) {
	file := filepath.Join("..", "..", "examples", "social", "naru.yaml")
	got := run(t.Context(), "simulate", "social", "-f", file, "--rate", "50", "--bad-hang", "100%", "--limit", "2m", "--json")
	var answer simulated
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || got.status != done {
		t.Fatalf("%v: %+v", err, got)
	}
	if answer.Service != "social" || !answer.Scenario.Clients.Sticky || answer.Result.Verdict == nil || answer.Result.Hurt.Hung == 0 {
		t.Errorf("%s", got.out)
	}
}

// TestSimulateAScenario expects flags to come before the file, and what they add to be added.
func TestSimulateAScenario(t *testing.T) {
	path := scenarioOf(t, `# a bad night
rate: 50
errors: 0.5%
p50: 30ms
drift: {shape: walk, period: 10m, errors: 0.5}
incidents:
  - {at: 1m, lasts: 30s, latency: 3}
regressions:
  - after: 10s
    errors: 2%
clients: {retries: 3, charge: once}
`)
	got := run(t.Context(), "simulate", "--scenario", path, "--rate", "20", "--bad-latency", "1.5:tail", "--limit", "5s", "--json")
	var answer simulated
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || got.status != done {
		t.Fatalf("%v: %+v", err, got)
	}
	s := answer.Scenario
	if s.Rate != 20 || s.Errors != 0.005 || s.P99.String() != "60ms" || s.Drift.Shape != "walk" || s.Incidents[0].Latency != 3 || s.Clients.Retries != 3 {
		t.Errorf("%+v", s)
	}
	if len(s.Regressions) != 2 || *s.Regressions[0].Errors != 0.02 || s.Regressions[1].Part != "tail" {
		t.Errorf("%+v", s.Regressions)
	}
}

func TestSimulateNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		scenario string
		args     []string
		says     []string
	}{
		{"", []string{"--rate", "-5"}, []string{"--rate: "}},
		{"", []string{"--errors", "2"}, []string{`"--errors"`, "percentage"}},
		{"", []string{"--p99", "5ms"}, []string{"--p99: "}},
		{"", []string{"--p50", "80ms"}, []string{"--p99: "}},
		{"", []string{"--bad-latency", "fast"}, []string{"--bad-latency: "}},
		{"", []string{"--bad-latency", "1.2:head"}, []string{"--bad-latency: "}},
		{"", []string{"--bad-slow", "2%"}, []string{"--bad-slow: "}},
		{"", []string{"--bad-after", "5m"}, []string{"--bad-after", "--bad-errors"}},
		{"", []string{"--incident", "10m:20%"}, []string{"--incident: "}},
		{"", []string{"--incident", "10m:2m:much"}, []string{"--incident: ", "percentage"}},
		{"", []string{"--incident", "10m:2m:20%:both sides"}, []string{"--incident: "}},
		{"", []string{"--runs", "0"}, []string{"--runs: "}},
		{"", []string{"--retries", "900"}, []string{"--retries: "}},
		{"", []string{"-f", "x.yaml"}, []string{"naru simulate SERVICE"}},
		{"", []string{"--scenario", "none.yaml"}, []string{"none.yaml"}},
		{"rate: lots\n", nil, []string{"night.yaml:1:7: "}},
		{"rate: 5\nratte: 6\n", nil, []string{"night.yaml:2:1: ", "ratte"}},
		{"rate: 5\nregressions:\n- {errors: 5}\n", nil, []string{"night.yaml:3:12: ", "percentage"}},
		{"p50: 5 minutes\n", nil, []string{"night.yaml:1:6: ", "duration"}},
		{"seed: 1.5\n", nil, []string{"night.yaml:1:7: ", "whole number"}},
		{"rate:\n", nil, []string{"night.yaml:1:1: ", "no value"}},
		{"rate: 1\nrate: 2\n", nil, []string{"night.yaml:2:1: "}},
		{"a: [\n", nil, []string{"night.yaml:1:"}},
		{"", []string{"--scenario", os.DevNull}, []string{"one YAML document"}},
		{"rate: 1\nincidents:\n- {at: 5m}\n", nil, []string{"night.yaml:3:", "incidents[0]: does no harm"}},
		{"clients: {retries: 3,\n  charge: twice}\n", nil, []string{"night.yaml:2:11: ", "clients.charge"}},
		{"regressions: [{hang: 5%}]\n", []string{"--bad-latency", "-1"}, []string{"--bad-latency: "}},
		{"drift: {errors: 0.5}\n", nil, []string{"night.yaml:1:", "drift.period"}},
		{"rate: &a 5\n", nil, []string{"night.yaml:1:7: ", "anchors"}},
	} {
		args := append([]string{"simulate", "--limit", "1s"}, c.args...)
		if c.scenario != "" {
			args = append(args, "--scenario", scenarioOf(t, c.scenario))
		}
		got := run(t.Context(), args...)
		if got.status != refused || got.out != "" || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%v with %q: %+v", c.args, c.scenario, got)
		}
		for _, says := range c.says {
			if !strings.Contains(got.err, says) {
				t.Errorf("%v with %q: %q is missing in %s", c.args, c.scenario, says, got.err)
			}
		}
	}
}

// TestReferenceScenario reads the example of the reference, which has every key.
func TestReferenceScenario(t *testing.T) {
	reference, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "commands.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(reference), "A scenario file has these keys")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the reference has no example of a scenario")
	}
	s := simulate.Default()
	if _, err := readScenario(scenarioOf(t, example), &s); err != nil {
		t.Fatal(err)
	}
	if problems := s.Validate(); problems != nil {
		t.Error(problems)
	}
	all, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(string(all), -1) {
		if !regexp.MustCompile(`\b` + key[1] + `:`).MatchString(example) {
			t.Errorf("the example does not have %s", key[1])
		}
	}
}

func TestElapsed(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0.0s", 0.25: "0.3s", 59.96: "1:00.0", 61.5: "1:01.5", 3600: "1:00:00", 7325.9: "2:02:05"} {
		if got := elapsed(seconds); got != want {
			t.Errorf("%v is written as %s, want %s", seconds, got, want)
		}
	}
}
