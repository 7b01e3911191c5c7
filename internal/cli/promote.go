package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func promoteCommand(s *shell) *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use:   "promote SERVICE",
		Short: "Let an open rollout go on to its next step",
		Long: `Count the bake time, the approval and missing evidence of the present step as passed, so that
the rollout goes on to its next step. With --full the same holds for all steps that are left.
A failing verdict or a failed test is never overruled.`,
		Example: `  naru promote shop
  naru promote social --full`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.word(cmd.Context(), "goes on", func(ctx context.Context, c *api.Client) (api.Rollout, error) {
				return c.Promote(ctx, args[0], full)
			})
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "all steps that are left, not only the present one")
	return cmd
}

// word says something to the open rollout and shows how that has left it.
func (s *shell) word(ctx context.Context, outcome string, say func(context.Context, *api.Client) (api.Rollout, error)) error {
	c, err := s.client("", "")
	if err != nil {
		return err
	}
	r, err := say(ctx, c)
	if err != nil {
		return err
	}
	if s.json {
		return s.object(r)
	}
	s.say("%s: rollout %s to %s (%s) %s", r.Service, r.ID, r.To, r.Version, outcome)
	return nil
}
