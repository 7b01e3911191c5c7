package source

import (
	"fmt"
	"strconv"

	"github.com/naru-deploy/naru/internal/deploy"
)

// compare holds the numbers of both revisions against a source's bounds. It answers in words which bound is broken, or
// nothing, and whether the numbers say so at all: a bound that is broken is, whatever is unknown besides.
func compare(s deploy.Source, canary, stable *float64) (breach string, known bool) {
	switch {
	case canary == nil:
		return "", false
	case s.Max != nil && *canary > *s.Max:
		return fmt.Sprintf("%s is more than max, %s", short(*canary), short(*s.Max)), true
	case s.Min != nil && *canary < *s.Min:
		return fmt.Sprintf("%s is less than min, %s", short(*canary), short(*s.Min)), true
	case !s.Compares():
		return "", true
	case stable == nil:
		return "", false
	}
	// Divided by 0 it is beyond every bound, as it is in the limit. 0 by 0 is NaN, which breaks none: neither is worse.
	switch r := *canary / *stable; {
	case s.MaxRatio != nil && r > *s.MaxRatio:
		return fmt.Sprintf("%s is more than %s times (max_ratio) the old version's %s", short(*canary), short(*s.MaxRatio), short(*stable)), true
	case s.MinRatio != nil && r < *s.MinRatio:
		return fmt.Sprintf("%s is less than %s times (min_ratio) the old version's %s", short(*canary), short(*s.MinRatio), short(*stable)), true
	}
	return "", true
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
