package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/simulate"
)

// report is all figures.
type report struct {
	Runs      int       `json:"runs"`
	Quick     bool      `json:"quick,omitempty"` // the figures mean nothing
	Delays    []row     `json:"delays"`
	Late      []begun   `json:"late"`
	Healthy   []release `json:"healthy"`
	False     []counted `json:"false"`
	Incidents []counted `json:"incidents"`
	Nobody    []counted `json:"nobody"`
	Bursts    []counted `json:"bursts"`
	Margins   []counted `json:"margins"`
	Paths     []path    `json:"paths"`
}

// short is a time of a scenario: a sixtieth of it where the figures need not mean anything.
func (r *report) short(d time.Duration) time.Duration {
	if r.Quick {
		return d / 60
	}
	return d
}

// usual is a rollout with default settings.
func (r *report) usual() simulate.Scenario { return r.baking(30 * time.Second) }

// baking is a usual rollout whose steps are watched for so long.
func (r *report) baking(bake time.Duration, steps ...deploy.Share) simulate.Scenario {
	s := simulate.Default()
	if steps == nil {
		steps = []deploy.Share{500, 1000, 2500, 5000, 7500, deploy.Whole}
	}
	s.Service = simulate.Canary(5, r.short(bake), steps...)
	s.Warm = span(r.short(s.Warm.D()))
	return s
}

// five is a service whose canary stays at 5 % for hours, so that nothing but the verdict ends a run.
func (r *report) five() simulate.Scenario {
	s := r.baking(3*time.Hour, 500, deploy.Whole)
	s.Limit = span(r.short(time.Hour))
	return s
}

// write writes the page, its plots, and the figures themselves.
func (r *report) write(folder string) error {
	plots := filepath.Join(folder, "analysis")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	page, err := r.page()
	if err != nil {
		return err
	}
	for path, text := range map[string][]byte{
		filepath.Join(folder, "analysis.md"): page, filepath.Join(plots, "figures.json"): append(text, '\n'),
		filepath.Join(plots, "delay.svg"): r.delayPlot(), filepath.Join(plots, "wealth.svg"): r.wealthPlot(),
		filepath.Join(plots, "promotion.svg"): r.promotionPlot(), filepath.Join(plots, "false.svg"): r.falsePlot(),
	} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// goal is something that the method must reach.
type goal struct {
	Name, Bound, Measured string
	Met                   bool
	Only                  string // the figure that shows it
}

// goals holds the figures against what was asked of the method before it was built.
func (r *report) goals() (out []goal) {
	add := func(only, name, bound, measured string, met bool) {
		out = append(out, goal{name, bound, measured, met, only})
	}
	for _, c := range r.False[:1] {
		add("false", "false rollbacks, equal versions with drift and an incident, 1.5 million requests each", "at most 1 %", c.words(), float64(c.Yes) <= 0.01*float64(c.Runs))
	}
	for _, d := range r.Delays {
		median := d.Naru.Delay.Median
		found := 2*d.Naru.Delay.Runs > d.Naru.Runs
		if d.Goal > 0 {
			add("delay", d.Name+": median delay", "at most "+seconds(d.Goal), seconds(median), found && median <= d.Goal)
		}
		if d.Most > 0 {
			n := d.Naru.Failed.Median
			add("delay", d.Name+": failed requests of the canary, median", fmt.Sprintf("at most %.0f", d.Most), fmt.Sprintf("%.0f", n), n <= d.Most)
		}
	}
	for _, l := range r.Late[1:] {
		factor := l.Naru.Delay.Median / r.Late[0].Naru.Delay.Median
		add("late", "a regression that begins after "+l.After+": its delay over that of one present at the start", "at most 2.5", fmt.Sprintf("%.2f", factor), factor <= 2.5)
	}
	for _, h := range r.Healthy {
		switch h.Rate {
		case 1000:
			add("healthy", "a good version reaches everybody at 1,000 rps, 90 % of the runs", "at most 6m", seconds(h.Full.P90), h.Full.Runs == h.Runs && h.Full.P90 <= 360)
		case 5:
			add("healthy", "a good version reaches everybody at 5 rps, 90 % of the runs", "at most 9m and the starts of its instances", seconds(h.Full.P90), h.Full.Runs == h.Runs && h.Full.P90 <= 540+15)
		}
	}
	all := counted{}
	for _, c := range r.Incidents {
		all.Runs, all.Yes = all.Runs+c.Runs, all.Yes+c.Yes
	}
	add("incident", "a global incident in an ordinary rollout: blamed on the new version", "none of 1,000", all.words(), all.Yes == 0)
	for _, c := range r.Nobody {
		if c.Key != "rare" {
			add("nobody", c.Name+": promoted", "never", fmt.Sprintf("%d of %d", c.Yes, c.Runs), c.Yes == 0)
		}
	}
	for _, c := range r.Bursts[:burstGoals] {
		add("bursts", c.Name+": false rollbacks", "at most 1 %", c.words(), float64(c.Yes) <= 0.01*float64(c.Runs))
	}
	for _, c := range r.Margins {
		add("margin", "harm exactly at the margin, "+c.Name+": promoted", "at most 5 %", c.words(), float64(c.Yes) <= 0.05*float64(c.Runs))
	}
	return out
}

// seconds writes a time in seconds for people.
func seconds(s float64) string {
	switch {
	case s == 0:
		return "–"
	case s < 0.1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 10:
		return strconv.FormatFloat(math.Round(10*s)/10, 'f', 1, 64) + " s"
	case s < 600:
		return fmt.Sprintf("%.0f s", s)
	}
	return fmt.Sprintf("%.0f min", s/60)
}

func share(p float64) string {
	if p == 0 {
		return "0 %"
	}
	return strconv.FormatFloat(100*p, 'g', 3, 64) + " %"
}

// words is how long a method took: median and, in brackets, 90 %.
func (m measured) words() string {
	switch {
	case m.Delay.Runs == 0:
		return "never"
	case 2*m.Delay.Runs <= m.Runs:
		return fmt.Sprintf("in %s of the runs", share(float64(m.Delay.Runs)/float64(m.Runs)))
	case m.Delay.Runs < m.Runs:
		return fmt.Sprintf("%s (%s), in %s", seconds(m.Delay.Median), seconds(m.Delay.P90), share(float64(m.Delay.Runs)/float64(m.Runs)))
	}
	return fmt.Sprintf("%s (%s)", seconds(m.Delay.Median), seconds(m.Delay.P90))
}
