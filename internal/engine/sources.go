package engine

import (
	"context"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/judge"
	"github.com/naru-deploy/naru/internal/source"
)

// asking is the outside sources of the step that the rollout is in.
type asking struct {
	rollout string
	step    int
	watcher *source.Watcher
}

// answers are the last words of the sources that the present step asks, from the moment that its picture is true.
func (l *loop) answers(r deploy.Rollout) (out []judge.Answer) {
	l.ask(r)
	if l.asking.watcher == nil {
		return nil
	}
	for _, s := range l.asking.watcher.Readings() {
		out = append(out, judge.Answer{Source: s.Source, Canary: s.Canary, Stable: s.Stable, Known: s.Known, Err: s.Err, At: s.At, Breaches: s.Breaches})
	}
	return out
}

// ask keeps the questions in step with the rollout.
func (l *loop) ask(r deploy.Rollout) {
	a := r.Step().Gate.Analysis
	switch {
	case r.Returning || r.Passed || a == nil || len(a.Sources) == 0 || l.asking.watcher != nil && (l.asking.rollout != r.ID || l.asking.step != r.At):
		l.hush()
	case l.asking.watcher == nil && !r.Reached.IsZero():
		canary, stable := l.question(r, r.To, source.Canary), l.question(r, r.From, source.Stable)
		l.asking = asking{r.ID, r.At, source.Watch(l.work.ctx, asked(r, a.Sources), folder(l.revisions[r.To].Settings), canary, stable, l.poke)}
	}
}

// asked are the sources that can say something in this step. Where stable has no traffic its figure is that of a revision
// which nobody uses, and no ratio to it is asked for.
func asked(r deploy.Rollout, sources []deploy.Source) (out []deploy.Source) {
	beside := r.Picture().Share(r.From) != 0
	for _, s := range sources {
		if !beside {
			s.MaxRatio, s.MinRatio = nil, nil
		}
		if beside || s.Max != nil || s.Min != nil {
			out = append(out, s)
		}
	}
	return out
}

// hush ends the questions.
func (l *loop) hush() {
	if l.asking.watcher != nil {
		l.work.jobs.Go(l.asking.watcher.Stop) // a command may take a moment to die
		l.asking = asking{}
	}
}

func (l *loop) question(r deploy.Rollout, revision, role string) source.Question {
	return source.Question{Service: l.name, Rollout: r.ID, Revision: revision, Version: l.revisions[revision].Version, Role: role}
}

// folder is where a service's commands run.
func folder(s deploy.Service) source.Options {
	return source.Options{Dir: s.Folder()}
}

// checkSources asks the sources of a service before its rollout begins: one that cannot be asked would be missed when it is
// needed.
func (e *Engine) checkSources(ctx context.Context, q DeployRequest) error {
	a := q.Settings.Analysis
	if !a.On() || len(a.Sources) == 0 {
		return nil
	}
	state, err := e.State(ctx, q.Service)
	if err != nil {
		return err
	}
	stable := source.Question{Service: q.Service, Revision: state.Stable, Role: source.Stable}
	kept, err := e.o.Store.Revisions(q.Service)
	if err != nil {
		return err
	}
	for _, r := range kept {
		if r.ID == state.Stable {
			stable.Version = r.Version
		}
	}
	canary := source.Question{Service: q.Service, Revision: deploy.RevisionID(state.Revisions + 1), Version: q.Version, Role: source.Canary}
	if problems := source.Check(ctx, a.Sources, folder(q.Settings), stable, canary); len(problems) > 0 {
		return faulty(q.Service, problems)
	}
	return nil
}
