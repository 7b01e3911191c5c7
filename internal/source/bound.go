package source

import "github.com/naru-deploy/naru/internal/deploy"

// compare holds the numbers of both revisions against a source's bounds. It answers whether one is broken, and whether the
// numbers say so at all: a bound that is broken is, whatever is unknown besides. There is no ratio to 0, of which
// something is not any number of times as much; 0 beside 0 is neither better nor worse.
func compare(s deploy.Source, canary, stable *float64) (broken, known bool) {
	switch {
	case canary == nil:
		return false, false
	case s.Max != nil && *canary > *s.Max, s.Min != nil && *canary < *s.Min:
		return true, true
	case !s.Compares():
		return false, true
	case stable == nil, *stable == 0 && *canary != 0:
		return false, false
	case *stable == 0:
		return false, true
	}
	r := *canary / *stable
	return s.MaxRatio != nil && r > *s.MaxRatio || s.MinRatio != nil && r < *s.MinRatio, true
}
