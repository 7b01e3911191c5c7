package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func rollbackCommand(s *shell) *cobra.Command {
	var w watching
	var message string
	cmd := &cobra.Command{
		Use:   "rollback SERVICE [REVISION]",
		Short: "Go back to an earlier revision",
		Long: `Go back to the revision that served before, or to any other that is kept, and follow it to the
end. While a rollout is open it is taken back instead; with a REVISION other than the one it
came from, it is superseded. "naru history SERVICE" lists the revisions.

A revision that could not be started any more is refused before anything moves.`,
		Example: `  naru rollback chat
  naru rollback chat r4 -m "3.1 loses messages"`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.following(func() error {
				c, err := s.client("", "")
				if err != nil {
					return err
				}
				to := api.Return{Message: message}
				if len(args) == 2 {
					to.Revision = args[1]
				}
				r, err := c.Rollback(cmd.Context(), args[0], to)
				if err != nil {
					return err
				}
				return s.wentBack(cmd.Context(), c, r, w)
			})
		},
	}
	cmd.Flags().StringVarP(&message, "message", "m", "", "`text` that history keeps")
	w.flags(cmd)
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
