package cli

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/simulate"
)

// text is a flag of a type that reads itself.
type text struct {
	to interface {
		encoding.TextUnmarshaler
		fmt.Stringer
	}
}

func (t text) Set(s string) error { return t.to.UnmarshalText([]byte(s)) }
func (text) Type() string         { return "value" }

func (t text) String() string {
	if t.to == nil || reflect.ValueOf(t.to).Elem().IsZero() { // no default to show
		return ""
	}
	return t.to.String()
}

// read makes the scenario that the command line asks for: what is given by flags comes before the file's. given holds
// the values of the flags that have a place in a scenario.
func (q *simulation) read(flags *pflag.FlagSet, given simulate.Scenario, args []string) (simulate.Scenario, error) {
	s := simulate.Default()
	if len(args) == 1 {
		_, service, err := settings(q.file, args[0])
		if err != nil {
			return s, err
		}
		s.Name, s.Service = args[0], service
		s.Clients.Sticky = service.Affinity.By != "none"
	} else if flags.Changed("file") {
		return s, fmt.Errorf("say which service of %s is meant: naru simulate SERVICE -f %s", q.file, q.file)
	}
	// Nobody is there who could be asked.
	s.Service.Analysis.Sources = nil
	file, err := readScenario(q.scenario, &s)
	if err != nil {
		return s, err
	}
	for name, set := range map[string]func(){
		"rate": func() { s.Rate = given.Rate }, "errors": func() { s.Errors = given.Errors }, "p50": func() { s.P50 = given.P50 },
		"p99": func() { s.P99 = given.P99 }, "seed": func() { s.Seed = given.Seed }, "limit": func() { s.Limit = given.Limit },
		"retries": func() { s.Clients.Retries = given.Clients.Retries }} {
		if flags.Changed(name) {
			set()
		}
	}
	places := origin{flags: flags, file: file, regressions: len(s.Regressions), incidents: len(s.Incidents)}
	if err := q.add(&s, flags); err != nil {
		return s, err
	}
	if q.runs < 1 || q.runs > 100_000 {
		return s, fmt.Errorf("--runs: %d is not between 1 and 100000", q.runs)
	}
	return s, places.errors(s.Validate())
}

// add appends what the flags say is wrong with the new version, and the incidents.
func (q *simulation) add(s *simulate.Scenario, flags *pflag.FlagSet) (err error) {
	bad := q.bad
	if flags.Changed("bad-errors") {
		bad.Errors = &q.badErrors
	}
	if q.latency != "" {
		factor, part, _ := strings.Cut(q.latency, ":")
		if bad.Latency, err = strconv.ParseFloat(factor, 64); err != nil {
			return fmt.Errorf("--bad-latency: %q is not a number of times, such as 1.2 or 1.2:tail", q.latency)
		}
		bad.Part = part
	}
	if q.slow != "" {
		share, times, found := strings.Cut(q.slow, "x")
		bad.Times, err = strconv.ParseFloat(times, 64)
		if e := bad.Slow.UnmarshalText([]byte(share)); !found || e != nil || err != nil {
			return fmt.Errorf("--bad-slow: %q is not a share and a number of times, such as 2%%x10", q.slow)
		}
	}
	wrong := []string{"bad-errors", "bad-latency", "bad-slow", "bad-hang"}
	when := []string{"bad-after", "bad-ramp"}
	switch {
	case slices.ContainsFunc(wrong, flags.Changed):
		s.Regressions = append(s.Regressions, bad)
	case slices.ContainsFunc(when, flags.Changed):
		return errors.New("--bad-after and --bad-ramp say when the new version becomes bad, and nothing says how: add --bad-errors, --bad-latency, --bad-slow or --bad-hang")
	}
	for _, text := range q.incidents {
		i, err := readIncident(text)
		if err != nil {
			return fmt.Errorf("--incident: %q is not at:lasts:share, such as 10m:2m:20%%: %w", text, err)
		}
		s.Incidents = append(s.Incidents, i)
	}
	return nil
}

func readIncident(text string) (i simulate.Incident, err error) {
	parts := strings.Split(text, ":")
	if len(parts) < 3 || len(parts) > 4 {
		return i, errors.New("it has three parts, and may have :stable or :canary behind them")
	}
	for n, to := range []encoding.TextUnmarshaler{&i.At, &i.Lasts, &i.Errors} {
		if err := to.UnmarshalText([]byte(parts[n])); err != nil {
			return i, err
		}
	}
	if len(parts) == 4 {
		i.On = parts[3]
	}
	return i, nil
}

// origin knows where the values of a scenario came from.
type origin struct {
	flags                  *pflag.FlagSet
	file                   *scenarioFile // nil: none
	regressions, incidents int           // that are the file's
}

// errors says what is wrong with a scenario where the user can find it.
func (o origin) errors(problems []deploy.Problem) error {
	var lines []string
	for _, p := range problems {
		lines = append(lines, o.place(p.Path)+p.Message)
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// place names the flag or the line of the file that a path belongs to.
func (o origin) place(path string) string {
	if flag := o.flag(path); flag != "" {
		return "--" + flag + ": "
	}
	if o.file != nil {
		return o.file.place(path) + path + ": "
	}
	if path == "" {
		return ""
	}
	return "--" + path + ": " // a default that does not go with what was given
}

// flag is the one that set the value at a path; empty: none did.
func (o origin) flag(path string) string {
	list, rest, _ := strings.Cut(path, "[")
	number, key, _ := strings.Cut(rest, "]")
	at, _ := strconv.Atoi(number)
	switch key = strings.TrimPrefix(key, "."); {
	case list == "incidents" && at >= o.incidents:
		return "incident"
	case list == "regressions" && at >= o.regressions:
		return map[string]string{"latency": "bad-latency", "part": "bad-latency", "times": "bad-slow", "slow": "bad-slow", "hang": "bad-hang"}[key]
	case path == "clients.retries" && o.flags.Changed("retries"):
		return "retries"
	case rest == "" && o.flags.Changed(path):
		return path
	}
	return ""
}
