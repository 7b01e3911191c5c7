package cli

import (
	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func pinCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "pin SERVICE REVISION",
		Short: "Keep a revision for good",
		Long: `Keep a revision for good, with its artifact or image, its logs and its receipt: neither number nor
age (keep, in the file) make it go, and it takes no place from others. "naru history SERVICE"
lists the revisions.`,
		Example: `  naru pin chat r7`,
		Args:    arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.pins(func(c *api.Client) (api.Pins, error) { return c.Pin(cmd.Context(), args[0], args[1]) })
		},
	}
}

func unpinCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "unpin SERVICE REVISION",
		Short: "Keep a revision no longer than others",
		Long: `Keep a revision no longer than others: when its number or its age says so (keep, in the file), it
goes at once.`,
		Example: `  naru unpin chat r7`,
		Args:    arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.pins(func(c *api.Client) (api.Pins, error) { return c.Unpin(cmd.Context(), args[0], args[1]) })
		},
	}
}

// pins changes what is pinned and says what is from now on.
func (s *shell) pins(change func(*api.Client) (api.Pins, error)) error {
	c, err := s.client("", "")
	if err != nil {
		return err
	}
	p, err := change(c)
	if err != nil {
		return err
	}
	if s.json {
		return s.object(p)
	}
	s.say("%s: pinned are %s", p.Service, orNone(p.Pinned))
	return nil
}
