package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"github.com/naru-deploy/naru/internal/simulate"
)

//go:embed page.tmpl
var pageText string

// page writes docs/analysis.md.
func (r *report) page() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"seconds": seconds, "share": share, "mark": func(met bool) string { return map[bool]string{true: "met", false: "**missed**"}[met] },
		"number": func(d simulate.Distribution) string { return fmt.Sprintf("%.0f (%.0f)", d.Median, d.P90) },
	}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	goals := r.goals()
	var missed []goal
	for _, g := range goals {
		if !g.Met {
			missed = append(missed, g)
		}
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		*report
		Goals, Missed []goal
	}{r, goals, missed})
	return b.Bytes(), err
}

// Words and Upper are for the page.
func (c counted) Words() string  { return c.words() }
func (m measured) Words() string { return m.words() }
