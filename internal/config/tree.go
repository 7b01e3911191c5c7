package config

import (
	"strconv"
	"strings"
)

// kind is what a node is before anybody asks what it should be.
type kind int

const (
	null kind = iota
	boolean
	number
	text
	list
	mapping
	refused // already reported; nothing more is to be said of it
)

func (k kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a mapping", "refused"}[k]
}

// position is a place in the source, both counted from 1, columns in characters.
type position struct{ line, column int }

// node is a value of the file or of a JSON body, and where it stands.
type node struct {
	kind    kind
	at      position
	text    string // the words of a scalar, as they were written; of a text, its value
	entries []entry
	items   []*node
}

// entry is one key of a mapping, in the order of the source.
type entry struct {
	name  string
	at    position
	value *node
}

// maxDepth bounds nesting. The file's own deepest value is nine levels down.
const maxDepth = 50

// key returns the entry of that name.
func (n *node) key(name string) (entry, bool) {
	for _, e := range n.entries {
		if e.name == name {
			return e, true
		}
	}
	return entry{}, false
}

// find returns the place of a path such as services.chat.strategy.canary.steps[2].weight, or of its nearest
// ancestor that exists: defaults can be wrong together with what is written. A scalar is named by itself, a
// mapping or list by its key.
func (n *node) find(path string) position {
	at := n.at
	for path != "" {
		next, rest, where, ok := n.descend(path)
		if !ok {
			break
		}
		n, path, at = next, rest, where
	}
	return at
}

// descend follows the first part of a path. Keys may hold dots, as host names do, so the longest key wins.
func (n *node) descend(path string) (next *node, rest string, at position, ok bool) {
	if index, after, found := strings.Cut(strings.TrimPrefix(path, "["), "]"); found && path[0] == '[' {
		i, err := strconv.Atoi(index)
		if err != nil || i < 0 || i >= len(n.items) {
			return nil, "", at, false
		}
		return n.items[i], strings.TrimPrefix(after, "."), n.items[i].at, true
	}
	longest := -1
	for _, e := range n.entries {
		after, found := strings.CutPrefix(path, e.name)
		if !found || len(e.name) <= longest || after != "" && after[0] != '.' && after[0] != '[' {
			continue
		}
		longest = len(e.name)
		next, rest, at, ok = e.value, strings.TrimPrefix(after, "."), e.at, true
		if next.kind != mapping && next.kind != list {
			at = next.at
		}
	}
	return next, rest, at, ok
}
