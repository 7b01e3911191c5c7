package engine

import (
	"context"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// told is after how long a time in which the world cannot be looked at those who follow a rollout hear of it: not of an engine that
// is restarted at once.
const told = 2 * time.Second

// blindness is a time in which the platform cannot be asked, and so nothing is decided.
type blindness struct {
	since time.Time // zero: it can
	why   string
	told  string // rollout whose followers know
}

// over is the state once it can be looked at the world again: nothing of the time before is held against anybody.
func (b blindness) over(s deploy.State, now time.Time) deploy.State {
	switch {
	case b.since.IsZero():
		return s
	case now.Sub(b.since) < told:
		b.why = ""
	}
	return s.Unseen(b.since, now, b.why)
}

// blind notes and shows why the world cannot be looked at. Commands may change the state meanwhile: what it says is shown as it is,
// beside instances and traffic as they were seen last.
func (l *loop) blind(err error, now time.Time) {
	if l.blindness.why != err.Error() { // many times a second, for as long as it lasts
		l.e.log.Error("observe", "service", l.name, "error", err)
	}
	if l.blindness.since.IsZero() {
		l.blindness.since = now
	}
	l.blindness.why = err.Error()
	if r, open := l.state.Open(); open && l.blindness.told != r.ID && now.Sub(l.blindness.since) >= told {
		l.blindness.told = r.ID
		l.tell(deploy.Event{Time: now, Service: l.name, Rollout: r.ID, Revision: r.To, Kind: deploy.EventBlind,
			Message: "it waits, and its clocks stand still, until it can be seen again what runs: " + err.Error()})
	}
	was := *l.shown.Load()
	preview := ""
	if was.Rollout != nil {
		preview = was.Rollout.Previews
	}
	s := l.outline(preview)
	s.Instances, s.Held, s.Traffic = was.Instances, was.Held, was.Traffic
	s.Problem = "nothing is decided while this lasts, and what is shown of instances and traffic is what was seen last: " + err.Error()
	l.shown.Store(&s)
}

// unseen is what a rollout waits for while the world cannot be looked at. One that is paused goes on waiting for a person.
func (b blindness) unseen(r deploy.Rollout) string {
	switch {
	case b.since.IsZero() || r.Phase == deploy.Paused:
		return ""
	case r.Phase == deploy.Analysing:
		return b.why
	}
	return "the platform to answer: " + b.why
}

// visible refuses to begin anything of a service of which nobody can see what runs: it would wait for that, and whoever asks for it
// is told before anything has begun. It is asked beside the loop, because an answer may take its time.
func (e *Engine) visible(ctx context.Context, service string) error {
	if _, err := e.o.Platform.List(ctx, service); err != nil {
		return conflict("nothing has begun, because it cannot be seen now what runs of %s: %v; then say it again", service, err)
	}
	return nil
}
