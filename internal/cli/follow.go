package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/store"
)

// Times of following.
const (
	followLook    = 250 * time.Millisecond // between two looks at the rollout
	followBrief   = time.Second            // between two lines of progress for somebody who watches
	followQuiet   = 10 * time.Second       // the same, into a file
	followMissing = 2 * time.Minute        // without a word of the server
)

// following runs a command whose output is read line by line: with --json also its error is a line there.
func (s *shell) following(run func() error) error {
	err := run()
	if errors.Is(err, context.Canceled) {
		err = &exit{open, "stopped before the server had answered; naru status shows whether a rollout has begun"}
	}
	var e *exit
	if err == nil || !s.json || errors.As(err, &e) && e.status != refused {
		return err
	}
	var known *api.Error
	if !errors.As(err, &known) {
		known = &api.Error{Code: engine.Invalid, Message: err.Error()}
	}
	return errors.Join(err, s.object(known))
}

// follower watches one rollout from its beginning to its end.
type follower struct {
	s     *shell
	c     *api.Client
	first api.Rollout
	watching

	seen     uint64 // number of the last event that was printed
	progress progress
	printed  time.Time // the last line of progress
	answered time.Time // the last word of the server
	missing  bool      // and that it does not answer was said
}

// follow watches a rollout and ends as its outcome demands.
func (s *shell) follow(ctx context.Context, c *api.Client, r api.Rollout, w watching) error {
	f := follower{s: s, c: c, first: r, watching: w, answered: time.Now()}
	if !s.json {
		s.say("%s: rollout %s, %s to %s (%s)", r.Service, r.ID, orNothing(r.From), r.To, r.Version)
	}
	last, err := f.watch(ctx)
	if err != nil {
		return err
	}
	return f.end(ctx, last)
}

// watch returns the rollout as it has ended, or an exit when the waiting ends before.
func (f *follower) watch(ctx context.Context) (api.Rollout, error) {
	streamed, stop := context.WithCancel(ctx)
	events := make(chan store.Event)
	var reader sync.WaitGroup
	reader.Go(func() {
		for e, err := range f.c.Events(streamed, api.EventFilter{Service: f.first.Service, Rollout: f.first.ID}) {
			if err != nil {
				continue // the looks say that the server does not answer
			}
			select {
			case events <- e:
			case <-streamed.Done():
			}
		}
	})
	defer reader.Wait()
	defer stop()
	looks := time.NewTicker(followLook)
	defer looks.Stop()
	var deadline <-chan time.Time
	if f.wait > 0 {
		deadline = time.After(f.wait)
	}
	for {
		select {
		case <-ctx.Done():
			return f.first, f.leave("stopped watching")
		case <-deadline:
			return f.first, f.leave("stopped waiting after " + deploy.Duration(f.wait).String())
		case e := <-events:
			if err := f.event(e); err != nil {
				return f.first, err
			}
		case <-looks.C:
			r, err := f.look(ctx)
			if err != nil || !r.Open() {
				return r, err
			}
		}
	}
}

// event prints one.
func (f *follower) event(e store.Event) error {
	if e.Number <= f.seen {
		return nil
	}
	f.seen = e.Number
	if f.s.json {
		return f.s.object(e)
	}
	writeUnder(f.s.out, clock(e.Time)+"  ", e.Message)
	f.printed = time.Time{} // and how things stand is shown anew
	return nil
}

// look asks how the rollout stands and shows it from time to time. The error is an exit: somebody must act.
func (f *follower) look(ctx context.Context) (api.Rollout, error) {
	r, err := f.c.Rollout(ctx, f.first.Service, f.first.ID)
	if err == nil && r.Open() && (r.Phase == deploy.Approval || r.Phase == deploy.Paused) && f.wait == 0 && !f.s.terminal() {
		return r, f.leave(fmt.Sprintf("%s: %s", r.Phase, r.Waiting))
	}
	var status engine.Status
	if err == nil {
		status, err = f.c.Status(ctx, f.first.Service)
	}
	if err != nil {
		return f.first, f.silence(ctx, err)
	}
	f.answered, f.missing = time.Now(), false
	f.progress.see(status, f.answered)
	if r.Open() && time.Since(f.printed) >= f.pace() && status.Rollout != nil {
		f.printed = f.answered
		if f.s.json {
			return r, f.s.object(status)
		}
		writeUnder(f.s.out, clock(f.answered)+"  ", f.progress.line(status))
	}
	return r, nil
}

// pace is how often progress is shown.
func (f *follower) pace() time.Duration {
	if file, ok := f.s.out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return followBrief
		}
	}
	return followQuiet
}

// silence bears with a server that is started again: neither traffic nor instances depend on it.
func (f *follower) silence(ctx context.Context, err error) error {
	var e *api.Error
	switch {
	case ctx.Err() != nil:
		return nil // the watch sees it
	case !errors.As(err, &e) || e.Code != api.Unavailable:
		return err
	case time.Since(f.answered) > followMissing:
		return &exit{open, fmt.Sprintf("%s; the rollout goes on when it is started again", e.Message)}
	case !f.missing:
		f.missing = true
		fmt.Fprintf(f.s.err, "naru: the server does not answer; waiting for it (traffic goes on without it)\n")
	}
	return nil
}

// leave ends the watching of a rollout that goes on.
func (f *follower) leave(why string) error {
	if f.s.json {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // also after Ctrl-C
		defer cancel()
		if status, err := f.c.Status(ctx, f.first.Service); err == nil {
			if err := f.s.object(status); err != nil {
				return err
			}
		}
	}
	return &exit{open, fmt.Sprintf("%s; rollout %s goes on: see naru status %s, or say naru promote, resume or abort %s", why, f.first.ID, f.first.Service, f.first.Service)}
}

// end prints what is left of the events and the receipt.
func (f *follower) end(ctx context.Context, r api.Rollout) error {
	events, err := f.c.Past(ctx, api.EventFilter{Service: r.Service, Rollout: r.ID, After: f.seen})
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := f.event(e); err != nil {
			return err
		}
	}
	receipt, err := f.c.Receipt(ctx, r.Service, r.ID)
	if err != nil {
		return err
	}
	if err := f.s.receipt(receipt); err != nil {
		return err
	}
	if r.Outcome == deploy.Promoted {
		return nil
	}
	return &exit{undone, fmt.Sprintf("%s to %s (%s) was %s: %s", r.Service, r.To, r.Version, words(r.Outcome), r.Reason)}
}

// words writes an outcome for people.
func words(r deploy.Result) string {
	if r == deploy.RolledBack {
		return "rolled back"
	}
	return string(r)
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

func orNothing(revision string) string {
	if revision == "" {
		return "nothing"
	}
	return revision
}
