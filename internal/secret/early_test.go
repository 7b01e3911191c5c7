package secret

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e Early
		rev := deploy.Revision{Service: "chat", ID: "r1", Settings: deploy.Service{Process: &deploy.Process{Env: map[string]deploy.Variable{
			"A": {Command: []string{"echo", "one"}}, "B": {Text: "${env:HOME}"}}}}}
		keep := func(value string) {
			var found Set
			found.add("A", value)
			found.add("B", "/root")
			e.Keep(rev, found)
		}
		take := func(want, instance string) {
			t.Helper()
			got := e.Take("chat", "r1", instance)
			if _, more := got["B"]; got["A"] != want || more {
				t.Errorf("%s is given %v, want %q", instance, got, want)
			}
		}
		take("", "chat-r1-1")
		keep("one")
		take("one", "chat-r1-1")
		take("", "chat-r1-1") // after a crash the command is asked
		take("one", "chat-r1-2")
		time.Sleep(earlyFor - time.Second)
		keep("two")
		time.Sleep(2 * time.Second) // the first is over, and the second has just begun
		take("two", "chat-r1-1")
		if got := e.Take("chat", "r2", "chat-r2-1"); got != nil {
			t.Errorf("another revision is given %v", got)
		}
		time.Sleep(earlyFor)
		take("", "chat-r1-3")
		if len(e.of) != 0 {
			t.Errorf("kept for ever: %v", e.of)
		}
	})
}
