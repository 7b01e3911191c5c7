package cli

import "github.com/spf13/cobra"

func retryCommand(s *shell) *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use:   "retry SERVICE",
		Short: "Begin the last failed rollout anew",
		Long: `Begin a new rollout of the revision that failed last, from its first step, and follow it as
"naru deploy" does. Version and settings are those of that revision; the file is not read.`,
		Example: `  naru retry social
  naru retry social --detach`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.following(func() error {
				c, err := s.client("", "")
				if err != nil {
					return err
				}
				r, err := c.Retry(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return s.begun(cmd.Context(), c, r, w)
			})
		},
	}
	w.flags(cmd)
	return cmd
}
