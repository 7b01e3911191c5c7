//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// bar stands between the parts of a line of progress.
const bar = "  |  "

// folding passes lines on, and folds those that are longer than a terminal is wide: between their parts where they have
// some, otherwise between words. What follows is indented below the text, behind the time of day.
type folding struct {
	out  io.Writer
	rest []byte // a line that has not ended yet
}

func (f *folding) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	for {
		line, rest, whole := bytes.Cut(f.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		if _, err := fmt.Fprintln(f.out, folded(string(line))); err != nil {
			return 0, err
		}
		f.rest = bytes.Clone(rest)
	}
}

// flush writes what does not end with a newline.
func (f *folding) flush() {
	if len(f.rest) > 0 {
		fmt.Fprintln(f.out, folded(string(f.rest)))
		f.rest = nil
	}
}

// folded breaks a line that is too long.
func folded(line string) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	lead, text := "", line
	if first, rest, found := strings.Cut(line, "  "); found && len(first) == len("15:04:05") {
		lead, text = first+"  ", rest
	}
	indent := strings.Repeat(" ", len(lead))
	var lines []string
	for part := range strings.SplitSeq(text, bar) {
		lines = append(lines, wrapped(part, width-len(lead))...)
	}
	return lead + strings.Join(lines, "\n"+indent)
}

// filled breaks a paragraph into lines.
func filled(text string) string { return strings.Join(wrapped(text, width), "\n") }
