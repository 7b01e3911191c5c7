package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// Garbage is something that nobody needs any more.
type Garbage struct {
	Kind     string `json:"kind"` // revision, orphan, instance, log, container, image, file
	Service  string `json:"service,omitempty"`
	Revision string `json:"revision,omitempty"`
	Name     string `json:"name"`
	What     string `json:"what,omitempty"` // that goes with it
	Bytes    int64  `json:"bytes"`          // that its removal frees, at most
	Why      string `json:"why"`
}

// Collection is what was found, and removed unless it was only looked for.
type Collection struct {
	Items []Garbage `json:"items"`
	Bytes int64     `json:"bytes"`
	Notes []string  `json:"notes,omitempty"` // what could not be looked at or removed
}

func (c *Collection) add(items ...Garbage) {
	for _, g := range items {
		c.Items = append(c.Items, g)
		c.Bytes += g.Bytes
	}
}

// note takes what an error says; of several that were joined each is a note of its own.
func (c *Collection) note(err error) {
	if many, joined := err.(interface{ Unwrap() []error }); joined && err.Error() == errors.Join(many.Unwrap()...).Error() {
		for _, one := range many.Unwrap() {
			c.note(one)
		}
		return
	}
	if err != nil {
		c.Notes = append(c.Notes, err.Error())
	}
}

const (
	houseEvery = time.Hour
	// oldLog is how long the log of an ended instance of a kept revision stays.
	oldLog = 90 * 24 * time.Hour
)

// keepHouse removes by itself what is certainly nobody's, at the start and then once an hour. What stands against it is said when it
// begins to, not every hour.
func (e *Engine) keepHouse(ctx context.Context) {
	var said []string
	for {
		c := Collection{Items: []Garbage{}}
		e.orphans(ctx, &c, false, true)
		e.sweep(ctx, &c, false)
		for _, g := range c.Items {
			e.log.Info("removed what nobody needs", "kind", g.Kind, "name", g.Name, "bytes", g.Bytes, "why", g.Why)
		}
		for _, n := range c.Notes {
			if ctx.Err() == nil && !slices.Contains(said, n) {
				e.log.Warn("remove what nobody needs", "error", n)
			}
		}
		said = c.Notes
		rest(ctx, houseEvery)
		if ctx.Err() != nil {
			return
		}
	}
}

// Collect finds what nobody needs any more, and unless dry removes it: revisions past their keeping, what belongs to no
// revision that is stored, and what crashes have left. It never fails as a whole: Notes say what could not be done.
func (e *Engine) Collect(ctx context.Context, dry bool) Collection {
	c := Collection{Items: []Garbage{}}
	for _, l := range e.all() {
		l.collect(ctx, &c, dry)
	}
	e.orphans(ctx, &c, dry, false)
	e.sweep(ctx, &c, dry)
	return c
}

// collect is tidy at somebody's request.
func (l *loop) collect(ctx context.Context, c *Collection, dry bool) {
	var p past
	var words string
	busy := false
	err := l.do(ctx, func() (err error) {
		if busy = l.work.pending[tidyJob] || l.state.Removed; busy {
			return nil
		}
		if dry {
			words = l.keepWords()
			p, err = l.outdated(time.Now())
			return err
		}
		if p, err = l.leave(time.Now()); err == nil && !p.nothing() {
			l.work.pending[tidyJob] = true // until erased: the loop's own tidying waits
		}
		return err
	})
	switch {
	case err != nil:
		c.note(fmt.Errorf("%s: %w", l.name, err))
		return
	case busy:
		c.note(fmt.Errorf("%s is being tidied already", l.name))
		return
	case dry:
		held, err := l.e.o.Platform.Holdings(ctx, l.name)
		c.note(err)
		for _, rev := range p.revisions {
			c.add(revisionGarbage(rev, held, "kept no longer ("+words+")"))
		}
		return
	}
	if p.nothing() {
		return
	}
	gone, err := l.erase(ctx, p)
	c.note(err)
	c.add(gone...)
	c.note(l.do(context.WithoutCancel(ctx), func() error {
		delete(l.work.pending, tidyJob)
		return l.erased(p, gone)
	}))
}

// sweep lets the platforms remove what they know to be nobody's.
func (e *Engine) sweep(ctx context.Context, c *Collection, dry bool) {
	found, err := e.o.Platform.Sweep(ctx, time.Now().Add(-oldLog), dry)
	c.note(err)
	for _, l := range found {
		c.add(Garbage{Kind: l.Kind, Name: l.Name, Bytes: l.Bytes, Why: l.Why})
	}
}

// orphans finds instances of services and files of revisions that are not stored. Certain: only those that this store has
// known, because their number was given out by it. Others may belong to a newer store that somebody is about to bring
// back, so they go by hand alone.
func (e *Engine) orphans(ctx context.Context, c *Collection, dry, certain bool) {
	all, err := e.o.Platform.List(ctx, "")
	c.note(err)
	for _, i := range all {
		if o := e.owner(ctx, i.Service, i.Revision); o.service || certain && !o.past {
			continue
		}
		if !dry {
			if err := e.o.Platform.Stop(ctx, i.ID, 10*time.Second); err != nil {
				c.note(err)
				continue
			}
		}
		c.add(Garbage{Kind: "instance", Service: i.Service, Revision: i.Revision, Name: i.ID, Why: "its service " + unknownHere})
	}
	held, err := e.o.Platform.Holdings(ctx, "") // before anybody is asked who knows it: what is new is known before it is made
	c.note(err)
	seen := map[string]bool{}
	for _, h := range held {
		o := e.owner(ctx, h.Service, h.Revision)
		if o.revision || certain && !o.past || seen[h.Service+"/"+h.Revision] {
			continue
		}
		seen[h.Service+"/"+h.Revision] = true
		e.orphan(ctx, c, h, held, o, dry)
	}
}

const unknownHere = "is not known to this server"

func (e *Engine) orphan(ctx context.Context, c *Collection, h platform.Holding, held []platform.Holding, o owner, dry bool) {
	why := "its revision was deleted"
	if !o.past {
		why = "its revision " + unknownHere
	}
	rev := deploy.Revision{Service: h.Service, ID: h.Revision}
	g := revisionGarbage(rev, held, why)
	g.Kind, g.Name = "orphan", h.Service+" "+h.Revision
	if !dry {
		if err := e.o.Platform.Remove(ctx, rev); err != nil {
			c.note(err)
			return
		}
	}
	c.add(g)
}

// owner says who knows a revision.
type owner struct {
	service  bool // there is such a service
	revision bool // and it keeps the revision
	past     bool // it has given out the number, and keeps the revision no longer
}

func (e *Engine) owner(ctx context.Context, service, revision string) (o owner) {
	e.mu.Lock()
	l, known := e.loops[service]
	gone := e.gone[service]
	e.mu.Unlock()
	n := deploy.Number(revision)
	if !known {
		return owner{past: n > 0 && n <= gone.Revisions}
	}
	o.service = true
	err := l.do(ctx, func() error {
		_, o.revision = l.revisions[revision]
		o.past = n > 0 && n <= l.state.Revisions && !o.revision
		return nil
	})
	if err != nil { // it is stopping: nobody can say
		o.revision, o.past = true, false
	}
	return o
}
