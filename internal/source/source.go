package source

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Roles of the revision that a question is about.
const (
	Canary = "canary"
	Stable = "stable"
)

// Question says whom a figure is asked about. A web hook is posted it as it stands.
type Question struct {
	Service  string `json:"service"`
	Rollout  string `json:"rollout"`
	Revision string `json:"revision"` // r7; empty: there is nobody to ask about, and nothing is asked
	Version  string `json:"version"`
	Role     string `json:"role"` // Canary or Stable
}

// fill puts the names of the question into a text.
func (q Question) fill(text string) string {
	return strings.NewReplacer("${SERVICE}", q.Service, "${REVISION}", q.Revision, "${VERSION}", q.Version).Replace(text)
}

// Reading is one answer.
type Reading struct {
	Value float64   // finite; 0 unless Known
	Known bool      // false: no data, or an error
	Err   string    // why there is no answer; empty: there is one, a number or no data
	At    time.Time // when it came
}

// Options is what a source needs of the machine that it is asked from.
type Options struct {
	Dir string   // absolute: where commands run, and where those with a slash in their name are found
	Env []string // environment of commands, to which NARU_… are added; nil: that of this process
}

// Asker asks one source. It keeps nothing between two questions and may be used by several goroutines.
type Asker struct {
	kind    kind
	timeout time.Duration
}

// kind is one way to ask. The error is a *fault; nil without one is no data.
type kind interface {
	ask(ctx context.Context, q Question) (*float64, error)
}

// New returns an asker for settings that are normalised and valid. The error says what of them cannot be used after all,
// such as a URL with a broken escape.
func New(s deploy.Source, o Options) (*Asker, error) {
	a := &Asker{timeout: s.Timeout.D()}
	var err error
	switch {
	case s.Prometheus != nil:
		a.kind, err = newPrometheus(*s.Prometheus)
	case s.Webhook != nil:
		a.kind, err = newWebhook(*s.Webhook)
	case len(s.Command) > 0:
		a.kind = command{s.Command, o}
	default:
		err = &fault{wrong: true, who: "the source", text: "has no kind: write exactly one of prometheus, webhook and command"}
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Ask asks once, and waits for as long as the source's timeout allows.
func (a *Asker) Ask(ctx context.Context, q Question) Reading {
	value, err := a.ask(ctx, q)
	r := Reading{At: time.Now()}
	switch {
	case err != nil:
		r.Err = err.Error()
	case value != nil:
		r.Value, r.Known = *value, true
	}
	return r
}

func (a *Asker) ask(ctx context.Context, q Question) (*float64, error) {
	within, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	value, err := a.kind.ask(within, q)
	var f *fault
	if errors.As(err, &f) && ctx.Err() == nil && errors.Is(within.Err(), context.DeadlineExceeded) {
		return nil, f.late(a.timeout)
	}
	if err != nil || value == nil || math.IsNaN(*value) || math.IsInf(*value, 0) { // 0/0 is how PromQL says no data
		return nil, err
	}
	return value, nil
}
