package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/simulate"
)

// TestReport takes all figures from few short rollouts, and writes the page from them once more.
func TestReport(t *testing.T) {
	folder := t.TempDir()
	var screen bytes.Buffer
	if err := run(t.Context(), []string{"-quick", "-out", folder}, &screen); err != nil {
		t.Fatal(err)
	}
	page := read(t, folder, "analysis.md")
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Contains(page, "%!") {
		t.Errorf("a number that is none in\n%s", page)
	}
	// Every figure has its table, with a row for each thing that is measured.
	for _, says := range []string{"| errors 0.1 → 1 %, 1,000 rps | 6.5 s |", "| 0s |", "| Mann-Whitney, 1 minute |", "| everything fails for 1 minute |",
		"| 3 repeats, no affinity, all counted |", "| 1000 |", "| no request at all |", "| 75% to 100%"} {
		if !strings.Contains(page, "\n"+says) {
			t.Errorf("no row begins with %q", says)
		}
	}
	for _, plot := range []string{"delay", "wealth", "promotion", "false"} {
		if !strings.Contains(page, "(analysis/"+plot+".svg)") {
			t.Errorf("the page does not show %s", plot)
		}
		wellFormed(t, read(t, folder, "analysis/"+plot+".svg"))
	}
	if err := os.Remove(filepath.Join(folder, "analysis.md")); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-page", "-out", folder}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if again := read(t, folder, "analysis.md"); again != page {
		t.Error("the page written from the same figures is another")
	}
}

func read(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d, shapes := xml.NewDecoder(strings.NewReader(svg)), 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && (e.Name.Local == "rect" || e.Name.Local == "polyline") {
			shapes++
		}
	}
	if shapes < 3 || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("%d shapes in\n%s", shapes, svg)
	}
}

func TestOnlyOneFigure(t *testing.T) {
	var screen bytes.Buffer
	folder := t.TempDir()
	if err := run(t.Context(), []string{"-quick", "-only", "nobody", "-out", folder}, &screen); err != nil || !strings.Contains(screen.String(), "no request at all") {
		t.Errorf("%v: %s", err, screen.String())
	}
	if files, _ := os.ReadDir(folder); len(files) > 0 {
		t.Errorf("wrote %v", files)
	}
	if err := run(t.Context(), []string{"-page", "-out", folder}, io.Discard); err == nil {
		t.Error("a page of no figures")
	}
}

// TestRankTest holds the test against figures worked out by hand.
func TestRankTest(t *testing.T) {
	a := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	b := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	if z := rankTest(a, b); math.Abs(z-1.1635) > 0.001 { // U = 35 of 50, mean 25, spread 8.165
		t.Errorf("z = %.4f", z)
	}
	if z := rankTest([]float64{0, 0, 0}, []float64{0, 0}); z != 0 {
		t.Errorf("all the same: %v", z)
	}
	if z := rankTest([]float64{0, 0, 1, 1}, []float64{0, 0, 0, 0}); math.Abs(z-1.3366) > 0.001 { // U = 12 of 16, mean 8, spread 2.619
		t.Errorf("ties: %.4f", z)
	}
}

// TestWald holds the bound against figures worked out by hand: the divergence of 1 % from 0.1 %, and that of two log-normal
// distributions, which is half the square of their distance in standard deviations.
func TestWald(t *testing.T) {
	s := simulate.Default()
	s.Regressions = []simulate.Regression{{Errors: new(simulate.Portion(0.01))}}
	if got := wald(s, 50); math.Abs(got-6.54) > 0.05 {
		t.Errorf("0.1 to 1 %%: %.2f s", got)
	}
	s.Regressions = []simulate.Regression{{Latency: 1.1}}
	sigma := math.Log(3) / 2.3263478740408408
	want := math.Log(100) / (math.Log(1.1) * math.Log(1.1) / sigma / sigma / 2) / 50
	if got := wald(s, 50); math.Abs(got/want-1) > 0.02 {
		t.Errorf("10 %% slower: %.3f s, want %.3f", got, want)
	}
	s.Errors, s.Regressions = 0, []simulate.Regression{{Errors: new(simulate.Portion(1))}}
	if got := wald(s, 50); got != 0.02 {
		t.Errorf("0 to 100 %%: %v s", got)
	}
}

func TestUpper(t *testing.T) {
	for _, c := range []struct {
		counted
		want float64
	}{{counted{Yes: 0, Runs: 300}, 0.00994}, {counted{Yes: 0, Runs: 2000}, 0.0015}, {counted{Yes: 5, Runs: 100}, 0.1023}} {
		if got := c.upper(); math.Abs(got-c.want) > 0.0002 {
			t.Errorf("%d of %d: %.5f, want %.5f", c.Yes, c.Runs, got, c.want)
		}
	}
}
