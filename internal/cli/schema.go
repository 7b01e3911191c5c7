package cli

import (
	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/config"
)

func schemaCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of naru.yaml",
		Long: `Print the JSON Schema of naru.yaml, with which editors complete keys and mark mistakes. Put this
line at the top of the file:

  # yaml-language-server: $schema=./naru.schema.json`,
		Example: `  naru schema > naru.schema.json`,
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			s.json = false // it is JSON as it is
			s.say("%s", text)
			return nil
		},
	}
}
