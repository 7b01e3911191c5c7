package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// inputs of requests: huma reads them by their tags and describes them in the OpenAPI document.
type (
	nothing   struct{}
	ofService struct {
		Service string `path:"service" doc:"Name of the service."`
	}
	ofRollout struct {
		Service string `path:"service" doc:"Name of the service."`
		ID      string `path:"id" doc:"Of the rollout; latest: the last one."`
	}
	asked struct { // by somebody
		Service string `path:"service" doc:"Name of the service."`
		Who     string `header:"Naru-User" maxLength:"100" doc:"Who asks, for history; nothing is allowed or refused by it."`
	}
	with[T any] struct {
		Service string `path:"service" doc:"Name of the service."`
		Who     string `header:"Naru-User" maxLength:"100" doc:"Who asks, for history; nothing is allowed or refused by it."`
		Body    T
	}
	maybe[T any] struct { // a body that may be left out
		Service string `path:"service" doc:"Name of the service."`
		Who     string `header:"Naru-User" maxLength:"100" doc:"Who asks, for history; nothing is allowed or refused by it."`
		Body    *T
	}
	answer[T any] struct {
		Body T
	}
)

// maxBody bounds a request's body; settings of a service are a few kilobytes.
const maxBody = 1 << 20

// routes declares every operation of the API.
func (s *Server) routes(a huma.API) {
	handle(a, "GET", "/v1/services", "List the services with their status", s.list)
	handle(a, "GET", "/v1/services/{service}", "Show the status of a service", s.status)
	handle(a, "GET", "/v1/services/{service}/revisions", "List the kept revisions, oldest first, with their readiness for a rollback", s.revisions)
	handle(a, "GET", "/v1/services/{service}/rollouts", "List the rollouts, oldest first", s.rollouts)
	handle(a, "GET", "/v1/services/{service}/rollouts/{id}", "Show a rollout", s.rollout)
	handle(a, "GET", "/v1/services/{service}/rollouts/{id}/receipt", "Show what happened to every request of a rollout that has ended", s.receipt)

	handle(a, "POST", "/v1/services/{service}/rollouts", "Begin the rollout of a version", s.deploy)
	handle(a, "POST", "/v1/services/{service}/plan", "Show the steps that a rollout would take", s.plan)
	handle(a, "POST", "/v1/services/{service}/promote", "Count this step's bake time, approval and missing evidence as passed", s.promote)
	handle(a, "POST", "/v1/services/{service}/pause", "Stop where the rollout is; a failing verdict still rolls back", s.say(deploy.Pause))
	handle(a, "POST", "/v1/services/{service}/resume", "Go on", s.say(deploy.Resume))
	handle(a, "POST", "/v1/services/{service}/abort", "Roll the open rollout back", s.abort)
	handle(a, "POST", "/v1/services/{service}/retry", "Begin the last failed rollout anew", s.retry)
	handle(a, "POST", "/v1/services/{service}/rollback", "Go back to an earlier revision", s.rollback)
	handle(a, "POST", "/v1/services/{service}/drill", "Try out a rollback: start one instance without traffic, ask how it is, remove it", s.drill)
	handle(a, "POST", "/v1/services/{service}/pin", "Keep a revision for good", s.pin)
	handle(a, "POST", "/v1/services/{service}/unpin", "Keep a revision no longer than others", s.unpin)
	handle(a, "POST", "/v1/services/{service}/scale", "Change how many instances run", s.scale)
	handle(a, "POST", "/v1/services/{service}/remove", "Drain a service and forget it", s.remove)
	handle(a, "GET", "/v1/garbage", "List what nobody needs any more and naru gc would remove", s.garbage)
	handle(a, "POST", "/v1/garbage", "Remove what nobody needs any more", s.collect)
	handle(a, "POST", "/v1/down", "Drain and stop everything: instances, proxy, controller", s.down)

	stream(a, "/v1/events", "Follow what happens, as server-sent events", "text/event-stream", s.events)
	stream(a, "/v1/services/{service}/logs", "Read what the instances print, in the order of time", "text/plain", s.logs)

	for _, foreign := range []string{"ErrorModel", "ErrorDetail"} { // huma describes its own errors, which are never sent
		delete(a.OpenAPI().Components.Schemas.Map(), foreign)
	}
}

// handle declares an operation whose errors come from the engine.
func handle[I, O any](a huma.API, method, path, summary string, do func(context.Context, *I) (O, error)) {
	huma.Register(a, operation(a, method, path, summary), func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, failure(err)
		}
		return &answer[O]{out}, nil
	})
}

// stream declares an operation that writes as long as it likes. do returns an error only before it has written.
func stream[I any](a huma.API, path, summary, content string, do func(context.Context, *I) (func(huma.Context), error)) {
	op := operation(a, http.MethodGet, path, summary)
	op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{content: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(a, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		write, err := do(ctx, in)
		if err != nil {
			return nil, failure(err)
		}
		return &huma.StreamResponse{Body: write}, nil
	})
}

func operation(a huma.API, method, path, summary string) huma.Operation {
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[envelope](), true, "Error")
	problem := &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	return huma.Operation{OperationID: huma.GenerateOperationID(method, path, struct{}{}), Method: method, Path: path, Summary: summary,
		MaxBodyBytes: maxBody, Responses: map[string]*huma.Response{"default": problem}}
}

func (s *Server) list(context.Context, *nothing) (services, error) {
	return services{s.o.Engine.Statuses()}, nil
}

func (s *Server) status(_ context.Context, in *ofService) (engine.Status, error) {
	return s.o.Engine.Status(in.Service)
}

func (s *Server) revisions(ctx context.Context, in *ofService) (revisions, error) {
	list, err := s.o.Engine.Kept(ctx, in.Service)
	return revisions{orEmpty(list)}, err
}

func (s *Server) rollouts(ctx context.Context, in *ofService) (rollouts, error) {
	records, err := s.o.Engine.Records(in.Service)
	if err != nil {
		return rollouts{}, err
	}
	state, err := s.o.Engine.State(ctx, in.Service)
	if err != nil {
		return rollouts{}, err
	}
	kept, err := s.o.Engine.Revisions(in.Service)
	list := []Rollout{}
	for _, r := range records {
		list = append(list, history(r, state, kept))
	}
	return rollouts{list}, err
}

func (s *Server) rollout(ctx context.Context, in *ofRollout) (Rollout, error) {
	record, err := s.o.Engine.Record(in.Service, latest(in.ID))
	if err != nil {
		return Rollout{}, err
	}
	state, err := s.o.Engine.State(ctx, in.Service)
	if err != nil {
		return Rollout{}, err
	}
	kept, err := s.o.Engine.Revisions(in.Service)
	return history(record, state, kept), err
}

func (s *Server) receipt(_ context.Context, in *ofRollout) (deploy.Receipt, error) {
	record, err := s.o.Engine.Record(in.Service, latest(in.ID))
	switch {
	case err != nil:
		return deploy.Receipt{}, err
	case record.Cut:
		return deploy.Receipt{}, &engine.Error{Code: engine.NotFound, Message: fmt.Sprintf("the receipt of %s is kept no longer: its revision %s is gone, and it is none of the last rollouts; naru history %s has its outcome", record.Rollout.ID, record.Rollout.To, in.Service)}
	case record.Receipt == nil:
		return deploy.Receipt{}, &engine.Error{Code: engine.Conflict, Message: fmt.Sprintf("rollout %s is still open: its receipt is written when it ends", record.Rollout.ID)}
	}
	return *record.Receipt, nil
}

func latest(id string) string {
	if id == "latest" {
		return ""
	}
	return id
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
