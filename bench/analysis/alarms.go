package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/simulate"
)

// counted is how often something happened in so many runs.
type counted struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Runs int    `json:"runs"`
	Yes  int    `json:"yes"`
	// What else became of them.
	Alone    int `json:"alone,omitempty"` // of Yes: while the new version had all the traffic, and nothing was left to compare it with
	Waits    int `json:"waits,omitempty"` // paused: a person must look
	Promoted int `json:"promoted,omitempty"`
	Frozen   int `json:"frozen,omitempty"`
	Doubtful int `json:"doubtful,omitempty"`
	Back     int `json:"back,omitempty"`
	Requests int `json:"requests,omitempty"` // of a rollout, on average
}

// upper is the upper end of the one-sided 95 % confidence interval of the rate (Clopper and Pearson, 1934), by bisection.
func (c counted) upper() float64 {
	low, high := float64(c.Yes)/float64(c.Runs), 1.0
	for range 60 {
		p := (low + high) / 2
		if binomial(c.Yes, c.Runs, p) > 0.05 {
			low = p
		} else {
			high = p
		}
	}
	return high
}

// binomial is the probability of at most k of n.
func binomial(k, n int, p float64) (sum float64) {
	for i := 0; i <= k; i++ {
		a, _ := math.Lgamma(float64(n) + 1)
		b, _ := math.Lgamma(float64(i) + 1)
		c, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

func (c counted) words() string {
	return fmt.Sprintf("%d of %d (%s; 95 %% sure to be below %s)", c.Yes, c.Runs, share(float64(c.Yes)/float64(c.Runs)), share(c.upper()))
}

// count plays a scenario and counts the rollouts that were rolled back.
func count(ctx context.Context, key, name string, runs int, s func(i int) simulate.Scenario) (counted, error) {
	results, err := simulate.Each(ctx, runs, func(i int) simulate.Result {
		r := simulate.Run(s(i), 1+i, nil)
		r.Timeline, r.Figures = nil, nil
		return r
	})
	sum := simulate.Summarise(results)
	out := counted{Key: key, Name: name, Runs: runs, Yes: sum.Outcomes[string(deploy.RolledBack)], Promoted: sum.Outcomes[string(deploy.Promoted)],
		Frozen: sum.Frozen, Doubtful: sum.Doubtful, Back: sum.Back, Waits: sum.Outcomes[simulate.Waits]}
	for _, r := range results {
		last := r.Steps[len(r.Steps)-1]
		out.Alone += one(r.Verdict != nil && last.Step == deploy.Whole.String() && last.Reached != nil)
		out.Requests += int(r.Canary.Requests+r.Stable.Requests) / len(results)
	}
	return out, err
}

// quiet is a rollout of equal versions over 1.5 million requests: error rate and latencies drift, by a wave or at random,
// and for two minutes a dependency of both fails 20 % of their requests and takes three times as long.
func (r *report) quiet(i int) simulate.Scenario {
	s := r.baking(4 * time.Minute)
	s.Drift = simulate.Drift{Shape: []string{"wave", "walk"}[i%2], Period: span(10 * time.Minute), Errors: 0.5, Latency: 0.15, Rate: 0.2}
	at := time.Duration(60+(i*137)%1200) * time.Second // anywhere in the rollout
	s.Incidents = []simulate.Incident{{At: span(r.short(at)), Lasts: span(r.short(2 * time.Minute)), Errors: 0.2, Latency: 3}}
	return s
}

// falseAlarms are rollouts of versions that are no worse.
func falseAlarms(ctx context.Context, r *report) (string, error) {
	c, err := count(ctx, "naru", "naru", 5*r.Runs, r.quiet)
	if err != nil {
		return "", err
	}
	type alarm struct{ mannWhitney, threshold bool }
	runs := max(1, r.Runs/4)
	alarms, err := simulate.Each(ctx, runs, func(i int) alarm {
		s := r.quiet(i)
		s.Service.Analysis.Enabled = new(false)
		v := newRivals(s)
		simulate.Run(s, 1+i, func(m simulate.Moment) bool { return m.Share == 1 || v.see(m) })
		return alarm{v.mannWhitney > 0, v.threshold > 0}
	})
	m, t := counted{Key: "mann_whitney", Name: "Mann-Whitney, 1 minute", Runs: runs}, counted{Key: "threshold", Name: "thresholds, 1 minute", Runs: runs}
	for _, a := range alarms {
		m.Yes += one(a.mannWhitney)
		t.Yes += one(a.threshold)
	}
	r.False = []counted{c, m, t}
	text := ""
	for _, c := range r.False {
		text += fmt.Sprintf("  %-25s %s\n", c.Name, c.words())
	}
	return text + fmt.Sprintf("  %d requests each; rolled back with all the traffic %d; promoted %d, waits for a person %d, stood still %d, stepped back %d, a step without enough evidence %d\n",
		c.Requests, c.Alone, c.Promoted, c.Waits, c.Frozen, c.Back, c.Doubtful), err
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// incidents are global ones in the middle of an ordinary rollout.
func incidents(ctx context.Context, r *report) (string, error) {
	all := []struct {
		key, name string
		incident  simulate.Incident
	}{
		{"both", "20 % of all requests fail for 2 minutes", simulate.Incident{Lasts: span(2 * time.Minute), Errors: 0.2}},
		{"slow", "everything takes 5 times as long for 2 minutes", simulate.Incident{Lasts: span(2 * time.Minute), Latency: 5}},
		{"down", "everything fails for 1 minute", simulate.Incident{Lasts: span(time.Minute), Errors: 0.999}},
	}
	r.Incidents = nil
	text := ""
	for _, one := range all {
		c, err := count(ctx, one.key, one.name, (r.Runs*5/2+len(all)-1)/len(all), func(i int) simulate.Scenario {
			s := r.usual()
			incident := one.incident
			incident.At, incident.Lasts = span(r.short(time.Duration(5+i*37%300)*time.Second)), span(r.short(incident.Lasts.D()))
			s.Incidents = []simulate.Incident{incident}
			return s
		})
		if err != nil {
			return "", err
		}
		r.Incidents = append(r.Incidents, c)
		text += fmt.Sprintf("  %-50s blamed %s, with all the traffic %d; promoted %d, waits for a person %d, stood still %d, stepped back %d\n", c.Name, c.words(), c.Alone, c.Promoted, c.Waits, c.Frozen, c.Back)
	}
	return text, nil
}

// nobody comes to the canary: no request in all, or none that reaches it.
func nobody(ctx context.Context, r *report) (string, error) {
	runs := max(1, r.Runs/10)
	text := ""
	r.Nobody = nil
	for _, one := range []struct {
		key, name string
		rate      float64
		weight    deploy.Share
	}{{"none", "no request at all", 0, 500}, {"match", "the canary only for users who never come", 1000, 0}, {"rare", "one request in an hour", 1.0 / 3600, 500}} {
		c, err := count(ctx, one.key, one.name, runs, func(int) simulate.Scenario {
			s := r.usual()
			s.Rate = one.rate
			s.Service.Strategy.Canary.Steps[0].Weight = one.weight
			if one.weight == 0 {
				s.Service.Strategy.Canary.Steps[0].Match = []deploy.Match{{Header: "X-Beta"}}
			}
			return s
		})
		if err != nil {
			return "", err
		}
		c.Yes = c.Promoted
		r.Nobody = append(r.Nobody, c)
		text += fmt.Sprintf("  %-45s promoted %d of %d\n", c.Name, c.Yes, c.Runs)
	}
	return text, nil
}

// burstGoals is how many of the first rows have a goal.
const burstGoals = 4

// bursts are clients who repeat what failed, with equal versions.
func bursts(ctx context.Context, r *report) (string, error) {
	text := ""
	r.Bursts = nil
	for i, one := range []struct {
		key, name string
		clients   simulate.Clients
		change    func(*simulate.Scenario) // nil: nothing else
	}{
		{"once", "3 repeats, no affinity, counted once", simulate.Clients{Retries: 3}, nil},
		{"once-sticky", "3 repeats, affinity, counted once", simulate.Clients{Retries: 3, Sticky: true}, nil},
		{"ten", "10 repeats, no affinity, counted once", simulate.Clients{Retries: 10}, nil},
		{"ten-sticky", "10 repeats, affinity, counted once", simulate.Clients{Retries: 10, Sticky: true}, nil},
		// What follows shows why, and is no goal: a quarter of the rollouts will do.
		{"revision", "3 repeats, no affinity, counted once per revision", simulate.Clients{Retries: 3, Charge: simulate.ChargeRevision}, nil},
		{"all-sticky", "3 repeats, affinity, all counted", simulate.Clients{Retries: 3, Sticky: true, Charge: simulate.ChargeAll}, nil},
		{"all", "3 repeats, no affinity, all counted", simulate.Clients{Retries: 3, Charge: simulate.ChargeAll}, nil},
		{"stuck", "one client fails every 2 s for ever, no affinity", simulate.Clients{Stuck: 1}, nil},
		{"stuck-sticky", "one client fails every 2 s for ever, affinity", simulate.Clients{Stuck: 1, Sticky: true}, nil},
		{"many-sticky", "20 clients fail every 2 s for ever, affinity", simulate.Clients{Stuck: 20, Sticky: true}, nil},
		{"stuck-few", "the same at 20 requests per second", simulate.Clients{Stuck: 1, Sticky: true}, func(s *simulate.Scenario) { s.Rate = 20 }},
		{"quick", "1 % fail at once, the others take 5 s", simulate.Clients{}, slowAnswers},
	} {
		runs := r.Runs
		if i >= burstGoals {
			runs = max(1, runs/4)
		}
		c, err := count(ctx, one.key, one.name, runs, func(int) simulate.Scenario {
			s := r.usual()
			s.Clients = one.clients
			if one.change != nil {
				one.change(&s)
			}
			return s
		})
		if err != nil {
			return "", err
		}
		r.Bursts = append(r.Bursts, c)
		text += fmt.Sprintf("  %-50s rolled back %s\n", c.Name, c.words())
	}
	return text, nil
}

// slowAnswers makes good answers slow and failures quick, so that right after a shift mostly failures are decided.
func slowAnswers(s *simulate.Scenario) {
	s.Errors, s.FailIn, s.P50, s.P99 = 0.01, span(time.Millisecond), span(5*time.Second), span(12*time.Second)
}

// margins are canaries that do exactly the harm that the next step asks about: how often does the step pass?
func margins(ctx context.Context, r *report) (string, error) {
	weights := []deploy.Share{500, 1000, 2500, 5000, 7500, deploy.Whole}
	text := ""
	r.Margins = nil
	for i, from := range weights[:len(weights)-1] {
		next := weights[i+1]
		harm := 0.0005 / (float64(next) / float64(deploy.Whole))
		name := fmt.Sprintf("%s to %s, %.2g points of errors more", from, next, 100*harm)
		s := r.baking(30*time.Second, from, next, deploy.Whole)
		s.Service.Analysis.OnInsufficient = "rollback"
		s.Regressions = []simulate.Regression{{Errors: new(s.Errors + simulate.Portion(harm))}}
		passed, err := simulate.Each(ctx, r.Runs, func(i int) bool { return simulate.Run(s, 1+i, onlyFirst(from)).Steps[0].Left != nil })
		if err != nil {
			return "", err
		}
		c := counted{Key: from.String(), Name: name, Runs: r.Runs}
		for _, yes := range passed {
			c.Yes += one(yes)
		}
		r.Margins = append(r.Margins, c)
		text += fmt.Sprintf("  %-45s %s\n", c.Name, c.words())
	}
	return text, nil
}

// onlyFirst ends a run when it leaves its first step.
func onlyFirst(weight deploy.Share) func(simulate.Moment) bool {
	return func(m simulate.Moment) bool { return m.Share <= float64(weight)/float64(deploy.Whole) }
}
