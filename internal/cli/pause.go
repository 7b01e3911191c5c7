package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func pauseCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "pause SERVICE",
		Short: "Stop an open rollout where it is",
		Long: `Stop an open rollout where it is: instances, traffic, bake time and deadline stand still until
"naru resume" or "naru promote". The new version goes on being judged, and a failing verdict
still takes everything back.`,
		Example: `  naru pause social`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.word(cmd.Context(), "is paused; naru resume "+args[0]+" lets it go on", func(ctx context.Context, c *api.Client) (api.Rollout, error) {
				return c.Pause(ctx, args[0])
			})
		},
	}
}
