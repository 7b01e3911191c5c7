//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// stepBake is the bake time of whichever strategy a service has.
func stepBake(s deploy.Service) deploy.Duration {
	switch o := s.Strategy; {
	case o.Rolling != nil:
		return *o.Rolling.Bake
	case o.BlueGreen != nil:
		return *o.BlueGreen.Bake
	}
	return *s.Strategy.Canary.Bake
}

// A demo that does not notice what went wrong would prove nothing.
func TestDemoFindsWhatWentWrong(t *testing.T) {
	good, bad := act{version: "2.1", outcome: deploy.Promoted}, act{version: "2.2", outcome: deploy.RolledBack}
	promoted := func() demoRollout {
		return demoRollout{Receipt: deploy.Receipt{Outcome: deploy.Promoted, Complete: true},
			load: traffic.Report{Sent: 100, Answered: 100, Versions: map[string]int{"2.0": 60, "2.1": 40}}}
	}
	price := func(version string) traffic.Failure {
		return traffic.Failure{At: time.Unix(0, 0), What: "GET /timeline", Status: 500, Version: version, Err: "answered 500"}
	}
	returned := func() demoRollout {
		return demoRollout{Exit: undone,
			Receipt: deploy.Receipt{Outcome: deploy.RolledBack, Complete: true, Requests: deploy.Requests{Failed: 2, ByApp: 2}},
			load: traffic.Report{Sent: 100, Answered: 100, Failed: 2, Versions: map[string]int{"2.1": 90, "2.2": 10},
				Failures: []traffic.Failure{price("2.2"), price("2.2")}}}
	}
	cases := []struct {
		name    string
		act     act
		rollout demoRollout
		change  func(*demoRollout)
		want    string // empty: nothing is wrong
	}{
		{"promoted", good, promoted(), func(*demoRollout) {}, ""},
		{"taken back", bad, returned(), func(*demoRollout) {}, ""},
		{"good one taken back", good, returned(), func(*demoRollout) {}, "should have been promoted"},
		{"bad one promoted", bad, promoted(), func(*demoRollout) {}, "should have been rolled back"},
		{"left open", good, promoted(), func(r *demoRollout) { r.Exit, r.Receipt.Outcome = open, "" }, "left open"},
		{"nobody came", good, promoted(), func(r *demoRollout) { delete(r.load.Versions, "2.1") }, "no user was answered by 2.1"},
		{"counters lost", good, promoted(), func(r *demoRollout) { r.Receipt.Complete = false }, "does not account"},
		{"failed by naru", bad, returned(), func(r *demoRollout) { r.Receipt.Requests.ByNaru = 1 }, "because of naru"},
		{"one failed", good, promoted(), func(r *demoRollout) {
			r.load.Failed, r.load.Failures = 1, []traffic.Failure{price("2.1")}
		}, "a user saw: "},
		{"more failed than the canary did", bad, returned(), func(r *demoRollout) { r.load.Failed = 3 }, "3 of 100 user requests failed"},
		{"the old version failed", bad, returned(), func(r *demoRollout) { r.load.Failures[1].Version = "2.1" }, "(version 2.1)"},
		{"not sent", good, promoted(), func(r *demoRollout) { r.load.Overflow = 4 }, "4 user requests were not sent"},
		{"WebSocket dropped", good, promoted(), func(r *demoRollout) {
			r.members = &traffic.SocketReport{Connected: 5, Dropped: 1}
		}, "1 WebSockets dropped"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.change(&c.rollout)
			found := strings.Join(faultsOf(c.rollout, c.act), "\n")
			if c.want == "" && found != "" || !strings.Contains(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

func TestFolding(t *testing.T) {
	var out bytes.Buffer
	lines := folding{out: &out}
	fmt.Fprintf(&lines, "short\n\n06:08:21  step 5/6 (75%%)  |  %s", strings.Repeat("r1 ", 22))
	fmt.Fprintf(&lines, " |  baking\n%s\nno end", strings.Repeat("word ", 20))
	lines.flush()
	want := `short

06:08:21  step 5/6 (75%)
          ` + strings.TrimSpace(strings.Repeat("r1 ", 22)) + `
          baking
` + strings.TrimSpace(strings.Repeat("word ", 16)) + `
word word word word
no end
`
	if out.String() != want {
		t.Errorf("folded to\n%s\nwant\n%s", &out, want)
	}
}
