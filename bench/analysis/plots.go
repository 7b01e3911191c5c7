package main

import (
	"fmt"
	"math"
	"strconv"
)

// delayPlot shows for every case how long each method takes.
func (r *report) delayPlot() []byte {
	const left, top, each = 262.0, 66.0, 46.0
	height := top + each*float64(len(r.Delays)) + 44
	d := draw(820, height, "Time until a regression is found", "For each regression: Wald's bound, the median and the range from the smallest to the 90th percentile of naru, and the medians of the Mann-Whitney test and of thresholds, on a logarithmic axis of seconds.")
	d.key(left-100, 42, "naru: least, median, 90 %", "Mann-Whitney, 1 min", "thresholds, 1 min", "Wald's bound")
	x := scale{0.05, 3600, left, 800, true}
	for _, tick := range []float64{0.1, 1, 10, 60, 600, 3600} {
		d.line(x.at(tick), top-8, x.at(tick), height-40, "grid")
		d.text(x.at(tick), height-24, "middle", "", map[float64]string{0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}[tick])
	}
	d.text((left+800)/2, height-6, "middle", "", "time from the beginning of the regression (logarithmic)")
	for i, row := range r.Delays {
		y := top + each*float64(i)
		d.text(left-12, y+12, "end", "", row.Name)
		d.extent(x, y+2, row.Naru, "c0")
		d.extent(x, y+15, row.MannWhitney, "c1")
		d.extent(x, y+28, row.Threshold, "c2")
		if row.Wald > 0 {
			d.line(x.at(row.Wald), y-2, x.at(row.Wald), y+36, "line c3")
		}
	}
	return d.end()
}

// extent is a bar from the least to the 90th percentile with a dot at the median; a method that finds less than half of
// the regressions within an hour has no bar: its share stands at the end of the axis.
func (d *drawing) extent(x scale, y float64, m measured, class string) {
	if 2*m.Delay.Runs <= m.Runs {
		d.text(x.to, y+8, "end", "", fmt.Sprintf("%s found in 1 h", share(float64(m.Delay.Runs)/float64(m.Runs))))
		return
	}
	d.box(x.at(m.Delay.Min), y, x.at(m.Delay.P90)-x.at(m.Delay.Min), 8, "soft "+class)
	d.dot(x.at(m.Delay.Median), y+4, "fill "+class)
}

// wealthPlot shows the evidence of single runs.
func (r *report) wealthPlot() []byte {
	const left, right, top, bottom = 70.0, 800.0, 60.0, 330.0
	d := draw(820, 380, "Evidence of the error stream, run by run", "The e-value of the error stream over two minutes: of twelve canaries that fail 1 % instead of 0.1 %, which reach 200 and are rolled back, and of twelve good ones, which stay at about 1.")
	d.key(left, 42, "good version", "fails 1 % instead of 0.1 %")
	x, y := scale{0, pathEnd.Seconds(), left, right, false}, scale{0.1, 1000, bottom, top, true}
	for _, tick := range []float64{0.1, 1, 10, 100, 1000} {
		d.line(left, y.at(tick), right, y.at(tick), "grid")
		d.text(left-8, y.at(tick)+4, "end", "", strconv.FormatFloat(tick, 'g', -1, 64))
	}
	for tick := 0.0; tick <= pathEnd.Seconds(); tick += 20 {
		d.text(x.at(tick), bottom+18, "middle", "", fmt.Sprintf("%.0f s", tick))
	}
	d.line(left, y.at(200), right, y.at(200), "limit")
	d.text(right, y.at(200)-5, "end", "", "rolled back at 200")
	d.text((left+right)/2, 372, "middle", "", "time since the canary's first request, 5 % of 1,000 requests per second")
	d.tall(18, (top+bottom)/2, "e-value (logarithmic)")
	for _, p := range r.Paths {
		var xs, ys []float64
		for i, e := range p.Evidence {
			xs, ys = append(xs, x.at(float64(i+1))), append(ys, y.at(e))
		}
		d.path(xs, ys, "line "+map[bool]string{false: "c0", true: "c1"}[p.Bad])
	}
	return d.end()
}

// promotionPlot shows how good versions climb.
func (r *report) promotionPlot() []byte {
	const left, right, top, bottom = 70.0, 800.0, 60.0, 330.0
	d := draw(820, 380, "The way of a good version, by the number of requests", "The canary's share of the traffic against time, three runs each at 10,000, 1,000 and 5 requests per second.")
	d.key(left, 42, "10,000 rps", "1,000 rps", "5 rps")
	class := map[float64]string{10_000: "c0", 1000: "c1", 5: "c2"}
	end := 60.0
	for _, h := range r.Healthy {
		if class[h.Rate] != "" {
			end = max(end, h.Full.Max)
		}
	}
	end = math.Ceil(end/60)*60 + 60
	x, y := scale{0, end, left, right, false}, scale{0, 1, bottom, top, false}
	for _, tick := range []float64{0.05, 0.1, 0.25, 0.5, 0.75, 1} {
		d.line(left, y.at(tick), right, y.at(tick), "grid")
		d.text(left-8, y.at(tick)+4, "end", "", fmt.Sprintf("%.0f %%", 100*tick))
	}
	for tick := 0.0; tick <= end; tick += 60 {
		d.text(x.at(tick), bottom+18, "middle", "", fmt.Sprintf("%.0f min", tick/60))
	}
	d.text((left+right)/2, 372, "middle", "", "time since the rollout began, default settings: 30 s of bake in each step")
	d.tall(18, (top+bottom)/2, "the new version's share of the traffic")
	for _, h := range r.Healthy {
		if class[h.Rate] == "" {
			continue
		}
		for _, w := range h.Steps {
			xs, ys, last := []float64{x.at(0)}, []float64{y.at(0)}, 0.0
			for i := range w.At {
				xs, ys = append(xs, x.at(w.At[i]), x.at(w.At[i])), append(ys, y.at(last), y.at(w.Share[i]))
				last = w.Share[i]
			}
			d.path(xs, ys, "line "+class[h.Rate])
		}
	}
	return d.end()
}

// falsePlot shows how often equal versions are rolled back.
func (r *report) falsePlot() []byte {
	const left, right, top, each = 190.0, 720.0, 50.0, 40.0
	height := top + each*float64(len(r.False)) + 50
	d := draw(820, height, "Equal versions that are rolled back", "The share of rollouts of equal versions that each method rolls back, with drift and a global incident.")
	x := scale{0, 1, left, right, false}
	for _, tick := range []float64{0, 0.25, 0.5, 0.75, 1} {
		d.line(x.at(tick), top-8, x.at(tick), height-44, "grid")
		d.text(x.at(tick), height-28, "middle", "", fmt.Sprintf("%.0f %%", 100*tick))
	}
	d.line(x.at(0.01), top-8, x.at(0.01), height-44, "limit")
	d.text(x.at(0.01)+4, top-10, "start", "", "promised: 1 %")
	d.text((left+right)/2, height-8, "middle", "", "rollouts that are rolled back although the versions are equal")
	for i, c := range r.False {
		y := top + each*float64(i)
		rate := float64(c.Yes) / float64(c.Runs)
		d.text(left-10, y+17, "end", "", c.Name)
		d.box(left, y+4, x.at(rate)-left, 18, fmt.Sprintf("fill c%d", i))
		d.text(max(x.at(rate), x.at(0.01))+8, y+17, "start", "", fmt.Sprintf("%s (%d of %d)", share(rate), c.Yes, c.Runs))
	}
	return d.end()
}
