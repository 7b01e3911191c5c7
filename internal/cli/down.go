package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/config"
)

func downCommand(s *shell) *cobra.Command {
	var file string
	var now bool
	c := &cobra.Command{
		Use:   "down -f naru.yaml",
		Short: "Drain and stop everything: instances, proxy, controller",
		Long: `Closes the listeners, lets requests in flight finish, and stops the instances, the proxy and the controller. It works
without a running serve as well. What was deployed stays stored: the next serve starts it again.`,
		Example: "  naru down\n  naru down --now     without draining",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := config.Load(file)
			if err != nil {
				return err
			}
			return s.down(c.Context(), f, now)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "naru.yaml", "the configuration")
	c.Flags().BoolVar(&now, "now", false, "do not drain")
	return c
}

// tellDown tells the server to stop, wherever it is.
func (s *shell) tellDown(ctx context.Context, f *config.File, now bool) error {
	client, err := s.client(f.Server.Admin, f.Server.AdminTokenFile)
	if err != nil {
		return err
	}
	if err := client.Down(ctx, now); err != nil {
		return err
	}
	s.say("stopping")
	return nil
}
