package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
)

func historyCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "history SERVICE",
		Short: "List the rollouts and the kept revisions of a service",
		Long: `List the rollouts of a service, oldest first, with how they ended, and the revisions that are
kept: "naru rollback SERVICE REVISION" goes to any of them.`,
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

func writeHistory(w io.Writer, service string, rollouts []api.Rollout, revisions []deploy.Revision) {
	if len(rollouts) == 0 {
		fmt.Fprintf(w, "%s: nothing was deployed yet\n", service)
		return
	}
	rows := [][]string{{"ROLLOUT", "FROM", "TO", "VERSION", "BY", "STARTED", "TOOK", "OUTCOME", "MESSAGE"}}
	for _, r := range rollouts {
		outcome, took := words(r.Outcome), "-"
		if r.Open() {
			outcome = "open: " + string(r.Phase)
		} else {
			took = r.Ended.Sub(r.Started).Round(time.Second).String()
		}
		rows = append(rows, []string{r.ID, orNothing(r.From), r.To, r.Version, r.By, r.Started.Local().Format("2006-01-02 15:04:05"), took, outcome, r.Message})
		if r.Reason != "" {
			rows[len(rows)-1][8] = strings.TrimSpace(r.Message + " (" + oneLine(r.Reason) + ")")
		}
	}
	writeTable(w, rows)
	var kept []string
	for _, r := range revisions {
		kept = append(kept, named(r.ID, r.Version))
	}
	fmt.Fprintf(w, "\nkept revisions: %s\n", orNone(kept))
}

// oneLine is the first line of a text.
func oneLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}
