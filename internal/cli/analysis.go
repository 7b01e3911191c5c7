package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
)

// writeAnalysis shows what the analysis says now, stream by stream.
func writeAnalysis(w io.Writer, from, to string, figures []deploy.Figure) {
	if len(figures) == 0 {
		return
	}
	rows := [][]string{append([]string{"  ANALYSIS"}, analysisHead(from, to)...)}
	for _, f := range figures {
		rows = append(rows, append([]string{"  " + subject(f)}, analysisRow(f)...))
	}
	writeTable(w, rows)
}

func analysisHead(from, to string) []string {
	return []string{to + ", NEW", orNothing(from) + ", OLD", "AGAINST", "WORSE BY AT MOST"}
}

func analysisRow(f deploy.Figure) []string {
	return []string{counted(f, f.Canary), rate(f, f.Stable), against(f), atMost(f)}
}

// writeFigures shows the figures of every step of a rollout that is over.
func writeFigures(w io.Writer, r deploy.Receipt) {
	rows := [][]string{append([]string{"  ANALYSIS"}, analysisHead(r.From, r.To)...)}
	for _, j := range r.Analysis {
		rows = append(rows, []string{"  step " + j.Step + ":", "", "", "", ""})
		for _, f := range j.Figures {
			rows = append(rows, append([]string{"  " + subject(f)}, analysisRow(f)...))
		}
	}
	if len(rows) > 1 {
		fmt.Fprintln(w)
		writeTable(w, rows)
	}
}

// evidenceOf is what each stream has against the canary, in a line.
func evidenceOf(figures []deploy.Figure) string {
	var parts, seen []string
	for _, f := range figures {
		if f.Limit > 0 && !slices.Contains(seen, f.Stream+f.Event) && (f.Stream != deploy.StreamLatency || !slices.Contains(seen, f.Stream)) {
			parts = append(parts, f.Stream+" "+against(f)) // the quantiles of latency have one evidence together
		}
		seen = append(seen, f.Stream, f.Stream+f.Event)
	}
	return strings.Join(parts, ", ")
}

// subject names what a figure is about.
func subject(f deploy.Figure) string {
	switch {
	case f.Unit == "": // a source
		return f.Stream
	case f.Tail != "":
		return short(f.Event) + " (" + f.Tail + ")"
	case f.Bound != nil:
		return fmt.Sprintf("%s, max %s", short(f.Event), percent(*f.Bound))
	}
	return short(f.Event)
}

// short leaves out what the column says.
func short(event string) string { return strings.Replace(event, "slower than", "over", 1) }

func rate(f deploy.Figure, r *deploy.Reading) string {
	switch {
	case r == nil:
		return "-"
	case f.Unit == "":
		return strconv.FormatFloat(r.Value, 'g', 4, 64)
	}
	return figure.Percent(r.Value / 100)
}

// counted is a rate and over how many requests it was measured.
func counted(f deploy.Figure, r *deploy.Reading) string {
	if r == nil || f.Unit == "" {
		return rate(f, r)
	}
	return rate(f, r) + " of " + figure.Count(r.Requests)
}

// against is the evidence against the canary: an e-value and the one at which it is rolled back.
func against(f deploy.Figure) string {
	switch {
	case f.Limit == 0:
		return "-"
	case f.Evidence >= 1e6:
		return fmt.Sprintf(">1e6/%.0f", f.Limit)
	case f.Evidence >= 10:
		return fmt.Sprintf("%.0f/%.0f", f.Evidence, f.Limit)
	}
	return fmt.Sprintf("%.1f/%.0f", f.Evidence, f.Limit)
}

// atMost is the harm that is excluded, and what it takes to exclude the one that is asked about.
func atMost(f deploy.Figure) string {
	points := func(v float64) string { return strconv.FormatFloat(v, 'g', 2, 64) + " points" }
	switch {
	case f.Enough == 0:
		return "-"
	case f.Clearance >= f.Enough:
		return points(f.Margin) + ", as asked"
	}
	text := "not known yet"
	if f.Excluded != nil {
		text = points(*f.Excluded)
	}
	text += fmt.Sprintf(", asked %.2g", f.Margin)
	if f.MoreRequests != nil {
		text += fmt.Sprintf(": %s more requests", figure.About(float64(*f.MoreRequests)))
		if f.MoreMinutes != nil {
			text += ", " + figure.Minutes(*f.MoreMinutes)
		}
	}
	return text
}

// writeJudgements shows what the analysis said of every step; not once more what stands above.
func writeJudgements(w io.Writer, all []deploy.Judgement, above []string) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := [][]string{{"  STEP", "VERDICT", "ON WHAT"}}
	for _, j := range all {
		reason := j.Reason
		if slices.ContainsFunc(above, func(said string) bool { return strings.Contains(said, reason) }) {
			reason = "as said above"
		}
		rows = append(rows, []string{"  " + j.Step, string(j.Outcome), reason})
	}
	writeTable(w, rows)
}
