package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// readJSON reads a body of the API into the same tree as a file. The standard decoder alone would let unknown
// keys of some types, doubled keys and null pass.
func readJSON(src []byte) (*node, []fault) {
	if len(src) > maxFile {
		return nil, []fault{{message: fmt.Sprintf("the settings are too large: %d bytes, and %d is the most", len(src), maxFile)}}
	}
	if !utf8.Valid(src) {
		return nil, []fault{{message: "the settings are not UTF-8 text"}}
	}
	r := jsonReader{src: src, tokens: json.NewDecoder(bytes.NewReader(src))}
	r.tokens.UseNumber()
	n, err := r.value("", 0)
	if err == nil {
		if _, more := r.tokens.Token(); more != io.EOF {
			err = errors.New("something follows the end of the object")
		}
	}
	if err != nil {
		return nil, []fault{{at: r.place(), message: "not JSON: " + err.Error()}}
	}
	return n, r.faults
}

type jsonReader struct {
	src    []byte
	tokens *json.Decoder
	faults []fault
}

// place is where the token read last ends, which is all that the decoder tells.
func (r *jsonReader) place() position {
	before := r.src[:min(int(r.tokens.InputOffset()), len(r.src))]
	line := bytes.LastIndexByte(before, '\n') + 1
	return position{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[line:]) + 1}
}

func (r *jsonReader) value(path string, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", maxDepth)
	}
	t, err := r.tokens.Token()
	if err != nil {
		return nil, unexpectedEnd(err)
	}
	n := &node{at: r.place()}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return n, r.items(n, path, depth)
		}
		return n, r.entries(n, path, depth)
	case bool:
		n.kind, n.text = boolean, fmt.Sprint(t)
	case json.Number:
		n.kind, n.text = number, t.String()
	case string:
		n.kind, n.text = text, t
	}
	return n, nil
}

func (r *jsonReader) items(n *node, path string, depth int) error {
	n.kind = list
	for r.tokens.More() {
		item, err := r.value(fmt.Sprintf("%s[%d]", path, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.tokens.Token()
	return unexpectedEnd(err)
}

func (r *jsonReader) entries(n *node, path string, depth int) error {
	n.kind = mapping
	seen := make(map[string]bool)
	for r.tokens.More() {
		t, err := r.tokens.Token()
		if err != nil {
			return unexpectedEnd(err)
		}
		name, at := t.(string), r.place() // the decoder accepts nothing but strings here
		below := join(path, name)
		if seen[name] {
			r.faults = append(r.faults, fault{at, below, "the key stands here twice"})
		}
		seen[name] = true
		value, err := r.value(below, depth+1)
		if err != nil {
			return err
		}
		n.entries = append(n.entries, entry{name, at, value})
	}
	_, err := r.tokens.Token()
	return unexpectedEnd(err)
}

// unexpectedEnd gives the end of the input its meaning in the middle of a value.
func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
