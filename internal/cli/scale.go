package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func scaleCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "scale SERVICE N",
		Short: "Change how many instances of a service run",
		Long: `Change how many instances of the serving revision run, without a rollout. Further instances get
requests once they are healthy; those that are too many finish theirs first. The next deploy
brings the number of its file.`,
		Example: `  naru scale chat 8`,
		Args:    arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("%q is not a number of instances", args[1])
			}
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			status, err := c.Scale(cmd.Context(), args[0], n)
			if err != nil {
				return err
			}
			if s.json {
				return s.object(status)
			}
			s.say("%s: %d instances are wanted now; naru status %s shows them come or go", args[0], n, args[0])
			return nil
		},
	}
}
