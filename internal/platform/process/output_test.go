//go:build linux

package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// printed runs text through an output and returns the lines of its log without their times.
func printed(t *testing.T, text string) []string {
	t.Helper()
	dir := t.TempDir()
	o := openOutput(dir)
	o.copy(strings.NewReader(text))
	o.close()
	log, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		stamp, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, err := time.Parse(stampLayout, stamp); err != nil || len(stamp) != len("2026-01-02T15:04:05.000000000Z") {
			t.Errorf("time %q: %v", stamp, err)
		}
		lines = append(lines, rest)
	}
	return lines
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", lineLimit)
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"nothing":             {"", nil},
		"lines":               {"a\nb\n", []string{"a", "b"}},
		"an empty line":       {"a\n\nb\n", []string{"a", "", "b"}},
		"without an end":      {"a\nb", []string{"a", "b"}},
		"one byte too long":   {long + "y\n", []string{long, "y"}},
		"exactly the limit":   {long + "\nb\n", []string{long, "b"}},
		"very long, no end":   {long + long + "z", []string{long, long, "z"}},
		"empty after a limit": {long + "\n\nb\n", []string{long, "", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, printed(t, test.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLastWordsAreBounded(t *testing.T) {
	o := openOutput(t.TempDir())
	defer o.close()
	for i := range 20 {
		o.line([]byte(fmt.Sprintf("line %d", i)))
	}
	if got := o.tail(); !strings.HasPrefix(got, "line 10\n") || !strings.HasSuffix(got, "\nline 19") {
		t.Errorf("%q", got)
	}
	o.line(bytes.Repeat([]byte("é"), lineLimit/2))
	if got := o.tail(); len(got) > tailBytes || len(got) < tailBytes-4 || strings.Trim(got, "é") != "" {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestRotationLosesNothingThatIsKept(t *testing.T) {
	b := open(t)
	// 25 MB in lines of 64 KiB: rotated twice, nothing deleted.
	const count = 400
	rev := revision(1, service("/bin/sh", "-c",
		`line=$(head -c 65000 /dev/zero | tr '\0' x); i=0; while [ $i -lt 400 ]; do echo "$i $line"; i=$((i+1)); done; exec sleep 1000`))
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	b.start(rev, 1)
	follow, err := b.Logs(t.Context(), "chat-r1-1", platform.LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer follow.Close()
	lines := bufio.NewScanner(follow)
	lines.Buffer(nil, 2*lineLimit)
	for i := range count {
		if !lines.Scan() {
			t.Fatalf("the log ends at line %d: %v", i, lines.Err())
		}
		if fields := strings.Fields(lines.Text()); len(fields) != 3 || fields[1] != fmt.Sprint(i) || len(fields[2]) != 65000 {
			t.Fatalf("line %d begins %.60q", i, lines.Text())
		}
	}
	files, err := logFiles(b.logs("chat-r1-1"))
	if err != nil || len(files) != 3 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, test := range []struct{ tail, want int }{{0, count}, {1, 1}, {300, 300}, {1000, count}} {
		r, err := b.Logs(t.Context(), "chat-r1-1", platform.LogOptions{Tail: test.tail})
		if err != nil {
			t.Fatal(err)
		}
		text := readAll(t, r)
		r.Close()
		if got := strings.Count(text, "\n"); got != test.want {
			t.Errorf("tail %d: %d lines", test.tail, got)
		}
		if _, rest, _ := strings.Cut(text, " "); !strings.HasPrefix(rest, fmt.Sprint(count-test.want, " ")) {
			t.Errorf("tail %d begins %.60q", test.tail, text)
		}
	}
}

func (b *bench) logs(id string) string {
	b.t.Helper()
	f, err := b.folder(id)
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := f.readLaunch()
	if err != nil {
		b.t.Fatal(err)
	}
	return l.Logs
}

func TestOldLogsAreDeleted(t *testing.T) {
	dir := t.TempDir()
	o := openOutput(dir)
	line := bytes.Repeat([]byte("x"), lineLimit-100)
	for range 7 * logSize << 20 / lineLimit { // 70 MB
		o.line(line)
	}
	o.close() // waits for the deletion
	files, err := logFiles(dir)
	if err != nil || len(files) != logBackups+1 {
		t.Errorf("%d files: %v, %v", len(files), files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > logSize<<20 {
			t.Errorf("%s: %d bytes, %v", f, info.Size(), err)
		}
	}
}

func TestSinceFindsTheFirstLine(t *testing.T) {
	dir := t.TempDir()
	at := func(s int) time.Time { return time.Date(2026, 1, 2, 3, 4, s, 0, time.UTC) }
	var first, second strings.Builder
	for s := range 10 {
		fmt.Fprintf(&first, "%s old %d\n", at(s).Format(stampLayout), s)
		fmt.Fprintf(&second, "%s new %d\n", at(s+10).Format(stampLayout), s)
	}
	write(t, dir+"/output-2026-01-02T03-04-10.000-size.log", first.String())
	write(t, dir+"/"+logFile, second.String())
	for _, test := range []struct {
		o     platform.LogOptions
		first string
		count int
	}{
		{platform.LogOptions{}, "old 0", 20},
		{platform.LogOptions{Since: at(5)}, "old 5", 15},
		{platform.LogOptions{Since: at(10)}, "new 0", 10},
		{platform.LogOptions{Since: at(5).Add(1)}, "old 6", 14},
		{platform.LogOptions{Since: at(5), Tail: 12}, "old 8", 12},
		{platform.LogOptions{Since: at(18), Tail: 12}, "new 8", 2},
		{platform.LogOptions{Since: at(30)}, "", 0},
	} {
		r := &logReader{ctx: t.Context(), cancel: func() {}, dir: dir}
		if err := r.seek(test.o); err != nil {
			t.Fatal(err)
		}
		text := readAll(t, r)
		r.Close()
		line, _, _ := strings.Cut(text, "\n")
		if strings.Count(text, "\n") != test.count || !strings.HasSuffix(line, test.first) {
			t.Errorf("%+v: %d lines, the first %q", test.o, strings.Count(text, "\n"), line)
		}
	}
}

func TestFollowersEndWhenTheyAreClosedOrTheLogIsRemoved(t *testing.T) {
	b := open(t)
	rev := revision(1, service(platformtest.Fail))
	b.run(rev.Settings)
	b.await("chat-r1-1", exited)
	for _, end := range []func(io.Closer) error{
		io.Closer.Close,
		func(io.Closer) error { return b.Remove(t.Context(), rev) },
	} {
		r, err := b.Logs(t.Context(), "chat-r1-1", platform.LogOptions{Follow: true, Tail: 1})
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(r)
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), "giving up 12") {
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
		more := make(chan bool)
		go func() { more <- lines.Scan() }()
		if err := end(r); err != nil {
			t.Error(err)
		}
		if <-more {
			t.Errorf("after the end: %q", lines.Text())
		}
		if err := errors.Join(lines.Err(), r.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestFullDiskDoesNotKillTheInstance(t *testing.T) {
	b := open(t)
	printed := filepath.Join(t.TempDir(), "printed")
	// Far more than a pipe holds: a program whose output nobody reads would stop half way.
	rev := revision(1, service("/bin/sh", "-c", "yes | head -c 200000; touch "+printed+"; exec sleep 1000"))
	if err := b.Prepare(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(b.revision("chat", "r1"), "logs", "chat-r1-1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", filepath.Join(dir, logFile)); err != nil {
		t.Fatal(err)
	}
	b.start(rev, 1)
	i := b.find("chat-r1-1")
	platformtest.Eventually(t, func() error {
		_, err := os.Stat(printed)
		return err
	})
	if now := b.find(i.ID); now.State != deploy.Running || now.PID != i.PID {
		t.Errorf("%+v", now)
	}
}

func TestLostLinesAreCounted(t *testing.T) {
	full, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(full, logFile)); err != nil {
		t.Fatal(err)
	}
	o := openOutput(full)
	for range 3 {
		o.line([]byte("lost"))
	}
	o.close()
	o.log = openOutput(dir).log // the disk has room again
	defer o.close()
	o.line([]byte("kept"))
	o.line([]byte("kept"))
	log, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(string(log), "\n"); len(lines) != 5 || lines[0] != "" ||
		!strings.HasSuffix(lines[1], " naru: 3 lines of output could not be written") || !strings.HasSuffix(lines[2], " kept") {
		t.Errorf("%q", lines)
	}
}
