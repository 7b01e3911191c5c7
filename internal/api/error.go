package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// Codes that only the edge knows; the others are those of package engine.
const (
	Unauthorized engine.Code = "unauthorized" // 401: no token or a wrong one
	Forbidden    engine.Code = "forbidden"    // 403: from a web page of somebody else
	Malformed    engine.Code = "malformed"    // 400: not HTTP or JSON as it should be
	Unavailable  engine.Code = "unavailable"  // no server answers; made by the client
)

// Error is what a request failed by: {"error":{"code","message","problems"}} on the wire.
type Error struct {
	Status   int // of HTTP; 0 when there was no answer
	Code     engine.Code
	Message  string
	Problems []deploy.Problem // the places in the posted settings that are at fault, where Message is about them
}

func (e *Error) Error() string { return e.Message }

// GetStatus tells huma which status to answer with.
func (e *Error) GetStatus() int { return e.Status }

// envelope is the form of an error on the wire.
type envelope struct {
	Error struct {
		Code     engine.Code      `json:"code" doc:"What kind of error it is, for programs."`
		Message  string           `json:"message" doc:"What happened, and what to do, for people."`
		Problems []deploy.Problem `json:"problems,omitempty" doc:"The places in the service's settings that are at fault."`
	} `json:"error"`
}

// MarshalJSON writes the envelope.
func (e *Error) MarshalJSON() ([]byte, error) {
	var v envelope
	v.Error.Code, v.Error.Message, v.Error.Problems = e.Code, e.Message, e.Problems
	return json.Marshal(v)
}

// failure gives an error of the engine its status. This is the only place that does.
func failure(err error) error {
	var mine *Error
	if errors.As(err, &mine) {
		return mine
	}
	code := engine.CodeOf(err)
	status := map[engine.Code]int{
		engine.Invalid:  http.StatusUnprocessableEntity,
		engine.NotFound: http.StatusNotFound,
		engine.Conflict: http.StatusConflict,
		engine.Refused:  http.StatusConflict,
	}[code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	failed := &Error{Status: status, Code: code, Message: err.Error()}
	if known, ok := errors.AsType[*engine.Error](err); ok {
		failed.Problems = known.Problems
	}
	return failed
}

// enveloped turns the errors that huma itself finds in a request into ours.
func enveloped(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	e := &Error{Status: m.Status, Code: engine.Invalid, Message: m.Detail}
	switch {
	case m.Status == http.StatusRequestEntityTooLarge, m.Status == http.StatusBadRequest:
		e.Code = Malformed
	case m.Status >= 500:
		e.Code = engine.Internal
	}
	var details []string
	for _, d := range m.Errors {
		details = append(details, strings.TrimPrefix(strings.TrimPrefix(d.Location, "body"), ".")+": "+d.Message)
	}
	if len(details) > 0 {
		e.Message = strings.TrimPrefix(strings.Join(details, "\n"), ": ")
	}
	ctx.SetHeader("Content-Type", "application/json")
	return e, nil
}

// refuse answers an error outside of huma.
func refuse(w http.ResponseWriter, status int, code engine.Code, format string, a ...any) {
	text, _ := json.Marshal(&Error{Status: status, Code: code, Message: fmt.Sprintf(format, a...)}) // strings: it cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone needs no answer
}
