package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

// watching is how a command that begins a rollout follows it.
type watching struct {
	detach bool
	wait   time.Duration // 0: to the end
}

func (w *watching) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.detach, "detach", false, "return at once; naru status shows how it goes on")
	cmd.Flags().DurationVar(&w.wait, "wait", 0, "stop waiting after this `duration`, with status 3 (default: at the end)")
}

func deployCommand(s *shell) *cobra.Command {
	var file, message string
	var w watching
	cmd := &cobra.Command{
		Use:   "deploy SERVICE VERSION",
		Short: "Roll out a version of a service and follow it",
		Long: `Roll out a version of a service and follow it to the end.

The settings of the service are those of the file at this moment; they belong to the new
revision. A rollout that is under way is superseded: its instances serve until they are
replaced. When the service runs this version with these settings already, there is nothing
to do.

Every line shows the step, who runs and how the traffic is split, what each revision
answers, and what is waited for. At the end stands the receipt: what happened to every
request. Ctrl-C stops only the watching. Without a terminal nobody can answer an approval or
a pause: then the waiting ends there, or after --wait.

Exit status: 0 promoted, 1 refused, 2 rolled back or aborted, 3 stopped waiting while the
rollout goes on.`,
		Example: `  naru deploy chat 3.1
  naru deploy chat 3.1 -f production.yaml -m "faster search"
  naru deploy chat 3.1 --detach
  naru deploy chat 3.1 --wait 30m --json | tail -n 1`,
		Args: arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.following(func() error {
				f, settings, err := settings(file, args[0])
				if err != nil {
					return err
				}
				d, err := deployment(args[1], settings, message)
				if err != nil {
					return err
				}
				c, err := s.client(f.Server.Admin, f.Server.AdminTokenFile)
				if err != nil {
					return err
				}
				r, err := c.Deploy(cmd.Context(), args[0], d)
				if err != nil {
					return placed(err, f, args[0])
				}
				return s.begun(cmd.Context(), c, r, w)
			})
		},
	}
	fileFlag(cmd, &file)
	cmd.Flags().StringVarP(&message, "message", "m", "", "`text` that history keeps")
	w.flags(cmd)
	return cmd
}

// begun says what a command has begun, and follows it unless nobody wants that.
func (s *shell) begun(ctx context.Context, c *api.Client, r api.Rollout, w watching) error {
	switch {
	case r.Nothing && s.json:
		return s.object(r)
	case r.Nothing:
		s.say("nothing to do: %s runs version %s with these settings already", r.Service, r.Version)
		return nil
	case w.detach && s.json:
		return s.object(r)
	case w.detach:
		s.say("%s: rollout %s to %s (%s) has begun; naru status %s --watch follows it", r.Service, r.ID, r.To, r.Version, r.Service)
		return nil
	}
	return s.follow(ctx, c, r, w)
}
