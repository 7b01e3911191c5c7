package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

func historyCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "history SERVICE",
		Short: "List the rollouts and the kept revisions of a service",
		Long: `List the rollouts of a service, oldest first: who asked for each, how it ended, whether its
receipt is there ("naru receipt SERVICE ROLLOUT"), and whether the revision that it went to is
kept. Then the kept revisions, what each is kept for, and whether one could go back to it now:
"naru rollback SERVICE REVISION" goes to any of them.`,
		Example: `  naru history chat
  naru history chat --json`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			rollouts, err := c.Rollouts(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			revisions, err := c.Revisions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.json {
				return s.object(map[string]any{"service": args[0], "rollouts": rollouts, "revisions": revisions})
			}
			writeHistory(s.out, args[0], rollouts, revisions)
			return nil
		},
	}
}

func writeHistory(w io.Writer, service string, rollouts []api.Rollout, revisions []engine.KeptRevision) {
	if len(rollouts) == 0 {
		fmt.Fprintf(w, "%s: nothing was deployed yet\n", service)
		return
	}
	rows := [][]string{{"ROLLOUT", "FROM", "TO", "VERSION", "BY", "WHO", "STARTED", "TOOK", "OUTCOME", "RECEIPT", "REVISION", "MESSAGE"}}
	for _, r := range rollouts {
		outcome, took := words(r.Outcome), "-"
		if r.Open() {
			outcome = "open: " + string(r.Phase)
		} else {
			took = r.Ended.Sub(r.Started).Round(time.Second).String()
		}
		message := r.Message
		if r.Reason != "" {
			message = strings.TrimSpace(r.Message + " (" + oneLine(r.Reason) + ")")
		}
		rows = append(rows, []string{r.ID, orNothing(r.From), r.To, r.Version, r.By, cmp.Or(r.Who, "-"), r.Started.Local().Format("2006-01-02 15:04:05"), took, outcome,
			yes(r.Receipt), keeping(r.Kept, r.Pinned), message})
	}
	writeTable(w, rows)
	var kept []string
	for _, r := range revisions {
		kept = append(kept, named(r.ID, r.Version))
	}
	fmt.Fprintf(w, "\nkept revisions: %s\n", orNone(kept))
	if len(revisions) > 0 {
		writeKept(w, revisions)
	}
}

// writeKept lists the revisions that one can go back to.
func writeKept(w io.Writer, revisions []engine.KeptRevision) {
	rows := [][]string{{"REVISION", "VERSION", "BY", "MADE", "KEPT FOR", "READY", "MESSAGE"}}
	for _, r := range revisions {
		why := cmp.Or(string(r.Kept), "nothing: it goes soon")
		if r.Pinned && r.Kept != deploy.WhyPinned {
			why += ", pinned"
		}
		rows = append(rows, []string{r.ID, r.Version, cmp.Or(r.Who, "-"), r.Created.Local().Format("2006-01-02 15:04:05"), why, readiness(r.Readiness), r.Message})
	}
	writeTable(w, rows)
	for _, r := range revisions {
		for _, c := range unmet(r.Readiness) {
			fmt.Fprintf(w, "%s: %s: %s\n", r.ID, c.Name, c.Detail)
		}
	}
}

// keeping says whether a rollout's revision is there.
func keeping(kept, pinned bool) string {
	switch {
	case pinned:
		return "pinned"
	case kept:
		return "kept"
	}
	return "gone"
}

// readiness is the one word on whether one could go back.
func readiness(r *engine.Readiness) string {
	switch {
	case r == nil:
		return "not known yet"
	case r.Ready:
		return "yes"
	}
	return "no"
}

// unmet are the checks that stand against a rollback.
func unmet(r *engine.Readiness) (out []engine.Check) {
	if r == nil {
		return nil
	}
	for _, c := range r.Checks {
		if !c.OK {
			out = append(out, c)
		}
	}
	return out
}

// oneLine is the first line of a text.
func oneLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}
