package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/simulate"
)

// simulation is what a command line asks to be played.
type simulation struct {
	file, scenario string
	runs           int
	latency        string // of the flags that take more than one value, their text
	slow           string
	incidents      []string
	bad            simulate.Regression // what the flags say is wrong with the new version
	badErrors      simulate.Portion
}

func simulateCommand(s *shell) *cobra.Command {
	var q simulation
	given := simulate.Default()
	cmd := &cobra.Command{
		Use:   "simulate [SERVICE]",
		Short: "Play a rollout in virtual time: what would naru do if",
		Long: `Play a whole rollout in virtual time: the real steps and the real analysis, with simulated
users. It answers what naru would do if: when a new version that fails 1% of its requests
would be taken back, and how many users it would have hurt by then; how long a good one takes
to reach everybody; whether an incident that is not its fault would be held against it.

Without SERVICE it is a usual canary: five instances, steps of 5, 10, 25, 50, 75 and 100%, each
watched for 30s. With SERVICE it has the settings of the file. Tests of a step are taken to
pass, people to agree at once, and outside sources are not asked.

What the flags --bad-... say is wrong with the new version adds up with what the scenario file
says. No server is needed and nothing is changed. The same scenario and seed give the same
result. The exit status is 0 whatever becomes of the simulated rollout.`,
		Example: `  naru simulate --bad-errors 1%
  naru simulate --bad-latency 1.2:tail --bad-after 1m --runs 100
  naru simulate --bad-slow 2%x10 --rate 200
  naru simulate --incident 1m:2m:20% --runs 100
  naru simulate social -f examples/social/naru.yaml --rate 50 --bad-hang 5%
  naru simulate --scenario night.yaml --seed 7 --json`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			played, err := q.read(cmd.Flags(), given, args)
			if err != nil {
				return err
			}
			return s.simulate(cmd.Context(), played, q.runs)
		},
	}
	f := cmd.Flags()
	fileFlag(cmd, &q.file)
	f.StringVar(&q.scenario, "scenario", "", "`file` with a scenario, in YAML; what flags say counts more")
	f.Float64Var(&given.Rate, "rate", given.Rate, "`requests` per second to the whole service")
	f.Var(text{&given.Errors}, "errors", "`share` of them that fail on the old version")
	f.Var(text{&given.P50}, "p50", "`time` within which half of them are answered")
	f.Var(text{&given.P99}, "p99", "`time` within which 99 of 100 are")
	f.Var(text{&q.badErrors}, "bad-errors", "`share` of its requests that the new version fails")
	f.StringVar(&q.latency, "bad-latency", "", "how many `times` as long it takes, such as 1.2; 1.2:tail is of its slowest 5% alone, 1.2:body of the fastest 90%")
	f.StringVar(&q.slow, "bad-slow", "", "`share and times`, such as 2%x10: that many of its requests take so many times as long")
	f.Var(text{&q.bad.Hang}, "bad-hang", "`share` of its requests that it never answers")
	f.Var(text{&q.bad.After}, "bad-after", "`time` after its first request when it becomes bad")
	f.Var(text{&q.bad.Ramp}, "bad-ramp", "`time` over which it grows as bad as that, like a leak")
	f.StringArrayVar(&q.incidents, "incident", nil, "`at:lasts:share`, such as 10m:2m:20%: that share of all requests fails for a while; :stable or :canary behind it: of that version's alone. May be repeated")
	f.IntVar(&given.Clients.Retries, "retries", 0, "`times` that a client tries again whose request has failed, within seconds")
	f.IntVar(&q.runs, "runs", 1, "play it so many `times`, with one seed after the other, and show distributions")
	f.IntVar(&given.Seed, "seed", given.Seed, "`number` that decides what happens by chance")
	f.Var(text{&given.Limit}, "limit", "`time` of the rollout after which the simulation ends")
	return cmd
}

// simulated is the answer with --json: Result of one run, Summary and Results of several.
type simulated struct {
	Service  string            `json:"service"`
	Strategy deploy.Strategy   `json:"strategy"`
	Analysis deploy.Analysis   `json:"analysis"`
	Scenario simulate.Scenario `json:"scenario"`
	Result   *simulate.Result  `json:"result,omitempty"`
	Summary  *simulate.Summary `json:"summary,omitempty"`
	Results  []simulate.Result `json:"results,omitempty"`
}

// simulate plays a scenario once or many times and shows what became of it.
func (s *shell) simulate(ctx context.Context, played simulate.Scenario, runs int) error {
	answer := simulated{Service: played.Name, Strategy: played.Service.Strategy, Analysis: played.Service.Analysis, Scenario: played}
	view := simulationView{w: s.out, width: s.columns(), s: played}
	if runs == 1 {
		r := simulate.Run(played, played.Seed, func(simulate.Moment) bool { return ctx.Err() == nil })
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %s of the rollout", elapsed(r.Ended))
		}
		answer.Result = &r
		if s.json {
			return s.object(answer)
		}
		view.result(r)
		return nil
	}
	results, err := simulate.Runs(ctx, played, runs)
	if err != nil {
		return fmt.Errorf("interrupted after %d of %d runs: give fewer by --runs, or less time by --limit", len(results), runs)
	}
	sum := simulate.Summarise(results)
	answer.Summary, answer.Results = &sum, results
	if s.json {
		return s.object(answer)
	}
	view.summary(sum)
	return nil
}
