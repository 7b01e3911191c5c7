package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/naru-deploy/naru/internal/store"
)

// heartbeat is the time between two comments on a quiet stream: they keep intermediaries from closing it, and tell the
// server that a client has gone.
const heartbeat = 15 * time.Second

// patience is how long a client may take to read what it is sent. One that has stopped reading is cut off: it comes back.
const patience = 30 * time.Second

type eventQuery struct {
	Service string `query:"service" doc:"Only events of this service."`
	Rollout string `query:"rollout" doc:"Only events of this rollout."`
	After   uint64 `query:"after" doc:"Only events with a higher number. Without it: everything that is kept."`
	Last    string `header:"Last-Event-ID" doc:"As after; what a client sends that connects again."`
	Past    bool   `query:"past" doc:"End when everything that has happened by now is sent."`
}

// wants reports whether an event is asked for.
func (q *eventQuery) wants(e store.Event) bool {
	return (q.Service == "" || q.Service == e.Service) && (q.Rollout == "" || q.Rollout == e.Rollout)
}

func (s *Server) events(ctx context.Context, q *eventQuery) (func(huma.Context), error) {
	if q.Last != "" {
		if _, err := fmt.Sscan(q.Last, &q.After); err != nil {
			return nil, &Error{Status: http.StatusBadRequest, Code: Malformed, Message: fmt.Sprintf("Last-Event-ID %q is not the number of an event", q.Last)}
		}
	}
	ctx, cancel := s.until(ctx)
	past, live, err := s.o.Engine.Events(ctx, q.After)
	if err != nil {
		cancel()
		return nil, err
	}
	return func(hc huma.Context) {
		defer cancel()
		_, w := humago.Unwrap(hc)
		out := eventStream{w, http.NewResponseController(w)}
		out.send(ctx, q, past, live)
	}, nil
}

// eventStream writes server-sent events (WHATWG HTML, section 9.2).
type eventStream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// send writes what is past and then what comes, each event once, until somebody goes away.
func (o eventStream) send(ctx context.Context, q *eventQuery, past []store.Event, live <-chan store.Event) {
	o.w.Header().Set("Content-Type", "text/event-stream")
	o.w.Header().Set("Cache-Control", "no-store")
	o.w.WriteHeader(http.StatusOK)
	last := q.After
	for _, e := range past {
		last = e.Number
		if q.wants(e) && !o.event(e) {
			return
		}
	}
	if o.rc.Flush() != nil || q.Past {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for ok := true; ok; {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			ok = o.write(": still here\n\n") && o.rc.Flush() == nil
		case e, open := <-live:
			if !open { // cut off for being slow, or the engine ends; the client comes back
				return
			}
			if e.Number > last { // the past was read after the subscription began
				last = e.Number
				ok = !q.wants(e) || o.event(e) && o.rc.Flush() == nil
			}
		}
	}
}

func (o eventStream) event(e store.Event) bool {
	text, err := json.Marshal(e)
	if err != nil {
		return false
	}
	return o.write(fmt.Sprintf("id: %d\ndata: %s\n\n", e.Number, text))
}

func (o eventStream) write(text string) bool {
	_ = o.rc.SetWriteDeadline(time.Now().Add(patience)) // where there is none, a dead client is found by TCP
	_, err := io.WriteString(o.w, text)
	return err == nil
}
