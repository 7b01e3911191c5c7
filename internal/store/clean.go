package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Rows is how many rollouts of a service history shows at most, with or without their details.
const Rows = 1000

// Row is what stays of a rollout when its details go: what history shows.
func (r Record) Row() Record {
	o := r.Rollout
	reason, _, _ := strings.Cut(o.Reason, "\n") // without the last lines of a program that did not run
	row := deploy.Rollout{ID: o.ID, Service: o.Service, From: o.From, To: o.To, By: o.By, Straight: o.Straight, Phase: o.Phase,
		Result: o.Result, Reason: reason, Created: o.Created, Closed: o.Closed}
	return Record{Rollout: row, Version: r.Version, Message: r.Message, Who: r.Who, Cut: true}
}

// Clean deletes revisions of a service, and of the rollouts that are named everything but their rows: steps, receipt,
// events. Of rows beyond Rows the oldest go. It is one transaction.
func (s *Store) Clean(service string, revs, cut []string) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(revisions).Bucket([]byte(service)); b != nil {
			for _, id := range revs {
				if err := b.Delete(number(uint64(deploy.Number(id)))); err != nil {
					return err
				}
			}
		}
		if err := cutRecords(tx.Bucket(rollouts).Bucket([]byte(service)), cut); err != nil {
			return err
		}
		return dropEvents(tx.Bucket(events), service, cut)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

func cutRecords(b *bbolt.Bucket, cut []string) error {
	if b == nil {
		return nil
	}
	for _, id := range cut {
		var r Record
		text := b.Get(number(sequence(id)))
		if text == nil {
			continue
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		// Deleted first, because only then the pages that a large record leaves nearly empty are joined.
		if err := b.Delete(number(sequence(id))); err != nil {
			return err
		}
		if err := put(b, number(sequence(id)), r.Row()); err != nil {
			return err
		}
	}
	rows := 0
	if err := b.ForEach(func(_, _ []byte) error { rows++; return nil }); err != nil {
		return err
	}
	c := b.Cursor()
	for ; rows > Rows; rows-- {
		if k, _ := c.First(); k == nil {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// dropEvents deletes the events of rollouts.
func dropEvents(b *bbolt.Bucket, service string, of []string) error {
	if len(of) == 0 {
		return nil
	}
	gone := make(map[string]bool, len(of))
	for _, id := range of {
		gone[id] = true
	}
	var keys [][]byte
	err := b.ForEach(func(k, v []byte) error {
		var e deploy.Event
		if err := json.Unmarshal(v, &e); err != nil {
			return err
		}
		if e.Service == service && gone[e.Rollout] {
			keys = append(keys, append([]byte(nil), k...))
		}
		return nil
	})
	for _, k := range keys {
		if err == nil {
			err = b.Delete(k)
		}
	}
	return err
}
