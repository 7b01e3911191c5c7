package traffic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLoadCountsEveryKindOfAnswer(t *testing.T) {
	var seen atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := seen.Add(1)
		w.Header().Set("X-Version", fmt.Sprintf("3.%d", n%2))
		switch n % 20 {
		case 3, 13:
			http.Error(w, "out of order", http.StatusInternalServerError)
		case 4:
			http.Error(w, "away", http.StatusServiceUnavailable)
		case 5, 15:
			http.NotFound(w, r)
		case 6: // promises more than it sends
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("a torn ans"))
		case 7: // hangs up without a word
			panic(http.ErrAbortHandler)
		default:
			_, _ = w.Write([]byte("good"))
		}
	})

	const sent = 200
	// Fresh connections: on a kept one the client library would try again.
	report := Load{URL: url, Path: "/x", Rate: 400, Duration: sent * time.Second / 400, Fresh: 1}.Run(t.Context())

	check := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	check("sent", report.Sent, sent)
	// Two of twenty come to no whole answer. The library tries a GET on a
	// fresh connection once only, so the server saw exactly what was sent.
	check("seen by the server", int(seen.Load()), sent)
	check("answered", report.Answered, sent-sent/20*2)
	check("failed", report.Failed, sent/20*5)
	check("200", report.Statuses[200], sent/20*13)
	check("404", report.Statuses[404], sent/20*2)
	check("500", report.Statuses[500], sent/20*2)
	check("503", report.Statuses[503], sent/20)
	check("version 3.0", report.Versions["3.0"], sent/20*9)
	check("version 3.1", report.Versions["3.1"], sent/20*9)
	check("connections", report.Connections, sent)
	check("retried", report.Retried, 0)
	check("latencies", report.Latency.Count(), report.Answered)
	check("lags", report.Lag.Count(), sent)
	check("failures described", len(report.Failures), keptFailures)
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "50 of 200 requests failed") {
		t.Errorf("Err() = %v", err)
	}
	describesAll(t, report.Failures)
}

// describesAll wants each kind of failure told in a way that helps.
func describesAll(t *testing.T, failures []Failure) {
	t.Helper()
	var text strings.Builder
	for _, f := range failures {
		text.WriteString(f.String() + "\n")
	}
	for _, want := range []string{
		"GET /x from 127.1.0.1: status 500 Internal Server Error (version 3.1): \"out of order\\n\"",
		"status 503 Service Unavailable (version 3.0)",
		"answer cut off after its head",
		"EOF",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no failure says %q in:\n%s", want, text.String())
		}
	}
}

func TestLoadIsAnOpenLoop(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })

	running := Load{URL: url, Rate: 200, Duration: 500 * time.Millisecond, MaxInFlight: 20}.Start(t.Context())
	// No answer has come, and yet the schedule has gone on to its end.
	eventually(t, "80 requests of overflow", func() bool { return running.Report().Overflow == 80 })
	close(release)

	report := running.Wait()
	if report.Sent != 20 || report.Answered != 20 || report.Failed != 0 {
		t.Errorf("got %v", report)
	}
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "80 requests were not sent") {
		t.Errorf("Err() = %v", err)
	}
}

func TestLoadFollowsRequestsPastTheEndOfItsContext(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })

	ctx, cancel := context.WithCancel(t.Context())
	running := Load{URL: url, Rate: 100}.Start(ctx)
	eventually(t, "five requests on their way", func() bool { return running.Report().Sent >= 5 })
	cancel()
	eventually(t, "the end of the sending", func() bool {
		before := running.Report().Sent
		time.Sleep(50 * time.Millisecond) // five requests' time: only a wrong Load is sending still
		return running.Report().Sent == before
	})
	close(release)
	if report := running.Wait(); report.Answered != report.Sent || report.Err() != nil {
		t.Errorf("requests were cut off by the end of the context: %v", report)
	}
}

func TestLoadGivesUpAfterItsTimeout(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	report := Load{URL: url, Rate: 100, Duration: 50 * time.Millisecond, Timeout: 50 * time.Millisecond}.Run(t.Context())
	if report.Sent != 5 || report.Failed != 5 || report.Answered != 0 {
		t.Errorf("got %v", report)
	}
	if got := report.Failures[0].Err; !strings.Contains(got, context.DeadlineExceeded.Error()) {
		t.Errorf("the failure does not speak of the timeout: %s", got)
	}
}

func TestLoadCountsRefusedConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close() // nobody is there any more
	report := Load{URL: url, Rate: 100, Duration: 100 * time.Millisecond}.Run(t.Context())
	if report.Sent != 10 || report.Failed != 10 || report.Connections != 0 {
		t.Errorf("got %v", report)
	}
}

func TestSourcesAreUsersWithAddressesAndCookies(t *testing.T) {
	var mu sync.Mutex
	visits := make(map[string]int)
	given := 0 // cookies
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		defer mu.Unlock()
		visits[address]++
		cookie, err := r.Cookie("user")
		if errors.Is(err, http.ErrNoCookie) {
			given++
			http.SetCookie(w, &http.Cookie{Name: "user", Value: address})
		} else if cookie.Value != address {
			http.Error(w, "a stranger's cookie: "+cookie.Value, http.StatusInternalServerError)
		}
		if r.Host != "chat.example.com" {
			http.Error(w, "a strange host: "+r.Host, http.StatusInternalServerError)
		}
	})
	report := Load{
		URL: url, Host: "chat.example.com", Rate: 500, Duration: 400 * time.Millisecond,
		Sources: 20, Cookies: true, Fresh: 0.3,
	}.Run(t.Context())
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if len(visits) != 20 {
		t.Errorf("the server saw %d addresses, not 20: %v", len(visits), visits)
	}
	for i := range 20 {
		if ip := sourceIP(i).String(); visits[ip] == 0 {
			t.Errorf("no visit from %s", ip)
		}
	}
	// A user may ask twice before the first cookie has come, but no more often.
	if given < 20 || given > 60 {
		t.Errorf("%d cookies given to 20 users in 200 visits", given)
	}
	// 30 % of 200 are 60 new connections, and each user needs one to keep.
	// The draw is the same every time; only crowding can add some.
	if report.Connections < 60 || report.Connections == report.Sent {
		t.Errorf("%d connections for %d requests with a share of 0.3 fresh", report.Connections, report.Sent)
	}
}

func TestSourceAddressesAreDifferent(t *testing.T) {
	seen := make(map[string]bool)
	for i := range 100_000 {
		ip := sourceIP(i)
		if !ip.IsLoopback() || ip.To4()[1] == 0 || ip.To4()[3] == 0 || ip.To4()[3] == 255 {
			t.Fatalf("source %d is %v", i, ip)
		}
		seen[ip.String()] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("%d different addresses of 100000", len(seen))
	}
}

// A server that hangs up when a kept connection is used again: HTTP allows it,
// and the client library repeats the request. The report has to show it.
func TestLoadShowsRetriesInsideTheClient(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer conn.Close()
				answerOnce(conn)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); connections.Wait() })

	report := Load{URL: "http://" + listener.Addr().String(), Rate: 50, Duration: 400 * time.Millisecond}.Run(t.Context())
	if report.Err() != nil || report.Retried == 0 {
		t.Errorf("got %v", report)
	}
	if report.Answered != report.Sent {
		t.Errorf("%d of %d answered", report.Answered, report.Sent)
	}
}

// answerOnce answers the first request of a connection and reads the second.
func answerOnce(conn net.Conn) {
	in := bufio.NewReader(conn)
	if _, err := http.ReadRequest(in); err != nil {
		return
	}
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	_, _ = http.ReadRequest(in)
}

func TestLargeAnswersAreReadToTheirEnd(t *testing.T) {
	const size = 4 * keptBody
	half := make([]byte, size/2)
	var seen atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(half)
		if seen.Add(1)%2 == 0 {
			_, _ = w.Write(half)
		}
	})
	report := Load{URL: url, Rate: 100, Duration: 200 * time.Millisecond}.Run(t.Context())
	if report.Sent != 20 || report.Failed != 10 || report.Answered != 10 {
		t.Errorf("got %v", report)
	}
}

func TestReportOfARunningLoadIsACopy(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	running := Load{URL: url, Rate: 100}.Start(t.Context())
	eventually(t, "an answer", func() bool { return running.Report().Answered > 0 })
	early := running.Report()
	answered := early.Answered
	eventually(t, "more answers", func() bool { return running.Report().Answered > answered+5 })
	running.Stop()
	if early.Statuses[500] != answered || early.Versions[""] != answered || len(early.Failures) != answered {
		t.Errorf("a report of %d answers has changed: %v", answered, early)
	}
}

func TestLoadFollowsNoRedirect(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	report := Load{URL: url, Rate: 10, Duration: 100 * time.Millisecond}.Run(t.Context())
	if report.Statuses[http.StatusFound] != 1 || report.Err() != nil {
		t.Errorf("got %v", report)
	}
}

func TestGeneratorsTakeTurns(t *testing.T) {
	mixed := Mix(Get("/a", "/b"), func(i int) Request { return Request{Path: fmt.Sprintf("/n%d", i), Body: []byte("x")} })
	var got []string
	for i := range 6 {
		r := mixed(i)
		got = append(got, r.method()+" "+r.Path)
	}
	const want = "GET /a, POST /n0, GET /b, POST /n1, GET /a, POST /n2"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestLoadRefusesNonsense(t *testing.T) {
	for name, l := range map[string]Load{
		"no rate":         {URL: "http://127.0.0.1:1"},
		"share above one": {URL: "http://127.0.0.1:1", Rate: 1, Fresh: 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			l.Start(t.Context()).Stop()
		})
	}
}
