package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/traffic"
)

// lonely is the chat as a program that cannot run twice, because it always listens on the same port.
func lonely(port int, more string) string {
	return fmt.Sprintf(`  chat:
    exclusive: true
    port: %d
    process: {command: [./chat, --version, "${VERSION}", --listen, "127.0.0.1:%[1]d"]}
    health: {http: /healthz, interval: 200ms, start_timeout: 30s}
    hold_timeout: 15s
    stop_timeout: 3s
%s`, port, more)
}

// reserved finds a port for a program that always has the same.
func reserved(t *testing.T) int {
	t.Helper()
	for i := range 500 {
		port := 30000 + (os.Getpid()*17+i)%500
		if _, given := taken.LoadOrStore(port, true); given {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// A program that always listens on one port is replaced at that port: nobody fails, and WebSockets are told to come back
// once, at once, however long drain_timeout is.
func TestExclusiveAtItsPort(t *testing.T) {
	t.Parallel()
	const people = 8
	port := reserved(t)
	s := start(t, lonely(port, ""))
	s.deploy(0, "chat", "3.0")
	users, load := s.chatters(people), s.load(80)
	r := s.deploy(0, "chat", "3.1")
	whole(t, r, deploy.Promoted)
	if r.Connections.WebSocketClosed != people {
		t.Errorf("%d WebSockets were asked to reconnect, want %d", r.Connections.WebSocketClosed, people)
	}
	v := s.rest("chat", "3.1", 1)
	if address := fmt.Sprintf("127.0.0.1:%d", port); v.Instances[0].Address != address {
		t.Errorf("the instance is at %s, want %s", v.Instances[0].Address, address)
	}
	back := s.receipt(s.must(0, "rollback", "chat", "--json"))
	whole(t, back, deploy.Promoted)
	s.rest("chat", "3.0", 1)
	clean(t, load.Stop())
	sockets := users.Stop()
	if err := sockets.Err(); err != nil || sockets.Told != 2*people {
		t.Errorf("%v; %d were told to come back, want %d: %s", err, sockets.Told, 2*people, sockets)
	}
	t.Logf("the longest hold was %.0f ms with WebSockets open; of the rollback %.0f ms", r.Hold.Longest, back.Hold.Longest)

	// Its death at rest: reads can be repeated, and wait for its successor at the same port.
	reads := traffic.Load{URL: "http://" + s.http, Rate: 60, Sources: 40, Fresh: .5, Request: traffic.Get("/version")}.Start(t.Context())
	s.served(reads, "3.0", 30)
	dead := s.status("chat").Instances[0].PID
	if err := syscall.Kill(dead, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.until(20*time.Second, "it runs again", func() error {
		if v := s.status("chat"); len(v.Instances) != 1 || v.Instances[0].PID == dead || !v.Instances[0].Healthy {
			return fmt.Errorf("%+v", v.Instances)
		}
		return nil
	})
	clean(t, reads.Stop())
}

// A port that somebody else has is found out before anything is stopped.
func TestExclusivePortIsTaken(t *testing.T) {
	t.Parallel()
	mine, theirs := reserved(t), reserved(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", theirs))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, lonely(mine, ""))
	s.deploy(0, "chat", "3.0")
	before := s.status("chat")
	load := s.load(60)
	s.write(lonely(theirs, ""))
	r := s.deploy(2, "chat", "3.1")
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, fmt.Sprintf("port %d of 127.0.0.1 is taken by e2e.test (pid %d)", theirs, os.Getpid()))
	if r.Requests.Held > 0 || r.Hold != (deploy.Hold{}) {
		t.Errorf("%d requests were held: %+v", r.Requests.Held, r.Hold)
	}
	s.sameProcesses(before)

	other := `{"version":"1","service":{"hosts":["other.test"],"exclusive":true,"port":%d,"process":{"command":["./chat","${VERSION}"]}}}`
	s.wants(409, engine.Conflict, fmt.Sprintf("chat already has port %d", mine), "POST", "/v1/services/other/rollouts", fmt.Sprintf(other, mine))
	low, _, _ := strings.Cut(s.ports, "-")
	s.wants(409, engine.Conflict, "lies in server.ports", "POST", "/v1/services/other/rollouts", strings.Replace(other, "%d", low, 1))
	clean(t, load.Stop())
}

// Whatever happens while requests wait, the next one answers them: the controller is killed, people change their minds,
// another deploy comes.
func TestExclusiveInterrupted(t *testing.T) {
	t.Parallel()
	s := start(t, lonely(reserved(t), ""))
	s.deploy(0, "chat", "3.0")
	load := s.load(60)
	begin := func(version string) {
		s.must(0, "deploy", "chat", version, "--detach")
		s.at("chat", 2, deploy.Starting)
	}

	begin("3.1-slow-2s")
	s.kill()
	s.begin()
	s.rest("chat", "3.1-slow-2s", 1)
	whole(t, s.last("chat"), deploy.Promoted)

	begin("3.2-slow-60s")
	s.must(0, "abort", "chat")
	s.rest("chat", "3.1-slow-2s", 1)
	aborted := s.last("chat")
	whole(t, aborted, deploy.Aborted)

	begin("3.3-slow-60s")
	s.kill()
	s.begin()
	s.must(0, "deploy", "chat", "3.4", "--detach")
	s.rest("chat", "3.4", 1)
	whole(t, s.last("chat"), deploy.Promoted)

	whole(t, s.deploy(2, "chat", "3.5-crash"), deploy.RolledBack)
	again := s.receipt(s.must(2, "retry", "chat", "--json"))
	whole(t, again, deploy.RolledBack)
	contains(t, "the reason is", again.Reason, "ended 3 times in a row")
	s.rest("chat", "3.4", 1)
	clean(t, load.Stop())
	t.Logf("the longest hold of the aborted one was %.0f ms", aborted.Hold.Longest)
}

// A request that takes longer than everybody else can wait stops the rollout and not the other way round: nothing has been
// stopped for it. One that is only longer than drain_timeout is finished by the program itself.
func TestExclusiveLongRequest(t *testing.T) {
	t.Parallel()
	port := reserved(t)
	s := start(t, lonely(port, ""))
	s.deploy(0, "chat", "3.0")
	before := s.status("chat")
	load := s.load(60)
	upload := s.uploading(9 * time.Second)
	r := s.deploy(2, "chat", "3.1")
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "r1 had not finished 1 request after ", "nothing was stopped; raise hold_timeout (15s)")
	s.sameProcesses(before)
	if err := upload(); err != nil {
		t.Errorf("the upload: %v", err)
	}

	s.write(lonely(port, "    drain_timeout: 1s\n"))
	upload = s.uploading(2500 * time.Millisecond)
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	if err := upload(); err != nil {
		t.Errorf("the shorter upload: %v", err)
	}
	clean(t, load.Stop())
}

// A worker that cannot run twice has nobody waiting for it, and all the same never runs twice.
func TestExclusiveWorker(t *testing.T) {
	t.Parallel()
	s := start(t, `  clerk:
    exclusive: true
    port: none
    process: {command: [sh, -c, 'mkdir desk || exit 1; trap "rmdir desk; exit 0" TERM; while :; do sleep 0.1; done', "${VERSION}"]}
`)
	for i := range 3 {
		if r := s.deploy(0, "clerk", fmt.Sprintf("1.%d", i)); r.Outcome != deploy.Promoted {
			t.Errorf("%+v", r)
		}
	}
	if v := s.rest("clerk", "1.2", 1); v.Instances[0].Exits > 0 {
		t.Errorf("%+v", v.Instances)
	}
}
