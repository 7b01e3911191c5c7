package source

import (
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestCompare(t *testing.T) {
	max := deploy.Source{Max: new(0.1)}
	min := deploy.Source{Min: new(-2.0), Max: new(0.0)}
	ratio := deploy.Source{MaxRatio: new(1.5), MinRatio: new(0.5)}
	both := deploy.Source{Max: new(10.0), MaxRatio: new(2.0)}
	n := func(v float64) *float64 { return &v }
	cases := []struct {
		name           string
		s              deploy.Source
		canary, stable *float64
		known          bool
		breach         string
	}{
		{"nothing known", max, nil, nil, false, ""},
		{"within", max, n(0.1), nil, true, ""},
		{"above", max, n(0.1000001), nil, true, "0.1 is more than max, 0.1"},
		{"below", min, n(-3), nil, true, "-3 is less than min, -2"},
		{"max of 0", min, n(0.5), nil, true, "0.5 is more than max, 0"},
		{"stable unknown", ratio, n(1), nil, false, ""},
		{"canary unknown", ratio, nil, n(1), false, ""},
		{"as stable", ratio, n(1), n(1), true, ""},
		{"just within", ratio, n(3), n(2), true, ""},
		{"ratio above", ratio, n(3.2), n(2), true, "3.2 is more than 1.5 times (max_ratio) the old version's 2"},
		{"ratio below", ratio, n(0.8), n(2), true, "0.8 is less than 0.5 times (min_ratio) the old version's 2"},
		{"both 0", ratio, n(0), n(0), true, ""},
		{"something against 0", ratio, n(1e-9), n(0), true, "1e-09 is more than 1.5 times (max_ratio) the old version's 0"},
		{"less than nothing against 0", ratio, n(-1), n(0), true, "-1 is less than 0.5 times (min_ratio) the old version's 0"},
		{"both negative", ratio, n(-12), n(-10), true, ""},
		{"another sign", ratio, n(-12), n(10), true, "-12 is less than 0.5 times"},
		{"broken whatever stable is", both, n(11), nil, true, "11 is more than max, 10"},
		{"not broken, and stable unknown", both, n(9), nil, false, ""},
		{"within one, beyond the other", both, n(9), n(4), true, "9 is more than 2 times"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			breach, known := compare(c.s, c.canary, c.stable)
			if known != c.known || (breach == "") != (c.breach == "") || !strings.HasPrefix(breach, c.breach) {
				t.Errorf("got %q, known %v", breach, known)
			}
		})
	}
}
