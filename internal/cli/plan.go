package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
)

func planCommand(s *shell) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "plan SERVICE VERSION",
		Short: "Show the steps that a deploy would take",
		Long: `Show the steps that a deploy would take, before anything happens: the instances of each revision
and their part of the traffic, the capacity that is left while the step is being reached, the
most instances that exist at once, what must hold before the next step, and about how long it
takes; what follows, and what the way back would be.

The plan begins where the service stands now. When no server answers, it assumes that the
service of the file serves at full strength, and says so.`,
		Example: `  naru plan chat 3.1
  naru plan shop 1.1 -f examples/shop/naru.yaml --json`,
		Args: arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.planned(cmd.Context(), file, args[0], args[1])
			if err != nil {
				return err
			}
			if s.json {
				return s.object(p)
			}
			writePlan(s.out, p)
			return nil
		},
	}
	fileFlag(cmd, &file)
	return cmd
}

// planned asks the server for the plan, or makes one when there is none to ask.
func (s *shell) planned(ctx context.Context, file, service, version string) (deploy.Plan, error) {
	f, settings, err := settings(file, service)
	if err != nil {
		return deploy.Plan{}, err
	}
	d, err := deployment(version, settings, "")
	if err != nil {
		return deploy.Plan{}, err
	}
	c, err := s.client(f.Server.Admin, f.Server.AdminTokenFile)
	if err != nil {
		return deploy.Plan{}, err
	}
	p, err := c.Plan(ctx, service, d)
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.Unavailable {
		return p, err
	}
	p, err = deploy.NewPlan(assumed(service, settings), deploy.Request{To: "r2", Settings: settings, Version: version, By: "deploy"}, time.Now())
	p.Notes = append([]string{fmt.Sprintf("no server answers: this assumes that r1 serves with the settings of %s, at full strength", file)}, p.Notes...)
	return p, err
}

// assumed is the state of a service that serves as its settings say.
func assumed(service string, settings deploy.Service) deploy.State {
	n := settings.Instances
	rest := deploy.Picture{Service: service, Stable: "r1", MaxTotal: n, MinServing: n, Drain: settings.DrainTimeout.D(),
		Groups: []deploy.Group{{Revision: "r1", Instances: n, Share: deploy.Whole, Await: true}}}
	return deploy.State{Service: service, Stable: "r1", Instances: n, Rest: rest, Revisions: 1}
}
