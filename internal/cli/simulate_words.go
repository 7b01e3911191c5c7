package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
	"github.com/naru-deploy/naru/internal/simulate"
)

// elapsed writes a time of a rollout as 4.2s, 1:04.2 or 1:01:04.
func elapsed(seconds float64) string {
	tenths := int(math.Round(10 * seconds))
	switch {
	case tenths < 600:
		return fmt.Sprintf("%d.%ds", tenths/10, tenths%10)
	case tenths < 36_000:
		return fmt.Sprintf("%d:%02d.%d", tenths/600, tenths/10%60, tenths%10)
	}
	return fmt.Sprintf("%d:%02d:%02d", tenths/36_000, tenths/600%60, tenths/10%60)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// count is a number of things.
func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return figure.Count(n) + " " + noun + "s"
}

func whole64(v float64) string { return figure.Count(uint64(v)) }

// evidenceWords writes an e-value in a column.
func evidenceWords(e float64) string {
	if e >= 1e6 {
		return "> 1e6"
	}
	return figure.Evidence(e)
}

func strategyWords(s deploy.Strategy) string {
	switch {
	case s.Canary != nil:
		return fmt.Sprintf("canary in %s of %s", plural(len(s.Canary.Steps), "step"), s.Canary.Bake)
	case s.BlueGreen != nil:
		return fmt.Sprintf("blue-green with a bake of %s", s.BlueGreen.Bake)
	case s.Rolling == nil: // exclusive
		return "swap of a program that cannot run twice"
	default:
		return fmt.Sprintf("rolling update with a bake of %s", s.Rolling.Bake)
	}
}

func regressionWords(r simulate.Regression) string {
	var parts []string
	add := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	if r.Errors != nil {
		add("%s of its requests fail", *r.Errors)
	}
	switch r.Part {
	case "tail":
		add("the slowest 5%% of its requests take %s times as long", number(r.Latency))
	case "body":
		add("the fastest 90%% of its requests take %s times as long", number(r.Latency))
	default:
		if r.Latency != 0 {
			add("its requests take %s times as long", number(r.Latency))
		}
	}
	if r.Slow > 0 {
		add("%s of its requests take %s times as long", r.Slow, number(r.Times))
	}
	if r.Hang > 0 {
		add("%s of its requests are never answered", r.Hang)
	}
	text := strings.Join(parts, ", ")
	if r.After > 0 {
		text += fmt.Sprintf(", from %s after its first request on", r.After)
	}
	if r.Ramp > 0 {
		text += fmt.Sprintf(", growing for %s", r.Ramp)
	}
	return text
}

func incidentWords(i simulate.Incident) string {
	on := map[string]string{"stable": "the old version's requests", "canary": "the new version's requests"}[i.On]
	if on == "" {
		on = "all requests"
	}
	var parts []string
	if i.Errors > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s fail", i.Errors, on))
	}
	if i.Latency > 0 {
		parts = append(parts, fmt.Sprintf("%s take %s times as long", on, number(i.Latency)))
	}
	text := fmt.Sprintf("%s, from %s on", strings.Join(parts, ", "), i.At)
	if i.Lasts > 0 {
		text += fmt.Sprintf(" for %s", i.Lasts)
	}
	return text
}
