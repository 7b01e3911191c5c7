package cli

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

func gcCommand(s *shell) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what nobody needs any more",
		Long: `Remove what nobody needs any more, and say before and after what that is: revisions that are kept
no longer (keep, in the file) with their artifacts, images and logs; instances, files and images
of revisions that the server does not know; and what crashes have left. The server removes most
of it by itself, after every rollout and once an hour; what it does not know for sure it leaves to
this command.

Nothing goes that serves, that one could go back to, that is pinned, or that naru has not made. Of
a revision that goes the rows in "naru history" stay.`,
		Example: `  naru gc --dry-run
  naru gc`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			found, err := c.Garbage(cmd.Context())
			if err != nil {
				return err
			}
			if !s.json {
				writeGarbage(s.out, "would be removed", found)
			}
			if dry || len(found.Items) == 0 {
				return s.collected(found, nil)
			}
			removed, err := c.Collect(cmd.Context())
			if err != nil {
				return err
			}
			if !s.json {
				fmt.Fprintln(s.out)
				writeGarbage(s.out, "removed", removed)
			}
			return s.collected(found, &removed)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be removed")
	return cmd
}

// collected prints the JSON of both; removed is nil when nothing was to be.
func (s *shell) collected(found engine.Collection, removed *engine.Collection) error {
	if !s.json {
		return nil
	}
	return s.object(struct {
		Found   engine.Collection  `json:"found"`
		Removed *engine.Collection `json:"removed"`
	}{found, removed})
}

func writeGarbage(w io.Writer, what string, c engine.Collection) {
	if len(c.Items) == 0 {
		fmt.Fprintf(w, "nothing %s\n", what)
	} else {
		rows := [][]string{{"KIND", "SERVICE", "NAME", "SIZE", "WHY"}}
		for _, g := range c.Items {
			rows = append(rows, []string{g.Kind, cmp.Or(g.Service, "-"), g.Name, deploy.Size(g.Bytes).Human(), g.Why})
		}
		fmt.Fprintf(w, "%s %s, %s:\n", plural(len(c.Items), "thing"), what, deploy.Size(c.Bytes).Human())
		writeTable(w, rows)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
}

// brief is a duration for people.
func brief(d deploy.Duration) string {
	round := time.Millisecond
	if d.D() >= time.Second {
		round = 10 * time.Millisecond
	}
	return deploy.Duration(d.D().Round(round)).String()
}
