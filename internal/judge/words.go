package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// number writes a number with at most three significant digits.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// evidence writes an e-value; beyond a million nobody reads digits.
func evidence(e float64) string {
	switch {
	case e >= 1e6:
		return "over a million"
	case e >= 10:
		return thousands(uint64(math.Round(e)))
	default:
		return strconv.FormatFloat(e, 'f', 1, 64)
	}
}

// percent writes a share with as many digits as it takes to tell it from nothing.
func percent(share float64) string {
	p := 100 * share
	switch {
	case p == 0:
		return "0%"
	case p < 0.1:
		return strconv.FormatFloat(p, 'f', 3, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 2, 64) + "%"
	}
}

// points writes a difference of shares.
func points(share float64) string {
	text := strconv.FormatFloat(100*share, 'g', 2, 64)
	if text == "1" {
		return "1 point"
	}
	return text + " points"
}

// thousands writes a count with separators.
func thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	var parts []string
	for len(text) > 3 {
		parts = append([]string{text[len(text)-3:]}, parts...)
		text = text[:len(text)-3]
	}
	return strings.Join(append([]string{text}, parts...), ",")
}

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

// duration writes minutes.
func duration(minutes float64) string {
	switch d := time.Duration(minutes * float64(time.Minute)); {
	case minutes > 60*24*30:
		return "months"
	case d < time.Minute:
		return strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))) + "s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(math.Ceil(d.Minutes()))) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(math.Ceil(d.Hours()))) + " h"
	default:
		return strconv.Itoa(int(math.Ceil(d.Hours()/24))) + " days"
	}
}

func list(parts []string) string { return strings.Join(parts, "; ") }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
