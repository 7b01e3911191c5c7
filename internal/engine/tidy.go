package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/store"
)

// tidying is the deletion of revisions that nobody needs any more.
type tidying struct {
	due     time.Time       // of the next look
	leaving map[string]bool // revisions that are being deleted: nobody may begin to use them
}

const (
	tidyEvery = time.Hour   // age alone makes a revision go
	tidyAgain = time.Minute // after one that has failed
)

// past is what of a service is kept no longer.
type past struct {
	revisions []deploy.Revision
	cut       []string // rollouts whose details go
}

func (p past) nothing() bool { return len(p.revisions)+len(p.cut) == 0 }

// tidy deletes what is kept no longer, beside the loop, when it is time to look and no rollout is open. Files and images
// go before the revision is forgotten: a controller that is killed in between finds it again and goes on, and a full disk
// does not keep itself full.
func (l *loop) tidy(now time.Time) {
	if _, open := l.state.Open(); open || now.Before(l.tidying.due) || l.state.Removed || l.stopping || l.work.pending[tidyJob] {
		return
	}
	l.tidying.due = now.Add(tidyEvery)
	p, err := l.leave(now)
	if err != nil || p.nothing() {
		l.untidy(err)
		return
	}
	l.work.give(tidyJob, func(ctx context.Context) func() {
		gone, err := l.erase(ctx, p)
		return func() {
			if ctx.Err() == nil {
				l.untidy(err)
				l.untidy(l.erased(p, gone))
			}
		}
	})
}

const tidyJob = "tidy"

// untidy notes that a tidying has failed; it is tried again.
func (l *loop) untidy(err error) {
	if err == nil {
		return
	}
	l.e.log.Warn("delete what is kept no longer", "service", l.name, "error", err)
	l.tidying.due = time.Now().Add(tidyAgain)
}

// outdated finds what is kept no longer. A rollout keeps its details while its revision is kept, and as long as it is one of
// the last: why a version was taken back is asked for after the revision has gone.
func (l *loop) outdated(now time.Time) (p past, err error) {
	records, err := l.e.o.Store.Records(l.name)
	if err != nil {
		return p, err
	}
	why, keep := l.retained(records, now), l.retention(l.holdings(records))
	for _, rev := range l.sorted() {
		if why[rev.ID] == "" {
			p.revisions = append(p.revisions, rev)
		}
	}
	for i, r := range records {
		recent := i >= len(records)-keep.Revisions && now.Sub(r.Rollout.Created) <= keep.Age.D()
		if !r.Cut && !r.Rollout.Open() && !recent && why[r.Rollout.To] == "" {
			p.cut = append(p.cut, r.Rollout.ID)
		}
	}
	return p, nil
}

// leave finds what goes now and lets nobody begin to use it. The loop's goroutine calls it, and erased when it is done.
func (l *loop) leave(now time.Time) (past, error) {
	p, err := l.outdated(now)
	if err != nil {
		return p, err
	}
	l.tidying.leaving = make(map[string]bool, len(p.revisions))
	for _, rev := range p.revisions {
		l.tidying.leaving[rev.ID] = true
	}
	return p, nil
}

// erase deletes files and images of revisions, and returns those of which nothing is left. It may be called beside the loop.
func (l *loop) erase(ctx context.Context, p past) (gone []Garbage, err error) {
	held, unseen := l.e.o.Platform.Holdings(ctx, l.name)
	if unseen != nil { // sizes are only shown
		l.e.log.Warn("see what is kept", "service", l.name, "error", unseen)
	}
	for _, rev := range p.revisions {
		if failed := l.e.o.Platform.Remove(ctx, rev); failed != nil {
			err = failed
			continue
		}
		gone = append(gone, revisionGarbage(rev, held, "kept no longer"))
	}
	return gone, err
}

// erased forgets the revisions of which nothing is left and tells of it.
func (l *loop) erased(p past, gone []Garbage) error {
	var ids []string
	var events []deploy.Event
	words := l.keepWords()
	for _, g := range gone {
		ids = append(ids, g.Revision)
		events = append(events, deploy.Event{Time: time.Now(), Service: l.name, Revision: g.Revision, Kind: deploy.EventCleaned,
			Message: fmt.Sprintf("%s is kept no longer (%s): %s, %s freed", g.Name, words, g.What, deploy.Size(g.Bytes).Human())})
	}
	l.tidying.leaving = nil
	if err := l.e.o.Store.Clean(l.name, ids, p.cut); err != nil {
		return err
	}
	for _, id := range ids {
		delete(l.revisions, id)
		delete(l.work.prepared, id)
		l.ready.forget(id)
	}
	l.tell(events...)
	return nil
}

// tell stores and sends events that no change of the state has. They say what is done already, so that one which cannot be
// stored is only missing.
func (l *loop) tell(events ...deploy.Event) {
	if len(events) == 0 {
		return
	}
	numbered, err := l.e.o.Store.Save(store.Turn{Events: events})
	if err != nil {
		l.e.log.Warn("store events", "service", l.name, "error", err)
	}
	l.e.hub.send(numbered)
}

// revisionGarbage is a revision as what goes, with what its platform holds of it.
func revisionGarbage(rev deploy.Revision, held []platform.Holding, why string) Garbage {
	g := Garbage{Kind: "revision", Service: rev.Service, Revision: rev.ID, Name: rev.ID, What: "nothing on disk", Why: why}
	if rev.Version != "" {
		g.Name += " (" + rev.Version + ")"
	}
	for i, h := range slices.DeleteFunc(slices.Clone(held), func(h platform.Holding) bool { return h.Service != rev.Service || h.Revision != rev.ID }) {
		if i == 0 {
			g.What = h.What
		} else {
			g.What += "; " + h.What
		}
		g.Bytes += h.Bytes
	}
	return g
}
