package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// chatters begins WebSocket users of the chat and waits until all of them are connected.
func (s *stand) chatters(n int) *traffic.RunningSockets {
	s.t.Helper()
	users := traffic.Sockets{URL: "http://" + s.http, Path: "/ws", Users: n, Every: 200 * time.Millisecond,
		Patience: 20 * time.Second, // also for those who come back while requests are held
		Message:  func(text string) []byte { return fmt.Appendf(nil, `{"text":%q}`, text) }}.Start(s.t.Context())
	s.until(20*time.Second, "all users are connected", func() error {
		if open := users.Report().Open; open != n {
			return fmt.Errorf("%d are", open)
		}
		return nil
	})
	return users
}

// Everybody in a chat whose instances are replaced one by one is asked to come back once, although there are three
// steps: who comes back is let in by the new version. No connection is dropped and no message lost.
func TestWebSocketsAreToldOnce(t *testing.T) {
	t.Parallel()
	const people = 10
	s := start(t, chat(3, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	users, load := s.chatters(people), s.load(100)
	r := s.deploy(0, "chat", "3.1")
	s.until(20*time.Second, "everybody is back", func() error {
		if u := users.Report(); u.Open != people {
			return fmt.Errorf("%d are", u.Open)
		}
		return nil
	})
	clean(t, load.Stop())
	report := users.Stop()
	t.Logf("sockets: %s", report)
	whole(t, r, deploy.Promoted)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if report.Told != people || report.Versions["3.0"] != people || report.Versions["3.1"] != people {
		t.Errorf("%d users were told to come back %d times and were let in by %v, want each of them once by each version", people, report.Told, report.Versions)
	}
	if closed := r.Connections.WebSocketClosed; closed != people {
		t.Errorf("the receipt counts %d WebSockets that were asked to reconnect, the users were told %d times", closed, report.Told)
	}
}
