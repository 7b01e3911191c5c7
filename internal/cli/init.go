package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func initCommand(*shell) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a first naru.yaml (not yet)",
		Long: `Write a first naru.yaml. This does not exist yet: copy one of the folder examples and change it;
"naru schema" describes every key, and "naru validate" says what is wrong.`,
		Example: `  cp examples/chat/naru.yaml .`,
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return errors.New("init: not yet; copy the naru.yaml of an example and change it, and naru validate says what is wrong")
		},
	}
}
