package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func abortCommand(s *shell) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "abort SERVICE",
		Short: "Take an open rollout back",
		Long: `Take an open rollout back: the old version gets all traffic again and the instances of the new
one are stopped. The command returns at once; "naru status SERVICE --watch" shows the way back.`,
		Example: `  naru abort social
  naru abort social -m "wrong logo"`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.word(cmd.Context(), "goes back", func(ctx context.Context, c *api.Client) (api.Rollout, error) {
				return c.Abort(ctx, args[0], reason)
			})
		},
	}
	cmd.Flags().StringVarP(&reason, "message", "m", "", "`reason`, for the receipt")
	return cmd
}
