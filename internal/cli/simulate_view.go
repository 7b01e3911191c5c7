package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
	"github.com/naru-deploy/naru/internal/simulate"
)

// columns is how wide a line may be: as wide as the terminal, and between 60 and width.
func (s *shell) columns() int {
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if f, ok := s.out.(*os.File); ok && err != nil {
		if size, failed := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); failed == nil {
			n, err = int(size.Col), nil
		}
	}
	if err != nil || n == 0 {
		return width
	}
	return min(max(n, 60), width)
}

// simulationView shows what was simulated to people.
type simulationView struct {
	w     io.Writer
	width int
	s     simulate.Scenario
}

func (v simulationView) say(format string, a ...any) {
	for _, line := range wrapped(fmt.Sprintf(format, a...), v.width) {
		fmt.Fprintln(v.w, line)
	}
}

// head says what is played.
func (v simulationView) head(what string) {
	v.say("%s: %s, %s, %s requests per second of which %s fail, half of them within %s and 99%% within %s", v.s.Name, what, strategyWords(v.s.Service.Strategy),
		number(v.s.Rate), v.s.Errors, v.s.P50, v.s.P99)
	for _, r := range v.s.Regressions {
		v.say("the new version: %s", regressionWords(r))
	}
	for _, i := range v.s.Incidents {
		v.say("incident: %s", incidentWords(i))
	}
	fmt.Fprintln(v.w)
}

// result shows one run.
func (v simulationView) result(r simulate.Result) {
	v.head(fmt.Sprintf("a simulated rollout with seed %d", r.Seed))
	for _, e := range r.Timeline {
		if e.Kind == deploy.EventServing || e.Kind == deploy.EventRetired || e.Kind == deploy.EventBegun {
			continue
		}
		message := e.Message
		if e.Kind == deploy.EventRolledBack { // its reason has been said when it turned back
			message, _, _ = strings.Cut(message, ":")
		}
		for i, line := range wrapped(message, v.width-10) {
			at := ""
			if i == 0 {
				at = elapsed(e.Time)
			}
			fmt.Fprintf(v.w, "%8s  %s\n", at, line)
		}
	}
	fmt.Fprintln(v.w)
	v.say("%s", v.verdict(r))
	v.say("%s", hurtWords(r.Hurt))
	v.say("the new version was given %s and failed %s; the old one %s and %s", count(r.Canary.Requests, "request"), figure.Count(r.Canary.Failed),
		figure.Count(r.Stable.Requests), figure.Count(r.Stable.Failed))
}

// verdict is the end in one sentence.
func (v simulationView) verdict(r simulate.Result) string {
	step := ""
	if n := len(r.Steps); n > 0 {
		step = " in step " + r.Steps[n-1].Step
	}
	delay, late := r.Delay()
	switch {
	case r.Verdict != nil && late:
		return fmt.Sprintf("rolled back %s after the regression began,%s: %s", elapsed(delay), step, r.Reason)
	case r.Verdict != nil && len(v.s.Regressions) > 0:
		return fmt.Sprintf("rolled back %s after it began and before the regression did,%s: %s", elapsed(*r.Verdict), step, r.Reason)
	case r.Verdict != nil:
		return fmt.Sprintf("rolled back %s after it began,%s, although nothing is wrong with the new version: %s", elapsed(*r.Verdict), step, r.Reason)
	case r.Outcome == string(deploy.Promoted) && r.Onset != nil:
		return fmt.Sprintf("promoted %s after it began, with all that is wrong with the new version", elapsed(*r.Promoted))
	case r.Outcome == string(deploy.Promoted) && r.Full != nil:
		return fmt.Sprintf("promoted %s after it began; the new version had all the traffic after %s", elapsed(*r.Promoted), elapsed(*r.Full))
	case r.Outcome == simulate.Waits:
		return fmt.Sprintf("paused after %s: %s", elapsed(r.Ended), r.Reason)
	default:
		return fmt.Sprintf("still open after %s%s: %s", elapsed(r.Ended), step, r.Reason)
	}
}

func hurtWords(h simulate.Hurt) string {
	if h.All() == 0 {
		return "nobody was hurt"
	}
	var parts []string
	for _, p := range []struct {
		n     uint64
		words string
	}{{h.Failed, "failed and would not have on the old version"}, {h.Hung, "never answered"},
		{h.Slow, "slower than 99% of the old version's and would not have been there"}} {
		if p.n > 0 {
			parts = append(parts, figure.Count(p.n)+" "+p.words)
		}
	}
	return fmt.Sprintf("hurt: %s: %s", count(h.All(), "request"), strings.Join(parts, ", "))
}

// summary shows many runs.
func (v simulationView) summary(s simulate.Summary) {
	v.head(fmt.Sprintf("%d simulated rollouts with seeds %d to %d", s.Runs, v.s.Seed, v.s.Seed+s.Runs-1))
	for _, o := range []string{"promoted", "rolled_back", "aborted", simulate.Waits, simulate.Open} {
		if n := s.Outcomes[o]; n > 0 {
			fmt.Fprintf(v.w, "  %-12s %6s  %s\n", strings.ReplaceAll(o, "_", " "), figure.Count(uint64(n)), percent(100*float64(n)/float64(s.Runs)))
		}
	}
	for _, stream := range deploy.Streams {
		if n := s.Streams[stream]; n > 0 {
			fmt.Fprintf(v.w, "    by %-9s %6s\n", stream, figure.Count(uint64(n)))
		}
	}
	for _, one := range []struct {
		n     int
		words string
	}{{s.Doubtful, "passed a step without enough evidence"}, {s.Back, "took a step back for a while"},
		{s.Frozen, "stood still for a while, because something spoke against it or the old version suffered"}} {
		if one.n > 0 {
			v.say("%s %s", figure.Count(uint64(one.n)), one.words)
		}
	}
	fmt.Fprintf(v.w, "\n  %-21s%5s%8s%8s%8s%8s\n", "", "RUNS", "MIN", "MEDIAN", "P90", "MAX")
	v.row("regression to verdict", s.Delay, elapsed)
	v.row("verdict", s.Verdict, elapsed)
	v.row("all traffic", s.Full, elapsed)
	v.row("promoted", s.Promoted, elapsed)
	v.row("requests to the new", s.Requests, whole64)
	v.row("of them failed", s.Failed, whole64)
	v.row("requests hurt", s.Hurt, whole64)
	v.row("most evidence", s.Evidence, evidenceWords)
}

func (v simulationView) row(name string, d simulate.Distribution, words func(float64) string) {
	if d.Runs > 0 {
		fmt.Fprintf(v.w, "  %-21s%5d%8s%8s%8s%8s\n", name, d.Runs, words(d.Min), words(d.Median), words(d.P90), words(d.Max))
	}
}
