package engine

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

// DeployRequest asks for a version with settings that are normalised and valid.
type DeployRequest struct {
	Service  string
	Version  string
	Settings deploy.Service
	Message  string
	Who      string // asks for it, as far as is known
}

// Answer is what a command that begins a rollout says. Nothing: the service is there already.
type Answer struct {
	Rollout deploy.Rollout
	Version string
	Nothing bool
}

// Deploy begins the rollout of a version. An unknown service is created by it.
func (e *Engine) Deploy(ctx context.Context, q DeployRequest) (Answer, error) {
	if strings.TrimSpace(q.Version) == "" || strings.ContainsAny(q.Version, " \t\r\n/\\") {
		return Answer{}, invalid("%q is not a version: it may not be empty and holds no spaces or slashes", q.Version)
	}
	if err := e.checkSources(ctx, q); err != nil {
		return Answer{}, err
	}
	if err := e.visible(ctx, q.Service); err != nil {
		return Answer{}, err
	}
	changed, err := e.examine(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	doubts := e.doubts(ctx, q.Service, q.Settings)
	e.opening.Lock()
	defer e.opening.Unlock()
	if err := e.clash(q.Service, q.Settings); err != nil {
		return Answer{}, err
	}
	l := e.ensure(q.Service, q.Settings)
	if err := l.number(ctx); err != nil {
		return Answer{}, err
	}
	var answer Answer
	err = l.do(ctx, func() (err error) {
		answer, err = l.deploy(q, changed, doubts, time.Now())
		return err
	})
	return answer, err
}

func (l *loop) deploy(q DeployRequest, changed map[string][]string, doubts doubts, now time.Time) (Answer, error) {
	if r, open := l.state.Open(); open && !r.Returning && l.same(r.To, q) && changed[r.To] == nil {
		return Answer{Rollout: r, Version: q.Version}, nil
	}
	if _, open := l.state.Open(); !open && l.state.Stable != "" && l.same(l.state.Stable, q) && changed[l.state.Stable] == nil {
		return Answer{Version: q.Version, Nothing: true}, nil
	}
	if from := l.inForce(); changed[from] != nil { // nothing else tells why there is a new revision
		q.Message = strings.TrimPrefix(fmt.Sprintf("%s; changed since %s: %s", q.Message, from, strings.Join(changed[from], ", ")), "; ")
	}
	rev := deploy.Revision{Service: l.name, ID: deploy.RevisionID(l.state.Revisions + 1), Version: q.Version, Message: q.Message, Who: q.Who, Created: now, Settings: q.Settings}
	return l.open(rev, deploy.Request{To: rev.ID, Settings: rev.Settings, Version: rev.Version, By: "deploy"}, said{q.Who, q.Message, doubts}, now)
}

// same reports whether a revision is what is asked for.
func (l *loop) same(revision string, q DeployRequest) bool {
	r, ok := l.revisions[revision]
	return ok && r.Version == q.Version && reflect.DeepEqual(r.Settings, q.Settings)
}

// said is what history keeps of a command besides what it did, and what was found out before it was carried out.
type said struct {
	who, message string
	doubts       doubts
}

// open begins a rollout and saves it, together with a revision that is new and the one that it supersedes.
func (l *loop) open(rev deploy.Revision, q deploy.Request, by said, now time.Time) (Answer, error) {
	next, superseded, err := deploy.Begin(l.state, q, now)
	if err != nil {
		return Answer{}, err
	}
	next.Rollout = by.doubts.warned(*next.Rollout)
	turn := store.Turn{State: &next, Events: deploy.Events(l.state, next, now)}
	if _, known := l.revisions[rev.ID]; !known {
		next.Revisions++
		turn.Revision = &rev
	}
	proxied, counted := l.metered() // where one ledger ends the next begins: no request falls between two receipts
	if superseded != nil && l.books.record != nil {
		old, last := *l.books.record, l.books.ledger
		last.note(proxied.Epoch, metersOf(counted), last.MinHealthy)
		receipt := last.receipt(*superseded)
		old.Rollout, old.Receipt = *superseded, &receipt
		turn.Records = append(turn.Records, old)
	}
	counting := newLedger(next.Rollout.ID, proxied.Epoch, metersOf(counted))
	record := store.Record{Rollout: *next.Rollout, Version: rev.Version, Message: by.message, Who: by.who, Ledger: counting.text()}
	judging := l.beginJudging(*next.Rollout, rev.Settings, proxied, counted)
	record.Judging = judging.keep(now, true)
	turn.Records = append(turn.Records, record)
	numbered, err := l.e.o.Store.Save(turn)
	if err != nil {
		return Answer{}, err
	}
	l.revisions[rev.ID], l.state, l.books = rev, next, books{&record, counting}
	l.judging = judging
	l.held.Store(new(l.claims()))
	l.work.fresh(*next.Rollout)
	l.drilling.interrupt("rollout " + next.Rollout.ID + " has begun")
	l.e.hub.send(numbered)
	return Answer{Rollout: *next.Rollout, Version: rev.Version}, nil
}
