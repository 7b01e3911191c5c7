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

// Error is an error with a code and a message that says what to do. Problems name the places in the settings that are at
// fault, where that is so.
type Error struct {
	Code     Code
	Message  string
	Problems []deploy.Problem
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

func notFound(format string, a ...any) error {
	return &Error{Code: NotFound, Message: fmt.Sprintf(format, a...)}
}
func conflict(format string, a ...any) error {
	return &Error{Code: Conflict, Message: fmt.Sprintf(format, a...)}
}
func invalid(format string, a ...any) error {
	return &Error{Code: Invalid, Message: fmt.Sprintf(format, a...)}
}

// faulty refuses settings for what only a look at the world could find.
func faulty(service string, problems []deploy.Problem) error {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = fmt.Sprintf("services.%s.%s: %s", service, p.Path, p.Message)
	}
	return &Error{Code: Invalid, Message: strings.Join(lines, "\n"), Problems: problems}
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
