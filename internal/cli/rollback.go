package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func rollbackCommand(s *shell) *cobra.Command {
	var w watching
	var to api.Return
	var drill bool
	cmd := &cobra.Command{
		Use:   "rollback SERVICE [REVISION]",
		Short: "Go back to an earlier revision",
		Long: `Go back to the revision that served before, or to any other that is kept, and follow it to the
end. While a rollout is open it is taken back instead; with a REVISION other than the one it
came from, it is superseded. "naru history SERVICE" lists the revisions.

The way goes straight there: that revision was judged once, so only its health is waited for.
With --canary it takes the steps of its strategy and is judged anew. A revision that could not
be started any more, or is kept no longer, is refused before anything moves.

With --drill nothing goes back: one instance of the revision is started without any traffic,
asked how it is by its health check, and removed. Ends with 0 when it has become healthy, and
with 2 and the last lines of its log when it has not.`,
		Example: `  naru rollback chat
  naru rollback chat r4 -m "3.1 loses messages"
  naru rollback chat r4 --drill`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				to.Revision = args[1]
			}
			if drill {
				return s.drill(cmd.Context(), args[0], to.Revision)
			}
			return s.following(func() error {
				c, err := s.client("", "")
				if err != nil {
					return err
				}
				r, err := c.Rollback(cmd.Context(), args[0], to)
				if err != nil {
					return err
				}
				return s.wentBack(cmd.Context(), c, r, w)
			})
		},
	}
	cmd.Flags().StringVarP(&to.Message, "message", "m", "", "`text` that history keeps")
	cmd.Flags().BoolVar(&to.Canary, "canary", false, "take the steps of the revision's strategy, not the straight way")
	cmd.Flags().BoolVar(&drill, "drill", false, "only try it out: start one instance without traffic, probe it, remove it")
	w.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("drill", "canary")
	cmd.MarkFlagsMutuallyExclusive("drill", "detach")
	cmd.MarkFlagsMutuallyExclusive("drill", "wait")
	cmd.MarkFlagsMutuallyExclusive("drill", "message")
	return cmd
}

// wentBack follows the rollout that a rollback has begun, or the open one that it takes back: that one ends aborted,
// which is what was asked for.
func (s *shell) wentBack(ctx context.Context, c *api.Client, r api.Rollout, w watching) error {
	err := s.begun(ctx, c, r, w)
	var e *exit
	if r.By != "rollback" && errors.As(err, &e) && e.status == undone {
		return nil
	}
	return err
}
