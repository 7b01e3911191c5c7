package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	_ "modernc.org/sqlite" // in pure Go
)

// note is one row.
type note struct {
	ID   int64  `json:"id"`
	Text string `json:"text"`
}

// book is the open file.
type book struct {
	db      *sql.DB
	indexes bool // words are written down, for search
}

// open takes hold of the file, alone, and brings it to what this version needs. What it adds must not be in the way of
// the version before it, which comes back to the same file when this one fails.
func open(file string, indexes bool) (*book, error) {
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // the lock belongs to a connection
	db.SetMaxIdleConns(1)
	b := &book{db: db, indexes: indexes}
	if err := b.prepare(); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w; does another copy of notes have it?", file, err)
	}
	return b, nil
}

func (b *book) prepare() error {
	// In exclusive mode what was locked once stays locked until the file is closed. There is no busy timeout: a second copy is told at once.
	for _, statement := range []string{`PRAGMA locking_mode = EXCLUSIVE`, `PRAGMA journal_mode = WAL`, `PRAGMA synchronous = NORMAL`, `BEGIN EXCLUSIVE`, `COMMIT`} {
		if _, err := b.db.Exec(statement); err != nil {
			return err
		}
	}
	if _, err := b.db.Exec(`CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL)`); err != nil {
		return err
	}
	if !b.indexes {
		return nil
	}
	if _, err := b.db.Exec(`ALTER TABLE notes ADD COLUMN words TEXT`); err != nil && !strings.Contains(err.Error(), "duplicate column") {
		return err
	}
	_, err := b.db.Exec(`UPDATE notes SET words = lower(text) WHERE words IS NULL`) // those of 4.0 too
	return err
}

func (b *book) add(ctx context.Context, text string) (note, error) {
	query, values := `INSERT INTO notes (text) VALUES (?)`, []any{text}
	if b.indexes {
		query, values = `INSERT INTO notes (text, words) VALUES (?, ?)`, []any{text, strings.ToLower(text)}
	}
	result, err := b.db.ExecContext(ctx, query, values...)
	if err != nil {
		return note{}, err
	}
	id, err := result.LastInsertId()
	return note{id, text}, err
}

func (b *book) latest(ctx context.Context, n int) ([]note, error) {
	return b.read(ctx, `SELECT id, text FROM notes ORDER BY id DESC LIMIT ?`, n)
}

func (b *book) search(ctx context.Context, word string, n int) ([]note, error) {
	return b.read(ctx, `SELECT id, text FROM notes WHERE instr(words, ?) > 0 ORDER BY id DESC LIMIT ?`, strings.ToLower(word), n)
}

func (b *book) read(ctx context.Context, query string, values ...any) ([]note, error) {
	rows, err := b.db.QueryContext(ctx, query, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []note{}
	for rows.Next() {
		var one note
		if err := rows.Scan(&one.ID, &one.Text); err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

func (b *book) count(ctx context.Context) (many int, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT count(*) FROM notes`).Scan(&many)
	return many, err
}

// Close lets go of the file.
func (b *book) Close() error { return b.db.Close() }
