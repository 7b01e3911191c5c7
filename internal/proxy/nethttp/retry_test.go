package nethttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// flaky is a backend that answers the first request on each connection and resets the connection when
// the second has arrived: what a client sees of an instance that dies.
func flaky(t *testing.T, requests *atomic.Int64) string {
	return serveRaw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for i := range 2 {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			requests.Add(1)
			if i == 1 {
				c.(*net.TCPConn).SetLinger(0)
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
}

func TestResetOfAUsedConnection(t *testing.T) {
	for _, tt := range []struct {
		method, body string
		status       int
		arrived      int64 // requests at the backend, the first included
	}{
		{"GET", "", 200, 3},
		{"DELETE", "", 200, 3},
		{"PUT", "body", 502, 2}, // the body was consumed
		{"POST", "body", 502, 2},
		{"POST", "", 502, 2},
	} {
		t.Run(tt.method+" "+tt.body, func(t *testing.T) {
			var arrived atomic.Int64
			s := newSite(t, flaky(t, &arrived))
			if resp, _ := s.get("/"); resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
			resp, _, err := s.do(request(t, tt.method, s.url("/"), strings.NewReader(tt.body)))
			if err != nil || resp.StatusCode != tt.status {
				t.Fatalf("%v %v, want %d", resp, err, tt.status)
			}
			if n := arrived.Load(); n != tt.arrived {
				t.Errorf("the backend was sent %d requests, want %d", n, tt.arrived)
			}
		})
	}
}

func TestConnectionsClosedWhileIdleCostNothing(t *testing.T) {
	// The backend ends every connection right after its answer, without having said so.
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}))
	for range 200 {
		resp, _, err := s.do(request(t, "GET", s.url("/"), nil))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v %v", resp, err)
		}
	}
}

func TestFailedDialGoesToAnotherInstance(t *testing.T) {
	s := newSite(t, unused(t), serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	for i := range 20 {
		// Whatever the method: nothing was sent, and the body is whole.
		resp, body, err := s.do(request(t, "POST", s.url("/"), strings.NewReader("hello")))
		if err != nil || resp.StatusCode != 200 || body != "hello" {
			t.Fatalf("request %d: %v %q %v", i, resp, body, err)
		}
	}
	if m := s.total(20); m.Requests != 20 || m.ByNaru+m.ByApp != 0 {
		t.Errorf("metered %+v", m)
	}
}

func TestNoInstanceLeft(t *testing.T) {
	s := newSite(t, unused(t))
	s.route.HoldTimeout = 50 * time.Millisecond
	s.apply()
	resp, body := s.get("/")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" {
		t.Fatalf("%v %q", resp, body)
	}
	hasPrefix(t, body, "naru: web: ")
}

func TestBrokenResponsesNeverLookComplete(t *testing.T) {
	cut := func(head string) string {
		return serveRaw(t, func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			io.WriteString(c, head)
		})
	}
	for name, backend := range map[string]string{
		"length":  cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"),
		"chunked": cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n"),
		"events":  cut("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n"),
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(name+" "+version, func(t *testing.T) {
				s := newSite(t, backend)
				c := s.dial()
				fmt.Fprintf(c, "GET / HTTP/%s\r\nHost: a\r\n\r\n", version)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				if err == nil {
					t.Fatal("the response looks complete")
				}
				if m := s.total(1); m.Failed != 1 || m.ByApp != 1 || m.ByNaru != 0 {
					t.Errorf("metered %+v", m)
				}
			})
		}
	}
}

func TestClientAbort(t *testing.T) {
	arrived, cancelled := make(chan struct{}, 1), make(chan struct{}, 1)
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		if r.URL.Path == "/body" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		cancelled <- struct{}{}
	}))
	for i, path := range []string{"/head", "/body"} {
		c := s.dial()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
		<-arrived
		if path == "/body" {
			io.ReadFull(c, make([]byte, 12)) // the head has come through
		}
		c.Close()
		<-cancelled // the instance is told
		if m := s.total(uint64(i + 1)); m.Aborted != uint64(i+1) || m.Failed+m.ByApp+m.ByNaru != 0 {
			t.Errorf("%s metered %+v", path, m)
		}
	}
}

// TestHalfClosedClient closes its writing side while the instance is at work: net/http takes that for the
// end of the client, and what it is sent then must not look like an answer.
func TestHalfClosedClient(t *testing.T) {
	s := newSite(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "the request to be in flight", func() bool { return s.inFlight() == 1 })
	c.CloseWrite()
	if rest, _ := io.ReadAll(c); len(rest) > 0 {
		t.Fatalf("sent %q", rest)
	}
}

func (s *site) inFlight() int {
	n := 0
	for _, b := range s.router.State().Services[0].Backends {
		n += b.InFlight
	}
	return n
}

// TestTableSwapsUnderLoad replaces the instances again and again, as a rolling deployment does, while
// clients send requests of all kinds. None may fail.
func TestTableSwapsUnderLoad(t *testing.T) {
	s := newSite(t, serve(t, work))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var clients sync.WaitGroup
	var sent atomic.Int64
	for i := range 16 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				method, body := "GET", ""
				if (i+n)%2 == 0 {
					method, body = "POST", strings.Repeat("x", 5000)
				}
				r := request(t, method, s.url("/"), strings.NewReader(body))
				r.Close = n%7 == 0
				resp, _, err := s.do(r)
				sent.Add(1)
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%s failed: %v %v", method, resp, err)
					return
				}
			}
		})
	}
	stop := func() {}
	for i := 1; ctx.Err() == nil; i++ {
		stop = replaceInstance(t, s, i, stop)
	}
	clients.Wait()
	stop()
	if m := s.total(uint64(sent.Load())); m.ByNaru+m.ByApp+m.Aborted != 0 {
		t.Errorf("metered %+v", m)
	}
	t.Logf("%d requests over %d tables", sent.Load(), s.version)
}

func work(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%d", n)
}

// replaceInstance starts a new instance, moves the traffic, waits until the old one has nothing to do and
// stops it with no mercy: whatever the drain has let slip through fails. It returns what stops the new one.
func replaceInstance(t *testing.T, s *site, i int, stopOld func()) (stop func()) {
	b := &http.Server{Handler: http.HandlerFunc(work)}
	l := listen(t)
	served := make(chan struct{})
	go func() { defer close(served); b.Serve(l) }()
	old := s.route.Backends[0].ID
	s.route.Backends[0].Enabled = false
	s.route.Backends = append(s.route.Backends, ready("r1", i%20, l.Addr().String()))
	s.apply()
	eventually(t, "the old instance to be idle", func() bool {
		for _, st := range s.router.State().Services[0].Backends {
			if st.ID == old && !st.Enabled {
				return st.InFlight == 0
			}
		}
		return true
	})
	stopOld()
	s.route.Backends = s.route.Backends[1:]
	s.apply()
	return func() { b.Close(); <-served }
}
