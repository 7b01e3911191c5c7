package traffic

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// echoServer answers every message with itself, unless act, called with the
// number of the message on its connection, has dealt with it.
func echoServer(t *testing.T, act func(n int, conn *websocket.Conn) (handled bool)) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", "3.0")
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer conn.CloseNow()
		for n := 1; ; n++ {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if act != nil && act(n, conn) {
				continue
			}
			if err := conn.Write(ctx, kind, message); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(cancel)
	return server.URL
}

func testSockets(url string) Sockets {
	return Sockets{
		URL: url, Path: "/ws", Users: 5, Every: 20 * time.Millisecond, Duration: 400 * time.Millisecond,
		Message: func(text string) []byte { return []byte(`{"text":"` + text + `"}`) },
	}
}

// balanced checks what must hold at the end of every run.
func balanced(t *testing.T, r SocketReport) {
	t.Helper()
	if r.Sent != r.Echoed+r.Lost || r.Open != 0 || r.Sent == 0 {
		t.Errorf("the books do not balance: %+v", r)
	}
}

func TestSocketsSeeTheirMessagesAgain(t *testing.T) {
	report := testSockets(echoServer(t, nil)).Run(t.Context())
	balanced(t, report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if report.Connected != 5 || report.Versions["3.0"] != 5 || report.Told != 0 || report.Resent != 0 {
		t.Errorf("got %v", report)
	}
	if report.Latency.Count() != report.Echoed {
		t.Errorf("%d latencies of %d messages", report.Latency.Count(), report.Echoed)
	}
}

func TestSocketsComeBackWhenTold(t *testing.T) {
	var told atomic.Int64
	url := echoServer(t, func(n int, conn *websocket.Conn) bool {
		if n < 4 {
			return false
		}
		// The fourth message is swallowed: it has to be sent again.
		told.Add(1)
		conn.Close(websocket.StatusGoingAway, "moving")
		return true
	})
	report := testSockets(url).Run(t.Context())
	balanced(t, report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if report.Told != int(told.Load()) || report.Told == 0 || report.Connected != report.Users+report.Told {
		t.Errorf("told %d times: %v", told.Load(), report)
	}
	if report.Resent < report.Told {
		t.Errorf("told %d times, but only %d messages sent again", report.Told, report.Resent)
	}
}

func TestSocketsComeBackForWhatTheyWaitForAfterTheEnd(t *testing.T) {
	release := make(chan struct{})
	var heard atomic.Int64
	url := echoServer(t, func(_ int, conn *websocket.Conn) bool {
		if heard.Add(1) > 1 {
			return false
		}
		<-release
		conn.Close(websocket.StatusGoingAway, "moving")
		return true
	})
	sockets := testSockets(url)
	sockets.Users, sockets.Every, sockets.Duration = 1, time.Hour, 0
	ctx, cancel := context.WithCancel(t.Context())
	running := sockets.Start(ctx)
	eventually(t, "the message is on its way", func() bool { return heard.Load() == 1 })
	cancel()
	close(release)
	report := running.Wait()
	balanced(t, report)
	if report.Err() != nil || report.Sent != 1 || report.Resent != 1 || report.Told != 1 || report.Connected != 2 {
		t.Errorf("got %v", report)
	}
}

func TestSocketsCountOtherEndsAsDropped(t *testing.T) {
	for name, end := range map[string]func(*websocket.Conn){
		"cut":            func(c *websocket.Conn) { c.CloseNow() },
		"normal closure": func(c *websocket.Conn) { c.Close(websocket.StatusNormalClosure, "bye") },
		"internal error": func(c *websocket.Conn) { c.Close(websocket.StatusInternalError, "oops") },
	} {
		t.Run(name, func(t *testing.T) {
			var dropped atomic.Int64
			url := echoServer(t, func(n int, conn *websocket.Conn) bool {
				if n < 4 {
					return false
				}
				dropped.Add(1)
				end(conn)
				return true
			})
			report := testSockets(url).Run(t.Context())
			balanced(t, report)
			if report.Dropped != int(dropped.Load()) || report.Dropped == 0 || report.Told != 0 {
				t.Errorf("dropped %d times: %v", dropped.Load(), report)
			}
			// At least the message that was not echoed went down with it.
			if report.Lost < report.Dropped {
				t.Errorf("%d dropped, %d lost", report.Dropped, report.Lost)
			}
			if err := report.Err(); err == nil || !strings.Contains(err.Error(), "connection lost") {
				t.Errorf("Err() = %v", err)
			}
		})
	}
}

func TestSocketsMissAMessageThatNeverComesBack(t *testing.T) {
	url := echoServer(t, func(n int, _ *websocket.Conn) bool { return n == 2 })
	sockets := testSockets(url)
	sockets.Patience = 200 * time.Millisecond
	report := sockets.Run(t.Context())
	balanced(t, report)
	if report.Lost != sockets.Users || report.Dropped != 0 {
		t.Errorf("every user misses one message: %v", report)
	}
	if report.Err() == nil {
		t.Error("a lost message is no error")
	}
}

func TestSocketsTryAgainWhenRefused(t *testing.T) {
	var asked atomic.Int64
	echo := echoServer(t, nil)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= 3 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, echo+r.URL.Path, http.StatusTemporaryRedirect)
	})
	// A redirect is no handshake: it is refused like the others.
	sockets := testSockets(url)
	sockets.Users = 1
	running := sockets.Start(t.Context())
	eventually(t, "four attempts", func() bool { return running.Report().Refused >= 4 })
	report := running.Stop()
	if report.Connected != 0 || report.Refused != int(asked.Load()) {
		t.Errorf("asked %d times: %v", asked.Load(), report)
	}
	if got := report.Failures[0].Err; !strings.Contains(got, "503") {
		t.Errorf("the failure does not name the status: %s", got)
	}
}

func TestSocketsStopWhenAsked(t *testing.T) {
	sockets := testSockets(echoServer(t, nil))
	sockets.Duration = 0
	running := sockets.Start(t.Context())
	eventually(t, "all users connected and heard", func() bool {
		r := running.Report()
		return r.Open == sockets.Users && r.Echoed > 10
	})
	report := running.Stop()
	balanced(t, report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	merged := report.Merge(report)
	if merged.Users != 10 || merged.Echoed != 2*report.Echoed || merged.Latency.Count() != 2*report.Echoed {
		t.Errorf("merged: %v", merged)
	}
	if text := report.String(); !strings.Contains(text, "5 WebSocket users: 5 connections, 0 told to come back") {
		t.Errorf("reads:\n%s", text)
	}
}
