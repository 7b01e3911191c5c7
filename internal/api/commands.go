package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

func (s *Server) deploy(ctx context.Context, in *with[Deployment]) (Rollout, error) {
	settings, err := s.settings(in.Service, in.Body.Service)
	if err != nil {
		return Rollout{}, err
	}
	a, err := s.o.Engine.Deploy(ctx, engine.DeployRequest{Service: in.Service, Version: in.Body.Version, Settings: settings, Message: in.Body.Message, Who: in.Who})
	return answered(in.Service, a, in.Body.Message), err
}

// settings reads the settings of a service; the error lists everything that is wrong.
func (s *Server) settings(service string, text []byte) (deploy.Service, error) {
	settings, problems := config.ParseService(text)
	if len(problems) == 0 {
		return config.Absolute(settings, s.o.Folder), nil
	}
	var lines []string
	for _, p := range problems {
		line := p.Message
		if p.Path != "" {
			line = p.Path + ": " + line
		}
		lines = append(lines, line)
	}
	return settings, &engine.Error{Code: engine.Invalid, Message: fmt.Sprintf("the settings of %s are not valid:\n  %s", service, strings.Join(lines, "\n  "))}
}

func (s *Server) plan(ctx context.Context, in *with[Deployment]) (deploy.Plan, error) {
	settings, err := s.settings(in.Service, in.Body.Service)
	if err != nil {
		return deploy.Plan{}, err
	}
	state, err := s.o.Engine.State(ctx, in.Service)
	if err != nil {
		return deploy.Plan{}, err
	}
	to := fmt.Sprintf("r%d", state.Revisions+1)
	p, err := deploy.NewPlan(state, deploy.Request{To: to, Settings: settings, Version: in.Body.Version, By: "deploy"}, time.Now())
	if err != nil {
		return deploy.Plan{}, err
	}
	if p.From != "" {
		p.FromVersion = s.version(in.Service, p.From)
	}
	p.Notes = append(p.Notes, s.o.Engine.Lacks(in.Service, in.Body.Version, settings)...)
	if p.Steps[len(p.Steps)-1].Held > 0 {
		if why := s.o.Engine.Irreplaceable(ctx, in.Service, p.From, p.To); why != "" {
			p.Notes = append(p.Notes, why)
		}
	}
	return p, nil
}

// version is that of a kept revision.
func (s *Server) version(service, revision string) string {
	kept, _ := s.o.Engine.Revisions(service) // what cannot be read is only not shown
	for _, r := range kept {
		if r.ID == revision {
			return r.Version
		}
	}
	return ""
}

func (s *Server) promote(ctx context.Context, in *maybe[Promotion]) (Rollout, error) {
	return s.command(ctx, in.Service, deploy.Command{Verb: deploy.Promote, Full: in.Body != nil && in.Body.Full})
}

// say makes the operation of a verb that needs no further words.
func (s *Server) say(verb deploy.Verb) func(context.Context, *ofService) (Rollout, error) {
	return func(ctx context.Context, in *ofService) (Rollout, error) {
		return s.command(ctx, in.Service, deploy.Command{Verb: verb})
	}
}

func (s *Server) abort(ctx context.Context, in *maybe[Word]) (Rollout, error) {
	c := deploy.Command{Verb: deploy.Abort}
	if in.Body != nil {
		c.Reason = in.Body.Reason
	}
	return s.command(ctx, in.Service, c)
}

// command answers the rollout as the command has left it.
func (s *Server) command(ctx context.Context, service string, c deploy.Command) (Rollout, error) {
	if err := s.o.Engine.Command(ctx, service, c); err != nil {
		return Rollout{}, err
	}
	return s.rollout(ctx, &ofRollout{service, "latest"})
}

func (s *Server) retry(ctx context.Context, in *asked) (Rollout, error) {
	a, err := s.o.Engine.Retry(ctx, in.Service, in.Who)
	return answered(in.Service, a, ""), err
}

func (s *Server) rollback(ctx context.Context, in *maybe[Return]) (Rollout, error) {
	var body Return
	if in.Body != nil {
		body = *in.Body
	}
	a, err := s.o.Engine.Rollback(ctx, in.Service, engine.RollbackRequest{Revision: body.Revision, Canary: body.Canary, Message: body.Message, Who: in.Who})
	return answered(in.Service, a, body.Message), err
}

func (s *Server) drill(ctx context.Context, in *maybe[Which]) (engine.DrillReport, error) {
	var body Which
	if in.Body != nil {
		body = *in.Body
	}
	return s.o.Engine.Drill(ctx, in.Service, body.Revision)
}

func (s *Server) pin(ctx context.Context, in *with[Which]) (Pins, error) {
	return s.pins(ctx, in.Service, s.o.Engine.Pin(ctx, in.Service, in.Body.Revision))
}

func (s *Server) unpin(ctx context.Context, in *with[Which]) (Pins, error) {
	return s.pins(ctx, in.Service, s.o.Engine.Unpin(ctx, in.Service, in.Body.Revision))
}

func (s *Server) pins(ctx context.Context, service string, err error) (Pins, error) {
	if err != nil {
		return Pins{}, err
	}
	state, err := s.o.Engine.State(ctx, service)
	return Pins{service, orEmpty(state.Pins)}, err
}

func (s *Server) garbage(ctx context.Context, _ *nothing) (engine.Collection, error) {
	return s.o.Engine.Collect(ctx, true), nil
}

func (s *Server) collect(ctx context.Context, _ *nothing) (engine.Collection, error) {
	return s.o.Engine.Collect(ctx, false), nil
}

func (s *Server) scale(ctx context.Context, in *with[Scaling]) (engine.Status, error) {
	if err := s.o.Engine.Scale(ctx, in.Service, in.Body.Instances); err != nil {
		return engine.Status{}, err
	}
	return s.o.Engine.Status(in.Service)
}

func (s *Server) remove(ctx context.Context, in *ofService) (engine.Status, error) {
	status, err := s.o.Engine.Status(in.Service)
	if err != nil {
		return engine.Status{}, err
	}
	return status, s.o.Engine.Remove(ctx, in.Service)
}

// ended says that everything has been stopped.
type ended struct {
	Down bool `json:"down"`
}

func (s *Server) down(ctx context.Context, in *struct{ Body *Ending }) (ended, error) {
	return ended{true}, s.o.Down(ctx, in.Body != nil && in.Body.Now)
}
