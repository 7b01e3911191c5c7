package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func opened(t *testing.T, file string, indexes bool) *book {
	t.Helper()
	b, err := open(file, indexes)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNobodyElseMayOpenIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.db")
	for _, indexes := range []bool{false, true} { // a new file, and one that is there
		b := opened(t, file, indexes)
		if second, err := open(file, indexes); err == nil || !strings.Contains(err.Error(), "does another copy of notes have it?") {
			t.Errorf("a second copy: %v, %v", second, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	opened(t, file, true).Close()
}

// The old version comes back to what the new one left, and the new one finds what the old one wrote.
func TestVersionsShareTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.db")
	for _, step := range []struct {
		indexes bool
		add     string
	}{{false, "Milk"}, {true, "Bread"}, {false, "Salt"}, {true, "milkshake"}} {
		b := opened(t, file, step.indexes)
		if _, err := b.add(t.Context(), step.add); err != nil {
			t.Errorf("%+v: %v", step, err)
		}
		b.Close()
	}
	b := opened(t, file, true)
	defer b.Close()
	if n, err := b.count(t.Context()); n != 4 || err != nil {
		t.Errorf("%d notes, %v", n, err)
	}
	for word, want := range map[string]int{"MILK": 2, "salt": 1, "bread": 1, "beer": 0} {
		if found, err := b.search(t.Context(), word, 10); len(found) != want || err != nil {
			t.Errorf("%s: %v, %v", word, found, err)
		}
	}
}
