package platformtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// lines reads a log to its end and returns what the program printed, without the times.
func (w *world) lines(id string, o platform.LogOptions) []string {
	w.Helper()
	log, err := w.Platform.Logs(w.Context(), id, o)
	if err != nil {
		w.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		w.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		stamp, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil {
			w.Fatalf("a line without a time: %q", line)
		}
		lines = append(lines, rest)
	}
	return lines
}

// awaitLog waits for a line of the program.
func (w *world) awaitLog(id, want string) {
	w.Helper()
	Eventually(w, func() error {
		for _, line := range w.lines(id, platform.LogOptions{}) {
			if line == want {
				return nil
			}
		}
		return fmt.Errorf("%s has not printed %q", id, want)
	})
}

func logs(w *world) {
	id := w.start(w.prepare("chat", 1, w.Service(Chatty, "500")), 1)
	w.awaitLog(id, "line 500")
	check := func(when string) {
		if all := w.lines(id, platform.LogOptions{}); len(all) != 500 || all[0] != "line 1" {
			w.Errorf("%s: %d lines, the first %q", when, len(all), all[0])
		}
		if last := w.lines(id, platform.LogOptions{Tail: 2}); fmt.Sprint(last) != "[line 499 line 500]" {
			w.Errorf("%s: the last two are %q", when, last)
		}
		if more := w.lines(id, platform.LogOptions{Tail: 1000}); len(more) != 500 {
			w.Errorf("%s: %d lines of 500", when, len(more))
		}
		if late := w.lines(id, platform.LogOptions{Since: time.Now().Add(time.Hour)}); len(late) != 0 {
			w.Errorf("%s: lines of the future: %q", when, late)
		}
		if past := w.lines(id, platform.LogOptions{Since: time.Now().Add(-time.Hour), Tail: 3}); len(past) != 3 {
			w.Errorf("%s: the last three since an hour ago: %q", when, past)
		}
	}
	check("while it runs")
	w.stop(id, time.Second)
	check("after the stop")
}

func follow(w *world) {
	rev := w.prepare("chat", 1, w.Service(Chatty, "3"))
	id := w.start(rev, 1)
	w.awaitLog(id, "line 3")
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	log, err := w.Platform.Logs(ctx, id, platform.LogOptions{Tail: 1, Follow: true})
	if err != nil {
		w.Fatal(err)
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	next := func(want string) {
		w.Helper()
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			w.Fatalf("got %q, %v; want %q", lines.Text(), lines.Err(), want)
		}
	}
	next("line 3")
	// The log goes on when the instance does.
	w.stop(id, time.Second)
	w.start(rev, 1)
	for i := range 3 {
		next(fmt.Sprintf("line %d", i+1))
	}
	cancel()
	if lines.Scan() || lines.Err() != nil {
		w.Errorf("after the end of the context: %q, %v", lines.Text(), lines.Err())
	}
	w.stop(id, time.Second)
	if i := w.find(id); i != nil {
		w.Errorf("%s is still %s", id, deploy.Running)
	}
}

func noLog(w *world) {
	if log, err := w.Platform.Logs(w.Context(), "chat-r9-9", platform.LogOptions{}); err == nil {
		log.Close()
		w.Error("no error")
	}
}
