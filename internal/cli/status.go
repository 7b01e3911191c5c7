package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/figure"
)

func statusCommand(s *shell) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "Show what runs and who gets the traffic",
		Long: `Show what runs and who gets the traffic: of one service, or of all. Instances are healthy when
the proxy says so, and enabled when they are given requests. Requests and failures are counted
since the proxy was started.

With --watch the status is shown again and again until Ctrl-C.`,
		Example: `  naru status
  naru status chat --watch
  naru status chat --json`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			if !watch {
				return s.status(cmd.Context(), c, args)
			}
			return s.watchStatus(cmd.Context(), c, args)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again every second, until Ctrl-C")
	return cmd
}

func (s *shell) status(ctx context.Context, c *api.Client, service []string) error {
	if len(service) == 1 {
		one, err := c.Status(ctx, service[0])
		if err != nil {
			return err
		}
		if s.json {
			return s.object(one)
		}
		writeStatus(s.out, one)
		return nil
	}
	all, err := c.Services(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.object(map[string][]engine.Status{"services": all})
	}
	if len(all) == 0 {
		s.say("no services; naru deploy SERVICE VERSION creates one")
	}
	for i, one := range all {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		writeStatus(s.out, one)
	}
	return nil
}

// watchStatus shows the status every second. Ctrl-C is its proper end.
func (s *shell) watchStatus(ctx context.Context, c *api.Client, service []string) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		if !s.json {
			fmt.Fprintf(s.out, "--- %s\n", clock(time.Now()))
		}
		if err := s.status(ctx, c, service); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// heldNow says how many requests wait.
func heldNow(n int) string {
	if n == 1 {
		return "1 request waits"
	}
	return fmt.Sprintf("%d requests wait", n)
}

// writeStatus shows a service to people.
func writeStatus(w io.Writer, s engine.Status) {
	healthy := 0
	for _, i := range s.Instances {
		if s.Stable != nil && i.Revision == s.Stable.Revision && i.Healthy {
			healthy++
		}
	}
	if s.Stable == nil {
		fmt.Fprintf(w, "%s: nothing is deployed yet\n", s.Service)
	} else {
		fmt.Fprintf(w, "%s: %s serves, %d of %d instances healthy\n", s.Service, ref(s.Stable), healthy, s.Wanted)
	}
	if s.Held > 0 {
		fmt.Fprintf(w, "  %s for an instance\n", heldNow(s.Held))
	}
	if r := s.Rollout; r != nil {
		fmt.Fprintf(w, "  rollout %s: %s to %s, step %d of %d (%s), %s\n", r.ID, orNothing(r.From), ref(s.Canary), r.Step, r.Steps, r.Name, r.Phase)
		if r.Reason != "" && r.Reason != r.Waiting {
			writeUnder(w, "    because: ", r.Reason)
		}
		if r.Waiting != "" {
			writeUnder(w, "    "+waiting(r.Phase)+": ", r.Waiting)
		}
		if r.Previews != "" {
			fmt.Fprintf(w, "    preview: %s\n", r.Previews)
		}
	}
	for _, o := range s.Obligations {
		fmt.Fprintf(w, "  owed: %s of %s (%s), due %s\n", o.Kind, o.Revision, plural(o.Instances, "instance"), clock(o.Due))
	}
	writeWayBack(w, s)
	if s.Problem != "" {
		writeUnder(w, "  problem: ", s.Problem)
	}
	writeTraffic(w, s)
	if s.Rollout != nil {
		writeAnalysis(w, s.Rollout.From, s.Rollout.To, s.Rollout.Analysis)
	}
	writeInstances(w, s)
}

// writeWayBack says whether one could go back now.
func writeWayBack(w io.Writer, s engine.Status) {
	if s.Drill != nil {
		fmt.Fprintf(w, "  drill: %s is being tried out, without traffic\n", ref(s.Drill))
	}
	back := s.Rollback
	if back == nil {
		return
	}
	words := map[string]string{"yes": "ready", "no": "NOT ready"}[readiness(back.Readiness)]
	fmt.Fprintf(w, "  rollback: to %s, %s\n", named(back.Revision, back.Version), cmp.Or(words, "not looked at yet"))
	for _, c := range unmet(back.Readiness) {
		fmt.Fprintf(w, "    %s: %s\n", c.Name, c.Detail)
	}
}

func writeTraffic(w io.Writer, s engine.Status) {
	if len(s.Traffic) == 0 {
		return
	}
	rows := [][]string{{"  REVISION", "TRAFFIC", "REQUESTS", "FAILED", "P50", "P99"}}
	for _, t := range s.Traffic {
		rows = append(rows, []string{"  " + t.Revision, percent(t.Share), figure.Count(t.Requests), figure.Count(t.Failed), latency(t.P50), latency(t.P99)})
	}
	writeTable(w, rows)
}

func writeInstances(w io.Writer, s engine.Status) {
	if len(s.Instances) == 0 {
		return
	}
	rows := [][]string{{"  INSTANCE", "VERSION", "ADDRESS", "STATE", "HEALTHY", "ENABLED", "IN FLIGHT"}}
	for _, i := range s.Instances {
		rows = append(rows, []string{"  " + i.ID, i.Version, i.Address, string(i.State), yes(i.Healthy), yes(i.Enabled), fmt.Sprint(i.InFlight)})
	}
	writeTable(w, rows)
	for _, i := range s.Instances {
		if !i.Healthy && i.Reason != "" {
			writeUnder(w, "  "+i.ID+": ", i.Reason)
		}
	}
}

// waiting is what goes before what a rollout waits for: of the analysis that is a whole sentence.
func waiting(p deploy.Phase) string {
	if p == deploy.Analysing || p == deploy.Paused {
		return "because"
	}
	return "waits for"
}

func ref(r *engine.RevisionRef) string {
	if r == nil {
		return "nothing"
	}
	return named(r.Revision, r.Version)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
