// Package store keeps what must survive: the state of every service, its revisions, rollouts, events and receipts.
// It is one bbolt file; every Save is one transaction that has reached the disk when it returns.
package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/naru-deploy/naru/internal/deploy"
)

// File is the name of the store within the state folder.
const File = "naru.db"

// keepEvents bounds the events of all services together: older ones go first.
const keepEvents = 20_000

var (
	states    = []byte("states")    // service: deploy.State
	revisions = []byte("revisions") // service: id: deploy.Revision
	rollouts  = []byte("rollouts")  // service: sequence: Record
	events    = []byte("events")    // sequence: deploy.Event
	norms     = []byte("norms")     // service: what its revisions do at rest, the engine's own
)

// ErrLocked says that another process has the store open.
var ErrLocked = errors.New("the state folder is in use by another naru serve")

var errDamaged = errors.New("the file is damaged")

// Store is an open state file. Its methods may be called by several goroutines.
type Store struct {
	db   *bbolt.DB
	path string
}

// Open opens or creates the store in a state folder. ErrLocked: another serve has it. A damaged or unwritable file is
// an error that names it; nothing is repaired or thrown away silently.
func Open(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder: %w; choose another with server.state", err)
	}
	path := filepath.Join(folder, File)
	db, err := open(path)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, folder)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("open %s: %w; mend its permissions", path, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w: instances and traffic go on meanwhile. Restore it from a backup; or move it away to begin anew, and deploy every service again: instances that a new store does not know are stopped", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{states, revisions, rollouts, events, norms} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("write %s: %w; make room or mend the permissions", path, err)
	}
	return &Store{db, path}, nil
}

// open opens the file and reads all of it once, so that damage is found before anything is decided on what is left.
func open(path string) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a damaged page may lead out of the mapped file
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
		if err != nil && db != nil {
			db.Close()
		}
	}()
	if info, err := os.Stat(path); err == nil && info.Size() == 0 { // bbolt would begin anew without a word
		return nil, fmt.Errorf("%w: it is empty", errDamaged)
	}
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: 300 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	return db, db.View(func(tx *bbolt.Tx) error {
		if info, err := os.Stat(path); err != nil || info.Size() < tx.Size() {
			return fmt.Errorf("%w: it was cut off", errDamaged)
		}
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return read(b) })
	})
}

// read goes through everything in a bucket.
func read(b *bbolt.Bucket) error {
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return read(b.Bucket(k))
		}
		if !json.Valid(v) {
			return fmt.Errorf("%w: the value of %q cannot be read", errDamaged, k)
		}
		return nil
	})
}

// Close lets go of the file.
func (s *Store) Close() error { return s.db.Close() }

// Path is the file's.
func (s *Store) Path() string { return s.path }

// Turn is what one decision changes; it is saved whole or not at all.
type Turn struct {
	State    *deploy.State
	Revision *deploy.Revision
	Records  []Record
	Events   []deploy.Event
	Norm     json.RawMessage // nil: as it was; with a State
}

// Save writes a turn and returns its events with their numbers once it is on disk.
func (s *Store) Save(t Turn) (numbered []Event, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if t.State != nil {
			if err := put(tx.Bucket(states), []byte(t.State.Service), t.State); err != nil {
				return err
			}
			if t.Norm != nil {
				if err := tx.Bucket(norms).Put([]byte(t.State.Service), t.Norm); err != nil {
					return err
				}
			}
		}
		if t.Revision != nil {
			if err := putIn(tx.Bucket(revisions), t.Revision.Service, number(uint64(deploy.Number(t.Revision.ID))), t.Revision); err != nil {
				return err
			}
		}
		for _, r := range t.Records {
			if err := putIn(tx.Bucket(rollouts), r.Rollout.Service, number(sequence(r.Rollout.ID)), r); err != nil {
				return err
			}
		}
		numbered, err = appendEvents(tx.Bucket(events), t.Events)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w; make room on the disk or mend its permissions: traffic goes on, deployments wait", s.path, err)
	}
	return numbered, nil
}

// Forget deletes everything of a service but the numbers of its revisions and rollouts, which are never given twice.
func (s *Store) Forget(service string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{revisions, rollouts} {
			if err := tx.Bucket(name).DeleteBucket([]byte(service)); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
				return err
			}
		}
		if err := tx.Bucket(norms).Delete([]byte(service)); err != nil {
			return err
		}
		b := tx.Bucket(states)
		var last deploy.State
		if text := b.Get([]byte(service)); text == nil {
			return nil
		} else if err := json.Unmarshal(text, &last); err != nil {
			return err
		}
		return put(b, []byte(service), deploy.State{Service: service, Gone: true, Revisions: last.Revisions, Rollouts: last.Rollouts})
	})
}

// States returns the state of every service.
func (s *Store) States() ([]deploy.State, error) { return all[deploy.State](s, states, "") }

// Revisions returns the kept revisions of a service, oldest first.
func (s *Store) Revisions(service string) ([]deploy.Revision, error) {
	return all[deploy.Revision](s, revisions, service)
}

// Norm returns what was last saved as [Turn].Norm of a service, nil if nothing was.
func (s *Store) Norm(service string) (text json.RawMessage, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		text = slices.Clone(tx.Bucket(norms).Get([]byte(service)))
		return nil
	})
	return text, err
}

// Records returns the rollouts of a service, oldest first.
func (s *Store) Records(service string) ([]Record, error) {
	return all[Record](s, rollouts, service)
}

// Events returns at most limit events after a number, oldest first.
func (s *Store) Events(after uint64, limit int) (out []Event, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(events).Cursor()
		for k, v := c.Seek(number(after + 1)); k != nil && len(out) < limit; k, v = c.Next() {
			e := Event{Number: binary.BigEndian.Uint64(k)}
			if err := json.Unmarshal(v, &e.Event); err != nil {
				return fmt.Errorf("read event %d of %s: %w", e.Number, s.path, err)
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// Event is a stored event with its number, which only grows.
type Event struct {
	Number uint64 `json:"number"`
	deploy.Event
}

func appendEvents(b *bbolt.Bucket, list []deploy.Event) (out []Event, err error) {
	for _, e := range list {
		n, err := b.NextSequence()
		if err != nil {
			return nil, err
		}
		if err := put(b, number(n), e); err != nil {
			return nil, err
		}
		if n > keepEvents {
			if err := b.Delete(number(n - keepEvents)); err != nil {
				return nil, err
			}
		}
		out = append(out, Event{n, e})
	}
	return out, nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func put(b *bbolt.Bucket, key []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, text)
}

func putIn(b *bbolt.Bucket, service string, key []byte, v any) error {
	inner, err := b.CreateBucketIfNotExists([]byte(service))
	if err != nil {
		return err
	}
	return put(inner, key, v)
}

// all reads every value of a bucket, or of a service's bucket within it, in the order of the keys.
func all[T any](s *Store, bucket []byte, service string) (out []T, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		if service != "" {
			b = b.Bucket([]byte(service))
		}
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			var value T
			if v == nil {
				return nil
			}
			if err := json.Unmarshal(v, &value); err != nil {
				return fmt.Errorf("read %s %q of %s: %w", bucket, k, s.path, err)
			}
			out = append(out, value)
			return nil
		})
	})
	return slices.Clip(out), err
}
