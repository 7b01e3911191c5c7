// Package figure writes numbers as people read them, the same in a reason, a table and a receipt. It knows nobody.
package figure

import (
	"math"
	"strconv"
	"time"
)

// Count writes a number of things in groups of three digits.
func Count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// About writes a number that is an estimate, rounded up to two digits: more would say that it is known.
func About(n float64) string {
	if !(n < math.MaxInt64) {
		return "too many"
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(max(n, 1)))-1))
	return Count(uint64(math.Ceil(n/unit) * unit))
}

// Percent writes a share, in [0, 1], with as many digits as it takes to tell it from nothing.
func Percent(share float64) string {
	switch p := 100 * share; {
	case p == 0:
		return "0%"
	case p < 0.1:
		return strconv.FormatFloat(p, 'f', 3, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 2, 64) + "%"
	}
}

// Points writes a difference of shares.
func Points(share float64) string {
	text := strconv.FormatFloat(100*share, 'g', 2, 64)
	if text == "1" {
		return "1 point"
	}
	return text + " points"
}

// Evidence writes an e-value; beyond a million nobody reads digits.
func Evidence(e float64) string {
	switch {
	case e >= 1e6:
		return "over a million"
	case e >= 10:
		return Count(uint64(math.Round(e)))
	default:
		return strconv.FormatFloat(e, 'f', 1, 64)
	}
}

// Minutes writes how long something takes that cannot be foretold to the second.
func Minutes(minutes float64) string {
	switch d := time.Duration(min(minutes, 1e6) * float64(time.Minute)); {
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
