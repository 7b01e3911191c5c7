package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

type logQuery struct {
	Service  string `path:"service" doc:"Name of the service."`
	Revision string `query:"revision" doc:"Only this revision, its ended instances included."`
	Instance string `query:"instance" doc:"Only this instance."`
	Tail     int    `query:"tail" minimum:"0" doc:"Only the last lines; 0: all that are kept."`
	Since    string `query:"since" doc:"Only later lines: a time as RFC 3339 writes it, or how long ago, such as 10m."`
	Follow   bool   `query:"follow" doc:"Go on with what is printed from now on."`
}

// logs answers the lines of all instances asked for in the order of time, each as "TIME INSTANCE TEXT".
func (s *Server) logs(ctx context.Context, q *logQuery) (func(huma.Context), error) {
	since, err := moment(q.Since, time.Now())
	if err != nil {
		return nil, err
	}
	ids, err := s.logged(q)
	if err != nil {
		return nil, err
	}
	return func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		ctx, cancel := s.until(r.Context())
		defer cancel()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusOK)
		out := logStream{s.o.Engine, q, since, w, http.NewResponseController(w), map[string]string{}}
		if err := out.past(ctx, ids); err != nil {
			fmt.Fprintf(w, "naru: %v\n", err)
			return
		}
		if q.Follow {
			out.follow(ctx, func() []string { ids, _ := s.logged(q); return ids }) // a service that is gone has no instances
		}
	}, nil
}

// moment reads a time, or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	var ago deploy.Duration
	if err := ago.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, &engine.Error{Code: engine.Invalid, Message: fmt.Sprintf("since %q is neither a time, such as 2026-01-31T12:00:00Z, nor how long ago, such as 10m", text)}
	}
	return now.Add(-ago.D()), nil
}

// logged names the instances asked for: those that there are, or those of a revision, of which some may have ended.
func (s *Server) logged(q *logQuery) (ids []string, err error) {
	status, err := s.o.Engine.Status(q.Service)
	if err != nil {
		return nil, err
	}
	if q.Instance != "" {
		if !strings.HasPrefix(q.Instance, q.Service+"-r") {
			return nil, &engine.Error{Code: engine.NotFound, Message: fmt.Sprintf("%s is not an instance of %s", q.Instance, q.Service)}
		}
		return []string{q.Instance}, nil
	}
	for _, i := range status.Instances {
		if q.Revision == "" || i.Revision == q.Revision {
			ids = append(ids, i.ID)
		}
	}
	if q.Revision == "" {
		return ids, nil
	}
	kept, err := s.o.Engine.Revisions(q.Service)
	if err != nil {
		return nil, err
	}
	for _, r := range kept {
		if r.ID == q.Revision {
			return withEnded(ids, r), nil
		}
	}
	return nil, &engine.Error{Code: engine.NotFound, Message: fmt.Sprintf("%s has no revision %q; naru history %s lists them", q.Service, q.Revision, q.Service)}
}

// withEnded adds the names that instances of a revision may have had: twice as many as serve, for a warm standby.
func withEnded(ids []string, r deploy.Revision) []string {
	for slot := range 2 * r.Settings.Instances {
		if id := deploy.InstanceID(r.Service, r.ID, slot+1); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
