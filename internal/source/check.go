package source

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Check asks every source once, all at the same time, before a rollout begins. A source whose settings are wrong, as a
// query that yields several series, is a problem; one that does not answer is a problem where it is required. No data is
// none. It is best asked about stable, of which there are figures, and about the canary, of which there may be none yet.
//
// The paths begin at the service: analysis.sources[0].prometheus.url.
func Check(ctx context.Context, sources []deploy.Source, o Options, about ...Question) []deploy.Problem {
	found := make([]*deploy.Problem, len(sources))
	var asking sync.WaitGroup
	for i, s := range sources {
		asking.Go(func() { found[i] = check(ctx, s, fmt.Sprintf("analysis.sources[%d]", i), o, about) })
	}
	asking.Wait()
	var problems []deploy.Problem
	for _, p := range found {
		if p != nil {
			problems = append(problems, *p)
		}
	}
	return problems
}

// check returns the first problem of a source, or nil.
func check(ctx context.Context, s deploy.Source, at string, o Options, about []Question) *deploy.Problem {
	a, err := New(s, o)
	if err != nil {
		return problem(at, err)
	}
	for _, q := range about {
		if q.Revision == "" || q.Role == Stable && !s.Compares() && s.Prometheus == nil {
			continue // nobody to ask about; or a program that would never be asked about stable
		}
		_, err := a.ask(ctx, q)
		var f *fault
		if errors.As(err, &f) && (f.wrong || s.Needed()) {
			return problem(at, err)
		}
	}
	return nil
}

func problem(at string, err error) *deploy.Problem {
	p := &deploy.Problem{Path: at, Message: err.Error()}
	var f *fault
	if !errors.As(err, &f) {
		return p
	}
	if f.part != "" {
		p.Path += "." + f.part
	}
	switch {
	case f.wrong: // the path says already of what it speaks
		p.Message = f.text
	case f.part == "command":
		p.Message += "; repair it, or set required: false"
	default:
		p.Message += "; start it, or set required: false"
	}
	return p
}
