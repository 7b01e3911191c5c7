package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Error is one thing wrong in a file.
type Error struct {
	File    string // as it was given
	Line    int    // from 1; 0 when the whole file is meant
	Column  int    // from 1, in characters
	Path    string // "services.chat.instances"; empty where there is none
	Message string
	Source  string // the line's text
}

// Error names place, path and fault in one line and shows the source below.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Line > 0 && strings.TrimSpace(e.Source) != "" {
		source, column := excerpt(e.Source, e.Column)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", e.Line, source, strings.Repeat(" ", column-1))
	}
	return b.String()
}

// excerpt returns the part of a line that fits a terminal, and the column in it. Whatever could move the caret
// or command the terminal is shown as one plain character.
func excerpt(source string, column int) (string, int) {
	const width = 100
	line := []rune(strings.TrimRight(source, " \t\r"))
	for i, r := range line {
		if r == '\t' {
			line[i] = ' '
		} else if !unicode.IsPrint(r) {
			line[i] = '?'
		}
	}
	line = hidden(line)
	column = min(max(column, 1), len(line)+1)
	if from := column - width/2; from > 0 && len(line) > width {
		line, column = line[from:], column-from
	}
	return string(line[:min(width, len(line))]), column
}

// credentials are user and password of a URL.
var credentials = regexp.MustCompile(`://[^/?#\s"']*@`)

// hidden puts stars over them: what is wrong with a file ends up in logs that more people read than the file.
func hidden(line []rune) []rune {
	return []rune(credentials.ReplaceAllStringFunc(string(line), func(match string) string {
		return "://" + strings.Repeat("*", utf8.RuneCountInString(match)-len("://@")) + "@"
	}))
}

// Errors is everything that is wrong in a file, in the order of the file. It is never empty.
type Errors []Error

// Error prints all of them.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i := range e {
		texts[i] = e[i].Error()
	}
	return strings.Join(texts, "\n")
}

// Place says where in the file a problem of a service's settings stands that only the server could find, such as a source
// that does not answer: p.Path begins at the service, as in analysis.sources[0].prometheus.url. A place that the file does
// not have, because it was left to its default, is that of the nearest part around it.
func (f *File) Place(service string, p deploy.Problem) Error {
	path := strings.TrimSuffix(join("services", service)+"."+p.Path, ".")
	return f.source.locate(fault{f.source.root.find(path), path, p.Message})
}

// sorted puts errors in the order of the file.
func sorted(errs []Error) []Error {
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return errs
}
