package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func resumeCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "resume SERVICE",
		Short: "Let a paused rollout go on",
		Long: `Let a paused rollout go on where it stopped. The time of the pause counts neither as bake time
nor towards the deadline. A rollout that paused for want of evidence waits for it anew.`,
		Example: `  naru resume social`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.word(cmd.Context(), "goes on", func(ctx context.Context, c *api.Client) (api.Rollout, error) {
				return c.Resume(ctx, args[0])
			})
		},
	}
}
