package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// marked runs the chat beside a mark of its own in the folder running. One that must be alone looks for others' marks, and one
// that is only tried out takes its time to end.
const marked = `#!/bin/sh
mkdir -p running
if [ "$ALONE" = yes ] && [ -n "$(ls running)" ]; then echo "$NARU_INSTANCE beside $(ls running)" >>twice; fi
: >"running/$NARU_INSTANCE"
"$1" --version "$NARU_VERSION" --listen "127.0.0.1:$PORT" &
trap 'kill $!; wait $!; case $NARU_INSTANCE in *-0) sleep 4 ;; esac; rm "running/$NARU_INSTANCE"; exit 0' TERM
wait $!
status=$?
rm "running/$NARU_INSTANCE"
exit $status
`

// marking is the service of such programs.
func marking(alone bool) string {
	more := "    strategy: " + quickly + "\n"
	if alone {
		more = "    exclusive: true\n    hold_timeout: 20s\n"
	}
	return fmt.Sprintf(`  chat:
    process: {command: [./marked.sh, BIN/chat, "${VERSION}"], env: {ALONE: "%s"}}
    health: {http: /healthz, interval: 200ms, start_timeout: 50s}
    drain_timeout: 3s
    stop_timeout: 9s
%s`, map[bool]string{true: "yes", false: "no"}[alone], more)
}

// A version that must be alone does not begin beside an instance that was only tried out and is still ending: until that is gone
// it counts as not ready to start.
func TestExclusiveWaitsForTheEndOfADrill(t *testing.T) {
	t.Parallel()
	s := stage(t, marking(false))
	if err := os.WriteFile(filepath.Join(s.dir, "marked.sh"), []byte(marked), 0o700); err != nil {
		t.Fatal(err)
	}
	s.begin()
	s.deploy(0, "chat", "3.0")
	s.must(0, "deploy", "chat", "3.1-hang", "--detach")
	s.must(0, "rollback", "chat")
	drill := s.follow("rollback", "chat", "r2", "--drill")
	s.until(40*time.Second, "the drill has begun", func() error {
		_, err := os.Stat(filepath.Join(s.dir, "running/chat-r2-0"))
		return err
	})
	load := s.load(40)
	s.write(marking(true))
	s.must(0, "deploy", "chat", "3.2", "--detach")
	s.must(1, "rollback", "chat", "r2", "--drill") // while one ends, and a rollout is open
	s.at("chat", 2, deploy.Baking)
	s.must(0, "promote", "chat")
	s.rest("chat", "3.2", 1)
	drill.wait()
	clean(t, load.Stop())
	whole(t, s.last("chat"), deploy.Promoted)
	if twice, err := os.ReadFile(filepath.Join(s.dir, "twice")); err == nil {
		t.Errorf("%s", twice)
	}
	if s.tried("r2") {
		t.Error("the drill has left its instance")
	}
	_, said, status := s.said("rollback", "chat", "r1", "--drill")
	if status != 1 || !strings.Contains(said, "cannot run twice") {
		t.Errorf("a drill beside it: %d, %s", status, said)
	}
}
