package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// drawing is a plot in SVG. Its colours are of middle brightness and its text follows the reader's scheme, so that it can
// be read on light and on dark ground.
type drawing struct {
	b             strings.Builder
	width, height float64
}

const style = `<style>
text{font:12px system-ui,sans-serif;fill:#333}
.axis{stroke:#888;stroke-width:1}
.grid{stroke:#8884;stroke-width:1}
.title{font-size:14px;font-weight:600}
.c0{--c:#1f8a70}.c1{--c:#c2571a}.c2{--c:#7a5cc7}.c3{--c:#888}
.fill{fill:var(--c)}.soft{fill:var(--c);fill-opacity:.3}.line{stroke:var(--c);stroke-width:1.6;fill:none}
.limit{stroke:#c2571a;stroke-width:1.4;stroke-dasharray:5 4}
@media (prefers-color-scheme:dark){text{fill:#ddd}.c0{--c:#4cc3a0}.c1{--c:#ee8a4f}.c2{--c:#ab93ee}.limit{stroke:#ee8a4f}}
</style>`

func draw(width, height float64, title, description string) *drawing {
	d := &drawing{width: width, height: height}
	fmt.Fprintf(&d.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-labelledby="t d">`+"\n", width, height, width, height)
	fmt.Fprintf(&d.b, `<title id="t">%s</title><desc id="d">%s</desc>`+"\n%s\n", html.EscapeString(title), html.EscapeString(description), style)
	d.text(8, 18, "start", "title", title)
	return d
}

func (d *drawing) text(x, y float64, anchor, class, words string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(words))
}

// tall is text along an axis that goes upwards.
func (d *drawing) tall(x, y float64, words string) {
	fmt.Fprintf(&d.b, `<text transform="translate(%.1f %.1f) rotate(-90)" text-anchor="middle">%s</text>`+"\n", x, y, html.EscapeString(words))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&d.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

func (d *drawing) box(x, y, width, height float64, class string) {
	fmt.Fprintf(&d.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" class="%s"/>`+"\n", x, y, max(width, 1), height, class)
}

func (d *drawing) dot(x, y float64, class string) {
	fmt.Fprintf(&d.b, `<circle cx="%.1f" cy="%.1f" r="4" class="%s"/>`+"\n", x, y, class)
}

func (d *drawing) path(x, y []float64, class string) {
	var points []string
	for i := range x {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x[i], y[i]))
	}
	fmt.Fprintf(&d.b, `<polyline points="%s" class="%s"/>`+"\n", strings.Join(points, " "), class)
}

// key explains colours, in a row.
func (d *drawing) key(x, y float64, names ...string) {
	for i, name := range names {
		d.box(x, y-9, 10, 10, fmt.Sprintf("fill c%d", i))
		d.text(x+15, y, "start", "", name)
		x += 28 + 6.6*float64(len(name))
	}
}

func (d *drawing) end() []byte { return []byte(d.b.String() + "</svg>\n") }

// scale maps values to places.
type scale struct {
	low, high float64 // of the values
	from, to  float64 // of the places
	log       bool
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log(max(v, s.low)), math.Log(low), math.Log(high)
	}
	return s.from + (min(v, high)-low)/(high-low)*(s.to-s.from)
}
