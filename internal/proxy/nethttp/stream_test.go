package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// chat is a WebSocket backend that repeats what it hears; on /flood it sends large fragmented messages
// without end, at a pace.
func chat(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	if r.URL.Path == "/flood" {
		ctx := c.CloseRead(r.Context())
		for part := bytes.Repeat([]byte("abcdefgh"), 9000); ; {
			m, err := c.Writer(ctx, websocket.MessageBinary)
			if err != nil {
				return
			}
			for range 3 {
				if _, err := m.Write(part); err != nil {
					return
				}
				time.Sleep(time.Millisecond) // leaves the clients time to keep up on a busy machine
			}
			if m.Close() != nil {
				return
			}
		}
	}
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

func (s *site) websocket(path string) *websocket.Conn {
	s.t.Helper()
	c, resp, err := websocket.Dial(s.t.Context(), s.url(path), &websocket.DialOptions{HTTPClient: s.client})
	if err != nil {
		s.t.Fatalf("%v %v", resp, err)
	}
	c.SetReadLimit(-1)
	s.t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestWebSocketEcho(t *testing.T) {
	s := newSite(t, serve(t, chat))
	c := s.websocket("/")
	for _, size := range []int{0, 1, 125, 126, 70_000, 1 << 20} {
		sent := bytes.Repeat([]byte("x"), size)
		if err := c.Write(t.Context(), websocket.MessageBinary, sent); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes came back as %d: %v", size, len(got), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Fatal(err)
	}
	m := s.total(1)
	eventually(t, "the connection to be counted", func() bool { m = s.total(1); return m.Out > 0 })
	if m.Upgraded != 1 || m.WebSocketClosed != 0 || m.Failed+m.ByApp+m.ByNaru != 0 || m.In < 1<<20 {
		t.Errorf("metered %+v", m)
	}
}

// TestDrainTellsWebSocketsBetweenFrames drains while the server floods its clients: every one of them
// must read whole messages and then 1001.
func TestDrainTellsWebSocketsBetweenFrames(t *testing.T) {
	s := newSite(t, serve(t, chat))
	const clients = 5
	ends := make(chan error, clients)
	ready := make(chan struct{}, clients)
	for range clients {
		c := s.websocket("/flood")
		go func() {
			for i := 0; ; i++ {
				_, message, err := c.Read(context.Background())
				if err != nil {
					ends <- err
					return
				}
				if len(message) != 3*72_000 {
					ends <- fmt.Errorf("a message of %d bytes", len(message))
					return
				}
				if i == 2 {
					ready <- struct{}{}
				}
			}
		}()
	}
	for range clients {
		<-ready
	}
	s.drainNow()
	for range clients {
		// A Read that was in the middle of a message when 1001 came reports that too.
		if err := <-ends; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("ended with %v, want 1001", err)
		}
	}
	var m = s.total(clients)
	eventually(t, "closed connections to be counted", func() bool { m = s.total(clients); return m.WebSocketClosed == clients })
	if m.Failed+m.ByApp+m.ByNaru != 0 {
		t.Errorf("metered %+v", m)
	}
	eventually(t, "the instance to be idle", func() bool { return s.inFlight() == 0 })
}

// drainNow closes all backends, with long-lived connections to leave at once.
func (s *site) drainNow() {
	s.t.Helper()
	for i := range s.route.Backends {
		s.route.Backends[i].Enabled = false
		s.route.Backends[i].DrainBy = time.Now().Add(100 * time.Millisecond)
	}
	s.apply()
}

func TestWebSocketOfAKilledInstanceIsBroken(t *testing.T) {
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x7dhalf a frame")
		c.(*net.TCPConn).SetLinger(0)
	}))
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	io.Copy(io.Discard, c)
	eventually(t, "the cut to be counted", func() bool { return s.total(1).ByApp == 1 })
}

func TestOtherUpgrades(t *testing.T) {
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if r.Header.Get("Upgrade") != "line-echo" || r.Header.Get("Connection") != "Upgrade" {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		// The first line comes in one piece with the head, which must not swallow it.
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: line-echo\r\nX-A: b\r\n\r\nwelcome\n")
		io.Copy(c, in)
		c.(*net.TCPConn).CloseWrite()
	}))
	open := func() (*net.TCPConn, *bufio.Reader) {
		c := s.dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: line-echo\r\n\r\nearly\n")
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "line-echo" || resp.Header.Get("X-A") != "b" {
			t.Fatalf("%v %v", resp, err)
		}
		for _, want := range []string{"welcome\n", "early\n"} {
			if line, err := in.ReadString('\n'); err != nil || line != want {
				t.Fatalf("read %q, %v, want %q", line, err, want)
			}
		}
		return c, in
	}
	c, in := open()
	io.WriteString(c, "last words\n")
	c.CloseWrite() // and the answer still comes
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "last words\n" {
		t.Fatalf("%q %v", rest, err)
	}
	_, in = open()
	s.drainNow()
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Fatalf("a drained tunnel ends with %q, %v", rest, err)
	}
}

func TestUpgradeThatWasNotAskedFor(t *testing.T) {
	s := newSite(t, serveRaw(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
		c.Read(make([]byte, 1))
	}))
	c := s.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 502 {
		t.Fatalf("%v %v", resp, err)
	}
}

// TestDrainEndsEventStreamsBetweenEvents drains while one stream idles and another is in the middle of an
// event that is completed afterwards.
func TestDrainEndsEventStreamsBetweenEvents(t *testing.T) {
	drained := make(chan struct{})
	s := newSite(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		if r.URL.Path == "/middle" {
			io.WriteString(w, "data: 2")
			w.(http.Flusher).Flush()
			<-drained
			io.WriteString(w, "\n\ndata: 3\n\n")
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	want := map[string]string{"/idle": "data: 1\n\n", "/middle": "data: 1\n\ndata: 2\n\n"}
	streams := map[string]io.ReadCloser{}
	for path := range want {
		resp, err := s.client.Do(request(t, "GET", s.url(path), nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		streams[path] = resp.Body
	}
	for path, begun := range map[string]string{"/idle": "data: 1\n\n", "/middle": "data: 1\n\ndata: 2"} {
		if _, err := io.ReadFull(streams[path], make([]byte, len(begun))); err != nil {
			t.Fatal(err)
		}
		want[path] = strings.TrimPrefix(want[path], begun)
	}
	s.drainNow()
	if got, err := io.ReadAll(streams["/idle"]); err != nil || string(got) != want["/idle"] {
		t.Errorf("idle: %q %v", got, err)
	}
	close(drained)
	if got, err := io.ReadAll(streams["/middle"]); err != nil || string(got) != want["/middle"] {
		t.Errorf("in the middle: %q %v", got, err)
	}
	if m := s.total(2); m.Failed+m.ByApp+m.ByNaru+m.Aborted != 0 {
		t.Errorf("metered %+v", m)
	}
}

func TestEventsFollowLines(t *testing.T) {
	for _, tt := range []struct {
		sent string
		open bool
	}{
		{"", false}, {"data: x", true}, {"data: x\n", true}, {"data: x\n\n", false}, {"data: x\r\n", true}, {"data: x\r\n\r\n", false},
		{"data: x\r\r", false}, {"data: x\r", true}, {":comment\n", false}, {"data: x\n\n: keep-alive\n\n", false}, {"a\n:b\n", true},
	} {
		e := &events{cut: func() {}}
		for i := range tt.sent { // byte by byte
			if _, last := e.pass([]byte(tt.sent[i : i+1])); last {
				t.Fatalf("%q ended by itself", tt.sent)
			}
		}
		if e.open != tt.open {
			t.Errorf("%q: open %v", tt.sent, e.open)
		}
	}
	left := errors.New("cut")
	var cut error
	e := &events{cut: func() { cut = left }}
	e.pass([]byte("data: 1"))
	e.leave()
	if cut != nil {
		t.Fatal("cut inside an event")
	}
	if part, last := e.pass([]byte("\n\ndata: 2\n\n")); string(part) != "\n\n" || !last {
		t.Fatalf("passed %q, last %v", part, last)
	}
}
