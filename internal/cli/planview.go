package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/naru-deploy/naru/internal/deploy"
)

// width is what a terminal has at least. Tables of plain revisions fit it; what is longer is wrapped.
const width = 80

// writePlan shows a plan to people.
func writePlan(w io.Writer, p deploy.Plan) {
	fmt.Fprintf(w, "%s: %s to %s, %s, about %s\n\n", p.Service, named(p.From, p.FromVersion), named(p.To, p.Version), plural(len(p.Steps), "step"), p.Total)
	revisions := planRevisions(p)
	head := []string{"", "STEP"}
	for _, r := range revisions {
		head = append(head, strings.ToUpper(r))
	}
	head = append(head, "CAPACITY", "PAID", "TIME", "GATE")
	rows := [][]string{head}
	for i, step := range p.Steps {
		rows = append(rows, planRow(i, step, revisions))
	}
	writeTable(w, rows)
	fmt.Fprintln(w)
	if p.Supersedes != "" {
		writeItem(w, "before", "rollout "+p.Supersedes+" is superseded: its instances serve until they are replaced")
	}
	writeItem(w, "cost", p.Cost)
	for _, note := range p.Notes {
		writeItem(w, "note", note)
	}
	for _, after := range p.After {
		writeItem(w, "after", after)
	}
	writeItem(w, "back", p.Back)
	writeItem(w, "times", p.Estimate)
	writeItem(w, "columns", "of each revision its instances and its part of the traffic; CAPACITY that stays healthy while the step is being reached; PAID: most instances at once")
}

// planRevisions lists those of a plan by their age, the one that it goes to last.
func planRevisions(p deploy.Plan) (revisions []string) {
	for _, step := range p.Steps {
		for _, g := range step.Groups {
			if g.Revision != p.To && !slices.Contains(revisions, g.Revision) {
				revisions = append(revisions, g.Revision)
			}
		}
	}
	return append(slices.SortedFunc(slices.Values(revisions), byAge), p.To)
}

// byAge orders revisions by their numbers.
func byAge(a, b string) int { return cmp.Compare(deploy.Number(a), deploy.Number(b)) }

func planRow(i int, step deploy.PlanStep, revisions []string) []string {
	row := []string{fmt.Sprint(i + 1), step.Name}
	for _, r := range revisions {
		cell := "-"
		for _, g := range step.Groups {
			if g.Revision == r {
				cell = fmt.Sprintf("%d, %s", g.Instances, percent(g.Traffic))
			}
		}
		row = append(row, cell)
	}
	capacity := "-"
	if step.Capacity > 0 || step.Held > 0 {
		capacity = fmt.Sprintf("%.0f%%", step.Capacity)
	}
	time := step.Time.String()
	if step.Approve {
		time += "+"
	}
	return append(row, capacity, fmt.Sprint(step.Paid), time, step.Gate)
}

// writeTable aligns cells in columns; the last is wrapped where the line would be longer than width.
func writeTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row[:len(row)-1] {
			fmt.Fprintf(&b, "%-*s  ", widths[i], cell)
		}
		indent := utf8.RuneCountInString(b.String())
		for i, line := range wrapped(row[len(row)-1], max(24, width-indent)) {
			if i > 0 {
				b.WriteString("\n" + strings.Repeat(" ", indent))
			}
			b.WriteString(line)
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// writeItem shows a sentence under a name.
func writeItem(w io.Writer, name, text string) {
	for i, line := range wrapped(text, width-8) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(w, "%-8s%s\n", name, line)
	}
}

// writeUnder shows a sentence behind its beginning, and what does not fit the line below it.
func writeUnder(w io.Writer, lead, text string) {
	indent := utf8.RuneCountInString(lead)
	for i, line := range wrapped(text, max(24, width-indent)) {
		if i > 0 {
			lead = strings.Repeat(" ", indent)
		}
		fmt.Fprintf(w, "%s%s\n", lead, line)
	}
}

// wrapped breaks a text into lines between words.
func wrapped(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// named is a revision with its version: r2 (3.1).
func named(revision, version string) string {
	if version == "" {
		return orNothing(revision)
	}
	return fmt.Sprintf("%s (%s)", revision, version)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
