package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds the file in bytes: a thousand services fit.
const maxFile = 1 << 20

// fault is something wrong at a place of a source.
type fault struct {
	at      position
	path    string
	message string
}

// reader turns the YAML library's tree into ours and collects what the file may not use.
type reader struct{ faults []fault }

// readYAML reads the one document of a file. Without a tree there is at least one fault.
func readYAML(src []byte) (*node, []fault) {
	if message := unreadable(src); message != "" {
		return nil, []fault{{message: message}}
	}
	tokens := lexer.Tokenize(string(src))
	if at, deep := tooDeep(tokens); deep {
		return nil, []fault{{at: at, message: fmt.Sprintf("nested more than %d levels deep", maxDepth)}}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []fault{syntaxFault(err)}
	}
	body, extra := document(file)
	switch {
	case body == nil:
		return nil, []fault{{message: "the file is empty: it needs services, and may have a server section"}}
	case extra != nil:
		return nil, []fault{{at: place(extra), message: "a second document begins here (---): naru reads one per file"}}
	}
	var r reader
	n := r.node(body, "")
	return n, r.faults
}

func unreadable(src []byte) string {
	switch {
	case len(src) > maxFile:
		return fmt.Sprintf("the file is too large: %d bytes, and %d is the most; is it the right file?", len(src), maxFile)
	case !utf8.Valid(src):
		return "the file is not UTF-8 text: save it as UTF-8"
	}
	return ""
}

// tooDeep looks at the tokens before the parser does, because the parser calls itself at every level and would
// exhaust the stack. What nests by indentation alone is bounded by the size of the file: a thousand levels take
// half of it.
func tooDeep(tokens token.Tokens) (position, bool) {
	flow, line, opened := 0, 0, 0
	for _, t := range tokens {
		at := position{t.Position.Line, t.Position.Column}
		if at.line != line {
			line, opened = at.line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			opened++
		}
		if flow > maxDepth || opened > maxDepth {
			return at, true
		}
	}
	return position{}, false
}

// document returns the body of the only document, and that of a second one. A file of comments has none.
func document(file *ast.File) (body, extra ast.Node) {
	for _, d := range file.Docs {
		switch _, directive := d.Body.(*ast.DirectiveNode); {
		case d.Body == nil || directive:
		case body == nil:
			body = d.Body
		default:
			return body, d.Body
		}
	}
	return body, nil
}

// syntaxFault puts the library's word for a file that is no YAML at all, with what usually lies behind it.
func syntaxFault(err error) fault {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fault{message: "the file is not YAML: " + err.Error()}
	}
	f := fault{at: tokenPlace(e.GetToken()), message: "not YAML: " + e.GetMessage()}
	switch message := e.GetMessage(); {
	case strings.Contains(message, "'\t'"):
		f.message = "a tab stands here: YAML indents with spaces"
	case strings.Contains(message, "must be specified") && strings.HasPrefix(e.GetToken().Value, "{"):
		f.message += `; text with ${…} inside [ ] or { } needs quotes, as in "127.0.0.1:${PORT}"`
	}
	return f
}

func (r *reader) fault(at position, path, format string, args ...any) {
	r.faults = append(r.faults, fault{at, path, fmt.Sprintf(format, args...)})
}

// node translates one value. Anchors, aliases, merge keys and tags are refused: what a line means would depend
// on another one, and a revision's settings should be readable where they stand.
func (r *reader) node(n ast.Node, path string) *node {
	out := &node{at: place(n)}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mapping
		r.entries(out, n.Values, path)
	case *ast.MappingValueNode:
		out.kind = mapping
		r.entries(out, []*ast.MappingValueNode{n}, path)
	case *ast.SequenceNode:
		out.kind = list
		for i, item := range n.Values {
			out.items = append(out.items, r.node(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	case *ast.AnchorNode:
		r.fault(out.at, path, "anchors (&) are not read here: write the value out where it is used")
		return r.node(n.Value, path)
	case *ast.TagNode:
		r.fault(out.at, path, "tags (%s) are not read here: remove it", n.GetToken().Value)
		return r.node(n.Value, path)
	case *ast.AliasNode:
		out.kind = refused
		r.fault(out.at, path, "aliases (*) are not read here: write the value out")
	default:
		out.kind, out.text = scalar(n)
	}
	return out
}

// scalar returns a plain value in the words of the file: 1.10 stays 1.10.
func scalar(n ast.Node) (kind, string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return text, n.Value
	case *ast.LiteralNode:
		return text, n.Value.Value
	case *ast.BoolNode:
		return boolean, n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return number, n.GetToken().Value
	}
	return null, ""
}

func (r *reader) entries(out *node, values []*ast.MappingValueNode, path string) {
	seen := make(map[string]position, len(values))
	for _, v := range values {
		at := place(v.Key)
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			r.fault(at, path, "merge keys (<<) are not read here: write the values out")
			continue
		}
		if _, explicit := v.Key.(*ast.MappingKeyNode); explicit {
			r.fault(at, path, "keys with ? are not read here: write key: value")
			continue
		}
		_, name := scalar(v.Key)
		below := join(path, name)
		if earlier, twice := seen[name]; twice {
			r.fault(at, below, "the key stands here twice, the first time on line %d", earlier.line)
		} else {
			seen[name] = at
		}
		out.entries = append(out.entries, entry{name: name, at: at, value: r.node(v.Value, below)})
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// place is where a value begins. The library puts a block mapping at its first colon.
func place(n ast.Node) position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return place(n.Values[0])
		}
	case *ast.MappingValueNode:
		return place(n.Key)
	}
	return tokenPlace(n.GetToken())
}

func tokenPlace(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}
