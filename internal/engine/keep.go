package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

// KeptRevision is a stored revision as people see it.
type KeptRevision struct {
	deploy.Revision
	Pinned    bool       `json:"pinned"`
	Kept      deploy.Why `json:"kept"`                // what for; empty: it goes with the next tidying
	Readiness *Readiness `json:"readiness,omitempty"` // for a rollback to it; absent until it was looked at
}

// Kept returns the kept revisions of a service, oldest first, with what they are kept for and whether one could go back
// to them now.
func (e *Engine) Kept(ctx context.Context, service string) (out []KeptRevision, err error) {
	l, err := e.loop(service)
	if err != nil {
		return nil, err
	}
	err = l.do(ctx, func() error {
		records, err := e.o.Store.Records(service)
		if err != nil {
			return err
		}
		why := l.retained(records, time.Now())
		for _, rev := range l.sorted() {
			out = append(out, KeptRevision{Revision: rev, Pinned: slices.Contains(l.state.Pins, rev.ID), Kept: why[rev.ID], Readiness: l.ready.of(rev.ID)})
		}
		return nil
	})
	return out, err
}

// Pin keeps a revision for good, whatever its number and age.
func (e *Engine) Pin(ctx context.Context, service, revision string) error {
	return e.pinning(ctx, service, func(l *loop) (deploy.State, error) {
		if _, err := l.keptRevision(revision); err != nil {
			return l.state, err
		}
		return deploy.Pin(l.state, revision), nil
	})
}

// Unpin lets a revision go when its number and age say so.
func (e *Engine) Unpin(ctx context.Context, service, revision string) error {
	return e.pinning(ctx, service, func(l *loop) (deploy.State, error) {
		if _, err := l.keptRevision(revision); err != nil {
			return l.state, err
		}
		l.tidying.due = time.Time{}
		return deploy.Unpin(l.state, revision)
	})
}

func (e *Engine) pinning(ctx context.Context, service string, change func(*loop) (deploy.State, error)) error {
	l, err := e.loop(service)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error {
		next, err := change(l)
		if err != nil {
			return err
		}
		return l.commit(next)
	})
}

// sorted returns the revisions that are kept, oldest first.
func (l *loop) sorted() (out []deploy.Revision) {
	for _, r := range l.revisions {
		if !l.tidying.leaving[r.ID] {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b deploy.Revision) int { return cmp.Compare(deploy.Number(a.ID), deploy.Number(b.ID)) })
	return out
}

// retention is how long revisions are kept: by the settings of the newest one that has ever served. Whoever goes back to an older
// one changes their mind about the program, and must not lose by it what would have been kept without it.
func (l *loop) retention(held []deploy.Held) deploy.Keep {
	s, newest := l.declared, ""
	for _, h := range held {
		if (h.Served || h.ID == l.state.Stable) && deploy.Number(h.ID) > deploy.Number(newest) {
			newest = h.ID
			s, _ = l.settings(newest)
		}
	}
	return s.Normalise().Keep
}

func (l *loop) keepWords() string {
	records, err := l.e.o.Store.Records(l.name)
	if err != nil {
		return "keep"
	}
	k := l.retention(l.holdings(records))
	return fmt.Sprintf("keep: %d revisions, %s", k.Revisions, days(k.Age))
}

// days writes whole days as the file does.
func days(d deploy.Duration) string {
	const day = deploy.Duration(24 * time.Hour)
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// holdings are the stored revisions as their keeping sees them; records are the rollouts of the service.
func (l *loop) holdings(records []store.Record) []deploy.Held {
	held := make([]deploy.Held, 0, len(l.revisions))
	for id, rev := range l.revisions {
		h := deploy.Held{ID: id, Used: rev.Created}
		for _, r := range records {
			if (r.Rollout.To == id || r.Rollout.From == id) && r.Rollout.Result == deploy.Promoted {
				h.Served = true
				h.Used = later(h.Used, r.Rollout.Closed) // it came, or it went: it has served until then at least
			}
		}
		held = append(held, h)
	}
	return held
}

// retained says of each revision that is kept what for.
func (l *loop) retained(records []store.Record, now time.Time) map[string]deploy.Why {
	held := l.holdings(records)
	why := l.state.Retain(l.retention(held), held, now)
	for _, i := range l.shown.Load().Instances { // what is still there is still needed
		if _, known := l.revisions[i.Revision]; known && why[i.Revision] == "" {
			why[i.Revision] = deploy.WhyNeeded
		}
	}
	if d := l.drilling; d != nil && why[d.rev.ID] == "" {
		why[d.rev.ID] = deploy.WhyNeeded
	}
	return why
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
