//go:build linux

package process

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/DeRuina/timberjack"

	"github.com/naru-deploy/naru/internal/secret"
)

const (
	logFile    = "output.log"
	logSize    = 10 // MB per file
	logBackups = 4  // beside the one that is written: five files, 50 MB
	lineLimit  = 64 << 10
	tailLines  = 10
	tailBytes  = 2 << 10
	// stampLayout is RFC 3339 in UTC with all nine digits always written, so that lines of several logs sort as text.
	stampLayout = "2006-01-02T15:04:05.000000000Z07:00"
)

// output writes what a program prints to its log, each line with the moment at which it was read, and remembers the
// last lines. A log that cannot be written costs lines and never the program.
type output struct {
	log  *timberjack.Logger
	lost int // lines that could not be written since the last that could
	last []string
	hide secret.Set // what must not be among the last lines, which naru repeats
}

// openOutput appends to the log in a folder. It makes the folder and the file at once, so that a silent program has
// a log too; when it cannot, every line tries again.
func openOutput(dir string) *output {
	path := filepath.Join(dir, logFile)
	_ = os.MkdirAll(dir, 0o700)
	if file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		_ = file.Close()
	}
	return &output{log: &timberjack.Logger{
		Filename: path, MaxSize: logSize, MaxBackups: logBackups, FileMode: 0o600,
	}}
}

// copy reads until the end; a line longer than 64 KiB becomes several, a last line without an end gets one.
func (o *output) copy(r io.Reader) {
	lines := bufio.NewReaderSize(r, lineLimit)
	split := false // the line began in an earlier piece, so a bare line break is not an empty line
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 && !(split && len(line) == 1 && line[0] == '\n') {
			o.line(bytes.TrimSuffix(line, []byte("\n")))
		}
		split = err == bufio.ErrBufferFull
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (o *output) line(text []byte) {
	o.remember(text)
	if o.lost > 0 {
		// The leading line break ends a line of which only a part could be written.
		note := fmt.Sprintf("\n%s naru: %d lines of output could not be written\n", now(), o.lost)
		if _, err := o.log.Write([]byte(note)); err != nil {
			o.lost++
			return
		}
		o.lost = 0
	}
	entry := make([]byte, 0, len(stampLayout)+len(text)+2)
	entry = append(append(entry, now()...), ' ')
	entry = append(append(entry, text...), '\n')
	if _, err := o.log.Write(entry); err != nil {
		o.lost++
	}
}

func (o *output) remember(text []byte) {
	if len(o.last) == tailLines {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, string(text))
}

// tail returns the last lines, at most ten and 2 KiB, with the names of secrets in their place; of a longer text the end is
// kept. What is cut off was searched for secrets before: of one that is cut nobody would know the rest.
func (o *output) tail() string {
	lines := make([]string, len(o.last))
	for i, line := range o.last {
		line = o.hide.Redact(line)
		lines[i] = line[:min(len(line), tailBytes)]
	}
	text := strings.Join(lines, "\n")
	if cut := len(text) - tailBytes; cut > 0 {
		text = strings.ToValidUTF8(text[cut:], "")
	}
	return text
}

func (o *output) close() { _ = o.log.Close() }

func now() string { return time.Now().UTC().Format(stampLayout) }
