package figure

import (
	"math"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(1234567), "1,234,567"},
		{About(0), "0"}, {About(7.2), "8"}, {About(99.5), "100"}, {About(1201), "1,300"}, {About(108_537), "110,000"},
		{About(math.Inf(1)), "too many"}, {About(math.NaN()), "too many"},
		{Percent(0), "0%"}, {Percent(0.00012), "0.012%"}, {Percent(0.01), "1.00%"}, {Percent(1), "100.00%"},
		{Points(0.01), "1 point"}, {Points(0.0005), "0.05 points"}, {Points(0.5), "50 points"},
		{Evidence(1), "1.0"}, {Evidence(9.96), "10.0"}, {Evidence(199.6), "200"}, {Evidence(1e300), "over a million"},
		{Minutes(0), "1s"}, {Minutes(0.5), "30s"}, {Minutes(1.5), "2 min"}, {Minutes(180), "3 h"}, {Minutes(60 * 49), "3 days"}, {Minutes(math.Inf(1)), "months"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
