package cli

import "github.com/spf13/cobra"

func demoCommand(s *shell) *cobra.Command {
	return &cobra.Command{Use: "demo", Short: "Show naru at work"}
}
