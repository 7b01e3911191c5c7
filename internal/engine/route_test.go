package engine

import (
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Who waits because of a move waits by the move's clock, whichever revision's settings are in force; at other times by these.
func TestHeldRequestsWaitByTheClockOfTheMove(t *testing.T) {
	settings := deploy.Service{HoldTimeout: deploy.Duration(2 * time.Second)}
	for _, c := range []struct {
		hold    bool
		picture time.Duration
		want    time.Duration
	}{{true, 15 * time.Second, 15 * time.Second}, {false, 15 * time.Second, 2 * time.Second}, {true, 0, 2 * time.Second}} {
		l := newLoop(&Engine{}, deploy.State{Service: "s", Rest: deploy.Picture{HoldTimeout: c.picture}, Routing: deploy.Routing{Hold: c.hold}})
		if got := l.translate(settings).HoldTimeout; got != c.want {
			t.Errorf("hold %t, picture %s: %s, want %s", c.hold, c.picture, got, c.want)
		}
	}
}
