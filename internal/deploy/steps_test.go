package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// text writes steps down as the tests below expect them: groups with their instances and shares (~ is proportional,
// * is awaited), room and floor, what the gate asks for.
func text(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s:", s.Name)
		for _, g := range s.Picture.Groups {
			share := strings.Replace(g.Share.String(), "proportional", "~", 1)
			fmt.Fprintf(&b, " %s %d %s", g.Revision, g.Instances, share)
			if g.Await {
				b.WriteString("*")
			}
			for _, m := range g.Match {
				fmt.Fprintf(&b, " (%s%s)", m.Header, m.Cookie)
			}
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " at most %d, at least %d;%s\n", s.Picture.MaxTotal, s.Picture.MinServing, conditions(s.Gate))
	}
	return b.String()
}

func conditions(g Gate) string {
	var b strings.Builder
	for _, task := range g.Tasks {
		fmt.Fprintf(&b, " %s,", task.Name)
	}
	fmt.Fprintf(&b, " bake %s", Duration(g.Bake))
	if g.Analysis != nil {
		b.WriteString(", analysis")
	}
	if g.Approve {
		b.WriteString(", approval")
	}
	return b.String()
}

// usual is a service as a file with nothing but a strategy makes it.
func usual(instances int, s Strategy) Service {
	return Service{Instances: instances, Strategy: s}.Normalise()
}

func rolling(instances, surge, missing int) Service {
	return usual(instances, Strategy{Rolling: &RollingOptions{MaxSurge: &surge, MaxUnavailable: missing}})
}

func canary(instances int, weights ...Share) Service {
	o := &CanaryOptions{}
	for _, w := range weights {
		o.Steps = append(o.Steps, CanaryStep{Weight: w})
	}
	return usual(instances, Strategy{Canary: o})
}

func replace(had int, s Service) Move {
	return Move{Service: "s", From: "r1", To: "r2", Had: had, Left: had, Want: s.Instances, Enough: had, S: s}
}

func TestSteps(t *testing.T) {
	shop := usual(3, Strategy{BlueGreen: &BlueGreenOptions{Tests: [][]string{{"./check.sh"}}, Approve: true,
		LoadTest: &LoadTest{Rate: 200, Duration: Duration(30 * time.Second)}, Bake: dur(5 * time.Minute)}})
	targeted := canary(4, 500, 2500, Whole)
	targeted.Strategy.Canary.Steps[0].Match = []Match{{Header: "X-Beta"}}
	targeted.Strategy.Canary.Steps[0].Tests = [][]string{{"./smoke"}}
	targeted.Strategy.Canary.Steps[1].Match = []Match{{Cookie: "beta"}}
	targeted.Strategy.Canary.Steps[1].Approve = true
	targeted.Strategy.Canary.Steps[1].Instances = 2
	targeted.Strategy.Canary.Steps[1].Bake = dur(time.Hour)

	first := replace(0, shop)
	first.From = ""
	worker := rolling(2, 1, 0)
	worker.Port = "none"

	for _, c := range []struct {
		name string
		move Move
		want string
	}{
		{"the chat: five instances, one at a time", replace(5, usual(5, Strategy{})), `
1 of 5: r1 4 ~, r2 1 ~*, at most 6, at least 5; bake 5s, analysis
2 of 5: r1 3 ~, r2 2 ~*, at most 6, at least 5; bake 5s, analysis
3 of 5: r1 2 ~, r2 3 ~*, at most 6, at least 5; bake 5s, analysis
4 of 5: r1 1 ~, r2 4 ~*, at most 6, at least 5; bake 5s, analysis
5 of 5: r2 5 ~*, at most 6, at least 5; bake 5s, analysis
back: r1 5 100%*, at most 6, at least 5; bake 0s
`},
		{"the shop: green is tested beside blue, then everything at once", replace(3, shop), `
preview: r1 3 100%, r2 3 0%*, at most 6, at least 3; test 1 (./check.sh), load test, bake 0s, approval
swap: r1 3 0%, r2 3 100%*, at most 6, at least 3; bake 5m, analysis
back: r1 3 100%*, at most 6, at least 3; bake 0s
`},
		{"the social network: 5, 10, 25, 50, 75, 100 %", replace(20, canary(20, 500, 1000, 2500, 5000, 7500, Whole)), `
5%: r1 20 95%, r2 1 5%*, at most 21, at least 20; bake 30s, analysis
10%: r1 20 90%, r2 2 10%*, at most 22, at least 20; bake 30s, analysis
25%: r1 20 75%, r2 5 25%*, at most 25, at least 20; bake 30s, analysis
50%: r1 20 50%, r2 10 50%*, at most 30, at least 20; bake 30s, analysis
75%: r1 20 25%, r2 15 75%*, at most 35, at least 20; bake 30s, analysis
100%: r1 20 0%, r2 20 100%*, at most 40, at least 20; bake 30s, analysis
back: r1 20 100%*, at most 40, at least 20; bake 0s
`},
		{"rolling two at a time", replace(5, rolling(5, 2, 0)), `
2 of 5: r1 3 ~, r2 2 ~*, at most 7, at least 5; bake 5s, analysis
4 of 5: r1 1 ~, r2 4 ~*, at most 7, at least 5; bake 5s, analysis
5 of 5: r2 5 ~*, at most 7, at least 5; bake 5s, analysis
back: r1 5 100%*, at most 7, at least 5; bake 0s
`},
		{"rolling in place: no room for more", replace(3, rolling(3, 0, 1)), `
1 of 3: r1 2 ~, r2 1 ~*, at most 3, at least 2; bake 5s, analysis
2 of 3: r1 1 ~, r2 2 ~*, at most 3, at least 2; bake 5s, analysis
3 of 3: r2 3 ~*, at most 3, at least 2; bake 5s, analysis
back: r1 3 100%*, at most 3, at least 2; bake 0s
`},
		{"rolling with both", replace(5, rolling(5, 1, 1)), `
2 of 5: r1 3 ~, r2 2 ~*, at most 6, at least 4; bake 5s, analysis
4 of 5: r1 1 ~, r2 4 ~*, at most 6, at least 4; bake 5s, analysis
5 of 5: r2 5 ~*, at most 6, at least 4; bake 5s, analysis
back: r1 5 100%*, at most 6, at least 4; bake 0s
`},
		{"rolling all at once", replace(2, rolling(2, 0, 2)), `
2 of 2: r2 2 ~*, at most 2, at least 0; bake 5s, analysis
back: r1 2 100%*, at most 2, at least 0; bake 0s
`},
		{"rolling to more instances", replace(2, rolling(4, 1, 0)), `
1 of 4: r1 1 ~, r2 1 ~*, at most 5, at least 2; bake 5s, analysis
2 of 4: r2 2 ~*, at most 5, at least 2; bake 5s, analysis
3 of 4: r2 3 ~*, at most 5, at least 2; bake 5s, analysis
4 of 4: r2 4 ~*, at most 5, at least 2; bake 5s, analysis
back: r1 2 100%*, at most 5, at least 2; bake 0s
`},
		{"rolling to fewer instances", replace(4, rolling(2, 1, 0)), `
1 of 2: r1 3 ~, r2 1 ~*, at most 5, at least 2; bake 5s, analysis
2 of 2: r2 2 ~*, at most 5, at least 2; bake 5s, analysis
back: r1 4 100%*, at most 5, at least 4; bake 0s
`},
		{"a canary for chosen users first", replace(4, targeted), `
5%: r1 4 95%, r2 1 5%* (X-Beta), at most 5, at least 4; test 1 (./smoke), bake 30s, analysis
25%: r1 4 75%, r2 2 25%* (X-Beta) (beta), at most 6, at least 4; bake 1h, analysis, approval
100%: r1 4 0%, r2 4 100%* (X-Beta) (beta), at most 8, at least 4; bake 30s, analysis
back: r1 4 100%*, at most 8, at least 4; bake 0s
`},
		{"a canary with fewer instances than before", replace(4, canary(2, 1000, Whole)), `
10%: r1 4 90%, r2 1 10%*, at most 5, at least 2; bake 30s, analysis
100%: r1 4 0%, r2 2 100%*, at most 6, at least 2; bake 30s, analysis
back: r1 4 100%*, at most 6, at least 2; bake 0s
`},
		{"blue-green with more instances than before", replace(1, usual(3, Strategy{BlueGreen: &BlueGreenOptions{}})), `
preview: r1 1 100%, r2 3 0%*, at most 4, at least 1; bake 0s
swap: r1 1 0%, r2 3 100%*, at most 4, at least 1; bake 1m, analysis
back: r1 1 100%*, at most 4, at least 1; bake 0s
`},
		{"the first version", first, `
start: r2 3 100%*, at most 3, at least 0; test 1 (./check.sh), load test, bake 5m
back: at most 3, at least 0; bake 0s
`},
		{"a worker is not analysed", replace(2, worker), `
1 of 2: r1 1 ~, r2 1 ~*, at most 3, at least 2; bake 5s
2 of 2: r2 2 ~*, at most 3, at least 2; bake 5s
back: r1 2 100%*, at most 3, at least 2; bake 0s
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			forth, back := Steps(c.move)
			if diff := cmp.Diff(strings.TrimLeft(c.want, "\n"), text(forth)+text(back)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
