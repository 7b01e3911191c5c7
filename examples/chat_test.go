package examples_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/naru-deploy/naru/internal/traffic"
)

// line is what a member of the chat receives.
type line struct {
	Type, Version, Instance, Name, From, Text string
	Members                                   int
}

// enter joins the chat and returns the connection and the welcome.
func enter(t *testing.T, p *program, name string) (*websocket.Conn, line) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), p.url+"/ws?name="+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn, hear(t, conn)
}

func say(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, conn *websocket.Conn) line {
	t.Helper()
	_, data, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return l
}

func TestChatTellsEveryoneIncludingTheSender(t *testing.T) {
	t.Parallel()
	p := startReady(t, "chat", "3.1")
	ada, welcome := enter(t, p, "ada")
	if welcome.Type != "welcome" || welcome.Version != "3.1" || welcome.Name != "ada" || welcome.Members != 1 {
		t.Errorf("welcome: %+v", welcome)
	}
	guest, welcome := enter(t, p, "")
	if welcome.Name != "guest-1" || welcome.Members != 2 {
		t.Errorf("welcome: %+v", welcome)
	}
	say(t, ada, `{"text":"hello"}`)
	for _, conn := range []*websocket.Conn{ada, guest} {
		if l := hear(t, conn); l.Type != "message" || l.From != "ada" || l.Text != "hello" || l.Version != "3.1" {
			t.Errorf("heard %+v", l)
		}
	}
	say(t, guest, "mumble")
	if l := hear(t, guest); l.Type != "error" || !strings.Contains(l.Text, `{"text":`) {
		t.Errorf("heard %+v", l)
	}
	guest.Close(websocket.StatusNormalClosure, "")
	eventually(t, "the guest has left", func() bool { return strings.Contains(p.log.String(), `"guest-1" left, 1 here`) })
}

func TestChatTellsMembersToComeBackOnSIGTERM(t *testing.T) {
	t.Parallel()
	p := startReady(t, "chat", "3.0")
	sockets := traffic.Sockets{
		URL: p.url, Path: "/ws", Users: 5, Every: 20 * time.Millisecond, Patience: time.Second,
		Message: func(text string) []byte { return fmt.Appendf(nil, `{"text":%q}`, text) },
	}
	running := sockets.Start(t.Context())
	eventually(t, "everyone is talking", func() bool {
		r := running.Report()
		return r.Open == sockets.Users && r.Echoed >= 20
	})
	if r := running.Report(); r.Versions["3.0"] != sockets.Users || r.Dropped+r.Refused > 0 {
		t.Errorf("before the signal: %v", r)
	}
	p.terminate(t)
	if code := p.waitExit(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	eventually(t, "everyone was told", func() bool { return running.Report().Told >= sockets.Users })
	if report := running.Stop(); report.Dropped != 0 {
		t.Errorf("members were dropped, not told: %v", report)
	}
}

func TestChatEchoAndUpload(t *testing.T) {
	t.Parallel()
	p := startReady(t, "chat", "3.0")
	var echo struct{ Text, Version string }
	p.askJSON(t, http.DefaultClient, "GET", "/api/echo?text=h%C3%A9", "", http.StatusOK, &echo)
	if echo.Text != "hé" || echo.Version != "3.0" {
		t.Errorf("echo: %+v", echo)
	}
	uploads := traffic.Load{URL: p.url, Request: traffic.Upload("/upload"), Rate: 40, Duration: 500 * time.Millisecond}
	if report := uploads.Run(t.Context()); report.Err() != nil {
		t.Error(report)
	}
	_, header, page := p.ask(t, http.DefaultClient, "GET", "/", "")
	if !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !strings.Contains(page, "event.code === 1001") {
		t.Error("the page does not come back when told to")
	}
}
