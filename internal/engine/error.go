package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Code sorts errors for the edge: the API maps it to a status once.
type Code string

const (
	Invalid  Code = "invalid"   // the request itself is wrong
	NotFound Code = "not_found" // what it names does not exist
	Conflict Code = "conflict"  // it makes no sense now
	Refused  Code = "refused"   // understood and valid, and not carried out
	Internal Code = "internal"
)

// Error is an error with a code and a message that says what to do.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// CodeOf returns the code of an error: Conflict for a refusal of the core, Internal for anything unknown.
func CodeOf(err error) Code {
	var e *Error
	var r *deploy.Refusal
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.As(err, &r):
		return Conflict
	}
	return Internal
}

func notFound(format string, a ...any) error { return &Error{NotFound, fmt.Sprintf(format, a...)} }
func conflict(format string, a ...any) error { return &Error{Conflict, fmt.Sprintf(format, a...)} }
func invalid(format string, a ...any) error  { return &Error{Invalid, fmt.Sprintf(format, a...)} }

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
