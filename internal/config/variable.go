package config

import (
	"reflect"

	"github.com/naru-deploy/naru/internal/deploy"
)

// variable decodes a value of an environment in either form. No message repeats it, because it may be a password.
func (d *decoder) variable(n *node, to *deploy.Variable, path string) {
	switch {
	case n.kind == mapping && len(n.entries) == 0:
		d.fault(n.at, path, "has no value: write a text, {file: PATH} or {command: [PROGRAM, …]}")
	case n.kind == mapping:
		d.plain(n, reflect.ValueOf(to).Elem(), path)
	case n.kind == number || n.kind == boolean:
		d.fault(n.at, path, "must be text: put it in quotes")
	case n.kind == list:
		d.fault(n.at, path, "must be a text, {file: PATH} or {command: [PROGRAM, …]}, and is a list")
	case d.is(n, text, path):
		to.Text = n.text
	}
}

// veiled puts stars over what a line says as the value of an environment variable: it may be a password, and what is wrong
// with a file ends up in logs that more people read than the file.
func (s source) veiled(line int, text string) string {
	runes := []rune(text)
	for _, at := range s.values() {
		if at.line == line && at.column <= len(runes) {
			value := runes[at.column-1:]
			for i := range valueLength(value) {
				value[i] = '*'
			}
		}
	}
	return string(runes)
}

// values are the places of all short values of environments.
func (s source) values() (places []position) {
	if s.root == nil {
		return nil
	}
	services, _ := s.root.key("services")
	for _, service := range services.nodes() {
		for _, platform := range []string{"process", "docker"} {
			section, _ := service.key(platform)
			if section.value == nil {
				continue
			}
			env, _ := section.value.key("env")
			for _, value := range env.nodes() {
				if value.kind == text || value.kind == number || value.kind == list {
					places = append(places, value.at)
				}
			}
		}
	}
	return places
}

// nodes are the values of a mapping, none where the entry is missing or something else.
func (e entry) nodes() (values []*node) {
	if e.value == nil {
		return nil
	}
	for _, below := range e.value.entries {
		values = append(values, below.value)
	}
	return values
}

// valueLength is how far a value reaches: to the end of its quotes, or to where a comment or the next value of {…} begins.
func valueLength(rest []rune) int {
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		quoted := quote == '"' || quote == '\''
		switch {
		case quoted && rest[i] == '\\' && quote == '"':
			i++
		case quoted && rest[i] == quote:
			return i + 1
		case !quoted && (rest[i] == ',' || rest[i] == '}' || rest[i] == ' ' && i+1 < len(rest) && rest[i+1] == '#'):
			return i
		}
	}
	return len(rest)
}
