package source

import (
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
		broken         bool
	}{
		{"nothing known", max, nil, nil, false, false},
		{"within", max, n(0.1), nil, true, false},
		{"above", max, n(0.1000001), nil, true, true},
		{"below", min, n(-3), nil, true, true},
		{"max of 0", min, n(0.5), nil, true, true},
		{"stable unknown", ratio, n(1), nil, false, false},
		{"canary unknown", ratio, nil, n(1), false, false},
		{"as stable", ratio, n(1), n(1), true, false},
		{"just within", ratio, n(3), n(2), true, false},
		{"ratio above", ratio, n(3.2), n(2), true, true},
		{"ratio below", ratio, n(0.8), n(2), true, true},
		{"both 0", ratio, n(0), n(0), true, false},
		{"something against 0", ratio, n(1e-9), n(0), false, false},
		{"less than nothing against 0", ratio, n(-1), n(0), false, false},
		{"both negative", ratio, n(-12), n(-10), true, false},
		{"another sign", ratio, n(-12), n(10), true, true},
		{"broken whatever stable is", both, n(11), nil, true, true},
		{"not broken, and stable unknown", both, n(9), nil, false, false},
		{"within one, beyond the other", both, n(9), n(4), true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if broken, known := compare(c.s, c.canary, c.stable); known != c.known || broken != c.broken {
				t.Errorf("broken %v, known %v", broken, known)
			}
		})
	}
}
