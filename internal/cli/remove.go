package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/engine"
)

func removeCommand(s *shell) *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use:   "remove SERVICE",
		Short: "Drain a service and forget it",
		Long: `Drain a service and forget it: it gets no new requests, those in flight finish, its instances are
stopped, and its revisions and history are deleted. Other services are not touched. A service
that is still in the file is known again after the next "naru serve".`,
		Example: `  naru remove chat`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			if _, err := c.Remove(cmd.Context(), args[0]); err != nil {
				return err
			}
			if !detach {
				if err := gone(cmd.Context(), c, args[0]); err != nil {
					return err
				}
			}
			if s.json {
				return s.object(map[string]any{"service": args[0], "removed": !detach})
			}
			if detach {
				s.say("%s is being drained", args[0])
			} else {
				s.say("%s is removed", args[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "return at once, while it drains")
	return cmd
}

// gone waits until the server does not know the service any more.
func gone(ctx context.Context, c *api.Client, service string) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		_, err := c.Status(ctx, service)
		var e *api.Error
		switch {
		case errors.As(err, &e) && e.Code == engine.NotFound:
			return nil
		case ctx.Err() != nil:
			return &exit{open, fmt.Sprintf("stopped waiting; %s goes on draining", service)}
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
}
