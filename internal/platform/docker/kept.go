package docker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// keptSize bounds the log of containers that are gone: two files of so many bytes per instance.
const keptSize = 10 << 20

// keptFiles are the files of an instance's kept log, older first; they need not exist.
func (p *Platform) keptFiles(id string) []string {
	file := filepath.Join(p.revision(serviceOf(id), revisionOf(id)), "logs", id+".log")
	return []string{file + ".1", file}
}

// keepLog appends a container's log to the kept one. Lines that are there already, because an earlier try was cut off, are
// left out; of a log that is longer than what is kept, the newest lines stay.
func (p *Platform) keepLog(ctx context.Context, c *seen) (err error) {
	if _, err := os.Stat(p.revision(c.service, c.revision)); err != nil {
		return nil // the revision is not kept, so neither is its log
	}
	files := p.keptFiles(c.instance)
	if err := os.MkdirAll(filepath.Dir(files[1]), 0o700); err != nil {
		return err
	}
	var last time.Time
	for _, name := range files {
		err := eachLine(name, func(line []byte) bool { last = stamp(line, last); return true })
		if err != nil {
			return err
		}
	}
	k := keeper{older: files[0], file: files[1]}
	if err := k.open(); err != nil { // also of one that has printed nothing: its log is empty, not missing
		return err
	}
	err = p.printed(ctx, c.container, client.ContainerLogsOptions{Since: since(last)}, k.write)
	return errors.Join(err, k.err, k.close())
}

// keeper writes lines into a file that is put aside, over the one before it, when it is full.
type keeper struct {
	older, file string
	out         *os.File
	lines       *bufio.Writer
	size        int64
	err         error
}

// write reports whether it could.
func (k *keeper) write(line []byte) bool {
	if k.out != nil && k.size >= keptSize {
		k.err = errors.Join(k.close(), os.Rename(k.file, k.older))
	}
	if k.out == nil && k.err == nil {
		k.err = k.open()
	}
	if k.err != nil {
		return false
	}
	n, err := k.lines.Write(line)
	k.size, k.err = k.size+int64(n), err
	return err == nil
}

func (k *keeper) open() error {
	out, err := os.OpenFile(k.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err != nil {
		return errors.Join(err, out.Close())
	}
	k.out, k.lines, k.size = out, bufio.NewWriter(out), info.Size()
	return nil
}

func (k *keeper) close() error {
	if k.out == nil {
		return nil
	}
	err := errors.Join(k.lines.Flush(), k.out.Close())
	k.out = nil
	return err
}

// printed passes on what a container printed, line by line, each with its moment and a line break, until visit says that it
// is enough. A container that is gone has printed nothing.
func (p *Platform) printed(ctx context.Context, id string, o client.ContainerLogsOptions, visit func(line []byte) bool) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	o.ShowStdout, o.ShowStderr, o.Timestamps = true, true, true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log, err := api.ContainerLogs(ctx, id, o)
	if err != nil {
		return explain(err)
	}
	defer log.Close()
	l := &lines{visit: visit}
	_, err = stdcopy.StdCopy(l, l, log)
	if l.enough || err != nil && ctx.Err() != nil {
		return nil
	}
	l.flush()
	return err
}

// lines cuts what is written to it into lines.
type lines struct {
	visit  func(line []byte) bool
	rest   []byte
	enough bool
}

var errEnough = errors.New("enough")

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(b), nil
		}
		if !l.visit(l.rest[:end+1]) {
			l.enough = true
			return 0, errEnough
		}
		l.rest = l.rest[end+1:]
	}
}

// flush ends a last line that has no end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.visit(append(l.rest, '\n'))
	}
}

// eachLine reads a file line by line until visit says that it is enough; a file that does not exist has none.
func eachLine(path string, visit func(line []byte) bool) error {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 && !visit(line) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// stamp is the moment with which a line begins; a line without one belongs to the one before.
func stamp(line []byte, before time.Time) time.Time {
	word, _, _ := bytes.Cut(line, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(word)))
	if err != nil {
		return before
	}
	return at
}

// since writes the moment just behind another one for the engine; empty for none.
func since(after time.Time) string {
	if after.IsZero() {
		return ""
	}
	return after.Add(1).UTC().Format(time.RFC3339Nano)
}
