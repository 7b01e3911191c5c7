package judge

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
)

// number writes a number with at most three significant digits.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// latency writes a threshold as people speak of it.
func latency(d time.Duration) string {
	unit := time.Microsecond
	switch {
	case d >= 10*time.Second:
		unit = 100 * time.Millisecond
	case d >= 100*time.Millisecond:
		unit = time.Millisecond
	case d >= time.Millisecond:
		unit = 10 * time.Microsecond
	}
	return deploy.Duration(d.Round(unit)).String()
}

// requests writes a number of them.
func requests(n uint64) string {
	if n == 1 {
		return "1 request"
	}
	return figure.Count(n) + " requests"
}

func list(parts []string) string { return strings.Join(parts, "; ") }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
