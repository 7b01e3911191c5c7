package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func upgradeCommand(*shell) *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade",
		Short: "Replace the running naru by this binary (not yet)",
		Long: `Replace the running proxy and controller by this binary without losing a connection. This does not
exist yet. The controller alone can be replaced at no cost: end "naru serve" with SIGTERM and
start the new one, which adopts proxy and instances.`,
		Example: `  naru upgrade`,
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return errors.New("upgrade: not yet; to replace the controller alone, end naru serve with SIGTERM and start the new one")
		},
	}
}
