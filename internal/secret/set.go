package secret

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Set is what was found, by the names of the variables. Its zero value is empty and ready. It is handed to nobody but the
// program: neither String nor JSON show a value.
type Set struct {
	Warnings []deploy.Problem // what works and is not as secret as it could be

	values map[string]string
	marks  []mark
}

// mark is a text that must not be seen, and the variable that it belongs to.
type mark struct{ name, text string }

// String names the variables.
func (s Set) String() string { return strings.Join(s.Names(), ", ") }

// GoString is String, so that no way of printing shows a value.
func (s Set) GoString() string { return s.String() }

// Names are the variables, in the order of the alphabet.
func (s Set) Names() []string { return slices.Sorted(maps.Keys(s.values)) }

// Value returns a variable's value.
func (s Set) Value(name string) (string, bool) {
	v, ok := s.values[name]
	return v, ok
}

// With returns a set that has these values as well, of a file of variables. The set itself has precedence.
func (s Set) With(values map[string]string) Set {
	both := Set{Warnings: s.Warnings, values: maps.Clone(s.values), marks: slices.Clone(s.marks)}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, has := both.values[name]; !has {
			both.add(name, values[name])
		}
	}
	return both
}

// Hiding returns a set that puts [as] in the place of these texts as well, and gives nobody more values. It is for values whose names
// may themselves be what must not be seen. Where a variable of the set has such a text, it is named.
func (s Set) Hiding(as string, texts ...string) Set {
	more := Set{Warnings: s.Warnings, values: s.values, marks: slices.Clone(s.marks)}
	for _, text := range texts {
		more.mark(as, text)
	}
	return more
}

func (s *Set) add(name, value string, hide ...string) {
	if s.values == nil {
		s.values = make(map[string]string)
	}
	s.values[name] = value
	if hide == nil {
		hide = []string{value}
	}
	for _, text := range hide {
		s.mark(name, text)
	}
}

func (s *Set) mark(as, text string) {
	s.marks = append(s.marks, mark{as, text})
	for line := range strings.Lines(text) { // of a key in several lines each is worth hiding
		if line = strings.TrimSpace(line); line != text {
			s.marks = append(s.marks, mark{as, line})
		}
	}
}

// shortest is the length from which on a text is looked for in messages. What is shorter stands in them by chance, and
// showing where would tell what it is.
const shortest = 4

// Redact puts [NAME] in the place of every value in a text.
func (s Set) Redact(text string) string {
	marks := slices.Clone(s.marks)
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(len(b.text), len(a.text)) }) // one may hold another
	for _, m := range marks {
		if len(m.text) >= shortest {
			text = strings.ReplaceAll(text, m.text, "["+m.name+"]")
		}
	}
	return text
}

// Hide redacts what an error says. One that says nothing of a value stays what it is.
func (s Set) Hide(err error) error {
	if err == nil || s.Redact(err.Error()) == err.Error() {
		return err
	}
	return errors.New(s.Redact(err.Error()))
}

// wire is a set on its way to the process that starts the program. Values need not be UTF-8, so they are bytes.
type wire struct {
	Values map[string][]byte `json:"values"`
	Marks  [][2][]byte       `json:"marks"`
}

// Send writes the set, values and all, for Receive on the other end of a pipe. Nothing else may read it.
func (s Set) Send(to io.Writer) error {
	w := wire{Values: make(map[string][]byte, len(s.values))}
	for name, value := range s.values {
		w.Values[name] = []byte(value)
	}
	for _, m := range s.marks {
		w.Marks = append(w.Marks, [2][]byte{[]byte(m.name), []byte(m.text)})
	}
	return json.NewEncoder(to).Encode(w)
}

// Receive reads what Send has written. Nothing at all is the empty set.
func Receive(from io.Reader) (s Set, err error) {
	var w wire
	if err := json.NewDecoder(from).Decode(&w); err != nil && err != io.EOF {
		return Set{}, err
	}
	for name, value := range w.Values {
		if s.values == nil {
			s.values = make(map[string]string)
		}
		s.values[name] = string(value)
	}
	for _, m := range w.Marks {
		s.marks = append(s.marks, mark{string(m[0]), string(m[1])})
	}
	return s, nil
}
