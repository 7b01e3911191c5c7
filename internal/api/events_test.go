package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

func TestEventsContinueBehindTheLastOne(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	all, err := r.Past(t.Context(), EventFilter{})
	if err != nil || len(all) < 2 {
		t.Fatalf("past: %v, %v", all, err)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Number <= all[i-1].Number {
			t.Errorf("event %d follows %d", all[i].Number, all[i-1].Number)
		}
	}
	first := all[0].Number
	_, text := r.send(t, "GET", "/v1/events?past=true", "", "Last-Event-ID", fmt.Sprint(first))
	if !strings.HasPrefix(text, fmt.Sprintf("id: %d\ndata: {\"number\":%d,", all[1].Number, all[1].Number)) {
		t.Errorf("behind event %d comes %.80q", first, text)
	}
	if got := strings.Count(text, "\ndata: "); got != len(all)-1 {
		t.Errorf("%d events behind the first of %d", got, len(all))
	}
	if status, _ := r.send(t, "GET", "/v1/events", "", "Last-Event-ID", "seven"); status != http.StatusBadRequest {
		t.Errorf("a Last-Event-ID that is no number: %d", status)
	}
}

func TestEventsAreFiltered(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	web := r.begin(t, "web", "1.0", strings.Replace(quickly, "{", `{"hosts":["web.example.com"],`, 1))
	api := r.begin(t, "api", "1.0", strings.Replace(quickly, "{", `{"hosts":["api.example.com"],`, 1))
	r.await(t, "web", web.ID, hasEnded)
	r.await(t, "api", api.ID, hasEnded)
	for _, f := range []EventFilter{{Service: "web"}, {Rollout: web.ID}} {
		events, err := r.Past(t.Context(), f)
		if err != nil || len(events) == 0 {
			t.Fatalf("%+v: %v, %v", f, events, err)
		}
		for _, e := range events {
			if e.Service != "web" {
				t.Errorf("%+v lets %+v pass", f, e)
			}
		}
	}
}

// TestEventsSurviveTheServer follows a rollout over the end of the server and the start of another one at its address.
func TestEventsSurviveTheServer(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	follower := &Client{Addr: r.addr, http: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	var numbers []uint64
	restarted, finished := false, false
	for e, err := range follower.Events(ctx, EventFilter{Service: "web"}) {
		if err != nil {
			if code(err) != Unavailable {
				t.Fatalf("events: %v", err)
			}
			continue
		}
		numbers = append(numbers, e.Number)
		if e.Kind != deploy.EventPromoted {
			continue
		}
		if finished = restarted; finished {
			break
		}
		restarted = true
		r.stop() // while the stream is open: it ends the stream
		again := serve(t, r.engine, r.addr, nil)
		again.begin(t, "web", "2.0", quickly)
	}
	if !finished {
		t.Fatalf("the second rollout was not seen to its end: %v", numbers)
	}
	all, err := follower.Past(ctx, EventFilter{Service: "web"})
	if err != nil || len(numbers) != len(all) {
		t.Fatalf("seen %v, there are %d events, %v", numbers, len(all), err)
	}
	for i, e := range all {
		if numbers[i] != e.Number {
			t.Errorf("event %d was seen as %d", e.Number, numbers[i])
		}
	}
}

func TestQuietStreamsBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		ctx, cancel := context.WithTimeout(t.Context(), 2*heartbeat+time.Second)
		defer cancel()
		live := make(chan store.Event, 3)
		live <- store.Event{Number: 7} // known already: the past was read after the subscription began
		live <- store.Event{Number: 8}
		past := []store.Event{{Number: 6}, {Number: 7}}
		eventStream{w, http.NewResponseController(w)}.send(ctx, &eventQuery{After: 5}, past, live)
		if got := strings.Count(w.Body.String(), ": still here\n\n"); got != 2 {
			t.Errorf("%d heartbeats in %q", got, w.Body)
		}
		if got := strings.Count(w.Body.String(), "data: "); got != 3 {
			t.Errorf("%d events in %q", got, w.Body)
		}
	})
}

func TestLogsAreMerged(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	stamp := func(n int) string { return fmt.Sprintf("2026-01-01T00:00:%02d.000000000Z", n) }
	r.world.print("web-r1-1", stamp(1)+" one")
	r.world.print("web-r1-2", stamp(2)+" two")
	r.world.print("web-r1-1", stamp(3)+" three words here")
	r.world.print("web-r1-3", stamp(4)+" ended before")
	if _, got := r.send(t, "GET", "/v1/services/web/logs", ""); got != stamp(1)+" web-r1-1 one\n"+stamp(2)+" web-r1-2 two\n"+stamp(3)+" web-r1-1 three words here\n" {
		t.Errorf("merged:\n%s", got)
	}
	if _, got := r.send(t, "GET", "/v1/services/web/logs?tail=1", ""); got != stamp(3)+" web-r1-1 three words here\n" {
		t.Errorf("the last line:\n%s", got)
	}
	if _, got := r.send(t, "GET", "/v1/services/web/logs?revision=r1&tail=1", ""); got != stamp(4)+" web-r1-3 ended before\n" {
		t.Errorf("with ended instances:\n%s", got)
	}
	if status, got := r.send(t, "GET", "/v1/services/web/logs?revision=r7", ""); status != 404 {
		t.Errorf("of an unknown revision: %d %s", status, got)
	}
}

func TestLogsAreFollowed(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	r.world.print("web-r1-1", "2026-01-01T00:00:01.000000000Z first")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, err := r.Logs(ctx, "web", LogFilter{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Fatalf("line %q (%v), want %q", lines.Text(), lines.Err(), want)
		}
	}
	expect("web-r1-1 first")
	r.world.print("web-r1-1", "2026-01-01T00:00:02.000000000Z second")
	expect("web-r1-1 second")
	r.world.print("web-r1-2", "2026-01-01T00:00:03.000000000Z of an instance without a log until now")
	expect("web-r1-2 of an instance without a log until now")
	r.stop() // ends the stream
	if lines.Scan() {
		t.Errorf("after the end of the server: %q", lines.Text())
	}
}
