package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// Deploy after deploy, the strategies in turn, under constant load with WebSockets open: nothing fails and nothing piles
// up. NARU_SOAK is the number of deploys; make soak asks for 50 at 500 requests per second.
func TestSoak(t *testing.T) {
	t.Parallel()
	deploys, rate := number(t, "NARU_SOAK", 6), number(t, "NARU_SOAK_RATE", 150)
	order := []string{"rolling", "canary", "blue_green"}
	s := start(t, chat(3, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	load := s.load(rate)
	users := traffic.Sockets{URL: "http://" + s.http, Path: "/ws", Users: 10, Every: 500 * time.Millisecond,
		Message: func(text string) []byte { return fmt.Appendf(nil, `{"text":%q}`, text) }}.Start(context.Background())
	var total deploy.Requests
	var closed uint64
	for i := range deploys {
		s.write(chat(3, strategies[order[i%len(order)]]))
		r := s.deploy(0, "chat", fmt.Sprintf("3.%d", i+1))
		whole(t, r, deploy.Promoted)
		total.Total += r.Requests.Total
		total.Retried += r.Requests.Retried
		total.Held += r.Requests.Held
		closed += r.Connections.WebSocketClosed
	}
	clean(t, load.Stop())
	sockets := users.Stop()
	t.Logf("sockets: %s", sockets)
	if err := sockets.Err(); err != nil {
		t.Error(err)
	}
	t.Logf("%d deploys at %d/s: receipts account for %d requests, 0 failed, %d retried, %d held; %d WebSockets were told to come back",
		deploys, rate, total.Total, total.Retried, total.Held, closed)
	if n := len(s.status("chat").Instances); n != 3 {
		t.Errorf("%d instances are left, want 3", n)
	}
}

func number(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: write a number from 1", name, text)
	}
	return n
}
