package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// values are what must be seen nowhere: of a file, before and after it changes, of a command, and of serve's environment.
var values = []string{"opal-file-7731-one", "opal-file-7731-two", "opal-command-2290", "opal-environment-5548", "opal-envfile-9914", broken}

// broken is the second line of a key that somebody has pasted into an env_file.
const broken = "opal+broken+4407"

// openly is a value that is no secret: where it is not found, this test could not fail.
const openly = "open-to-all-1846"

// printing puts the value together, so that the command's own arguments do not have it.
const printing = "#!/bin/sh\necho asked >&2\nprintf opal-com\necho mand-2290\n"

// hider looks for secrets in everything that naru writes and says.
type hider struct {
	*stand
	folder string // with the secrets

	mu   sync.Mutex
	seen map[string]bool // what was found where
	said int             // answers and outputs that were looked through
	open bool            // the value that is no secret was found in an answer
	args map[string]bool // of processes, while the test ran
}

// hides puts the secrets down, and begins to watch the arguments of all processes.
func hides(t *testing.T) *hider {
	t.Helper()
	t.Setenv("NARU_TEST_TOKEN", values[3])
	h := &hider{folder: t.TempDir(), seen: map[string]bool{}, args: map[string]bool{}}
	h.put(t, "db", values[0])
	h.put(t, "print.sh", printing)
	h.put(t, "env", "OTHER="+values[4]+"\n")
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			h.look()
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond): // short-lived processes should not slip through
			}
		}
	})
	t.Cleanup(func() { close(ended); watch.Wait() })
	return h
}

func (h *hider) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.folder, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// env are the variables of a service's file.
func (h *hider) env() string {
	return strings.ReplaceAll(`{DSN: {file: F/db}, KEY: {command: [F/print.sh]}, TOKEN: "t:${env:NARU_TEST_TOKEN}", OPEN: `+openly+`}`, "F", h.folder)
}

// look notes the arguments of all processes.
func (h *hider) look() {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		h.note("arguments "+path, text)
		h.mu.Lock()
		h.args[string(text)] = true
		h.mu.Unlock()
	}
}

// note looks for secrets in a text.
func (h *hider) note(where string, text []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range values {
		if bytes.Contains(text, []byte(v)) {
			h.seen[v+" in "+where] = true
		}
	}
	h.said++
	h.open = h.open || bytes.Contains(text, []byte(openly))
}

// says runs a command, whose output may hold no secret.
func (h *hider) says(want int, args ...string) string {
	h.t.Helper()
	out, errs, status := h.stand.said(args...)
	h.note("what naru "+strings.Join(args, " ")+" says", []byte(out+errs))
	if status != want {
		h.t.Fatalf("naru %s: exit %d, want %d\n%s%s", strings.Join(args, " "), status, want, out, errs)
	}
	h.files() // as they are in between, not only at the end
	return out + errs
}

// given checks what the programs have in their environments.
func (h *hider) given(want ...string) {
	h.t.Helper()
	for _, i := range h.status("chat").Instances {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", i.PID))
		env := strings.Split(string(text), "\x00")
		for _, pair := range want {
			if !slices.Contains(env, pair) {
				h.t.Errorf("%s (process %d, %v) lacks %s", i.ID, i.PID, err, pair)
			}
		}
	}
}

// files looks through the whole state folder and what serve has printed. It reports whether the store has the value that is no
// secret.
func (h *hider) files() (inStore bool) {
	h.t.Helper()
	for _, root := range []string{filepath.Join(h.dir, ".naru"), h.log.Name()} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() || strings.Contains(path, "/logs/") { // what programs print is their business
				return nil
			}
			text, _ := os.ReadFile(path) // some come and go
			h.note("file "+path, text)
			inStore = inStore || strings.HasSuffix(path, "naru.db") && bytes.Contains(text, []byte(openly))
			return nil
		})
		if err != nil {
			h.t.Error(err)
		}
	}
	return inStore
}

// everything looks through the files, and through all that API and commands tell.
func (h *hider) everything() {
	h.t.Helper()
	inStore := h.files()
	paths := []string{"/v1/services", "/v1/services/chat", "/v1/services/chat/revisions", "/v1/services/chat/rollouts", "/v1/events?past=true", "/metrics", "/v1/openapi.json"}
	for _, name := range []string{"chat-1", "chat-2", "latest"} {
		paths = append(paths, "/v1/services/chat/rollouts/"+name, "/v1/services/chat/rollouts/"+name+"/receipt")
	}
	for _, path := range paths {
		_, text := h.ask("GET", path, "")
		h.note("answer of "+path, []byte(text))
	}
	for _, args := range [][]string{{"status"}, {"status", "chat", "--json"}, {"history", "chat"}, {"history", "chat", "--json"}, {"receipt", "chat"}, {"plan", "chat", "9.9", "-f", "naru.yaml"}, {"validate", "-f", "naru.yaml"}} {
		h.says(0, args...)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for what := range h.seen {
		h.t.Errorf("a secret is seen: %s", what)
	}
	if !inStore || !h.open {
		h.t.Errorf("this test sees too little: a value that is no secret is in the store: %t, in an answer: %t", inStore, h.open)
	}
	shims := 0
	for args := range h.args {
		if strings.Contains(args, "--version\x003.") {
			shims++
		}
	}
	if shims == 0 {
		h.t.Error("this test has seen no program's arguments")
	}
	h.t.Logf("%d texts looked through, %d different command lines", h.said, len(h.args))
}

// through lives through everything that starts instances: deploys, a crash, a restart of serve, a rollback, a secret that is
// missing and one that changes.
func (h *hider) through() (load *traffic.Running) {
	want := []string{"DSN=" + values[0], "KEY=" + values[2], "TOKEN=t:" + values[3], "OPEN=" + openly}
	h.says(0, "deploy", "chat", "3.0")
	h.given(want...)
	h.reboot()
	// Reads alone: they can be repeated, so they survive the death of an instance.
	load = traffic.Load{URL: "http://" + h.http, Rate: 60, Sources: 60, Fresh: .25, Request: traffic.Get("/version")}.Start(h.t.Context())
	h.says(0, "deploy", "chat", "3.1", "--json")
	h.crash()
	h.given(want...)
	h.kill()
	h.begin()
	h.says(0, "rollback", "chat")
	h.given(want...)
	contains(h.t, "the same again says", h.says(0, "deploy", "chat", "3.0"), "nothing to do")
	before := h.status("chat")

	path := filepath.Join(h.folder, "db")
	if err := os.Remove(path); err != nil {
		h.t.Fatal(err)
	}
	lines, _, _ := strings.Cut(string(h.file()), "DSN: ")
	place := fmt.Sprintf("naru.yaml:%d:", strings.Count(lines, "\n")+1)
	contains(h.t, "a deploy without the secret says", h.says(1, "deploy", "chat", "3.2"), place, "env.DSN.file: "+path+" does not exist on the machine that naru serves on")
	contains(h.t, "a rollback without the secret says", h.says(1, "rollback", "chat"), "env.DSN.file: "+path+" does not exist")
	h.put(h.t, "db", values[0])
	h.put(h.t, "print.sh", "#!/bin/sh\necho the safe is locked >&2\nexit 1\n")
	contains(h.t, "a rollback while a command fails says", h.says(1, "rollback", "chat"), "env.KEY.command", "exit status 1: the safe is locked")
	h.put(h.t, "print.sh", printing)
	h.sameProcesses(before)

	h.put(h.t, "db", values[1]+"\n")
	contains(h.t, "a deploy with another secret says", h.says(0, "deploy", "chat", "3.0"), "r1 to r3 (3.0)")
	contains(h.t, "history says", h.says(0, "history", "chat"), "changed since r1:", "env.DSN")
	want[0] = "DSN=" + values[1]
	h.given(want...)
	contains(h.t, "the same again says", h.says(0, "deploy", "chat", "3.0"), "nothing to do")
	return load
}

// reboot is what a restart of the machine is like when a secret comes late: nothing runs, status says what is missing, and once it
// is there the instances are started.
func (h *hider) reboot() {
	h.t.Helper()
	path := filepath.Join(h.folder, "db")
	if err := os.Remove(path); err != nil {
		h.t.Fatal(err)
	}
	before := h.status("chat")
	h.kill()
	for _, i := range before.Instances {
		if err := syscall.Kill(i.PID, syscall.SIGKILL); err != nil {
			h.t.Error(err)
		}
	}
	h.begin()
	h.until(20*time.Second, "status says what is missing", func() error {
		if p := h.status("chat").Problem; !strings.Contains(p, "env.DSN.file: "+path+" does not exist") || !strings.Contains(p, "tried again") {
			return fmt.Errorf("the problem is %q", p)
		}
		return nil
	})
	h.put(h.t, "db", values[0])
	h.rest("chat", "3.0", 2)
}

func (h *hider) file() []byte {
	text, err := os.ReadFile(filepath.Join(h.dir, "naru.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

// crash kills an instance and waits until it runs again.
func (h *hider) crash() {
	h.t.Helper()
	victim := h.status("chat").Instances[0]
	if err := syscall.Kill(victim.PID, syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	h.until(20*time.Second, victim.ID+" runs again", func() error {
		for _, i := range h.status("chat").Instances {
			if i.ID == victim.ID && i.Healthy && i.PID != victim.PID {
				return nil
			}
		}
		return fmt.Errorf("%+v", h.status("chat").Instances)
	})
}

// crashed kills an instance whose env_file is broken, and waits until it is said why it cannot run again.
func (h *hider) crashed() {
	h.t.Helper()
	victim := h.status("chat").Instances[0]
	if err := syscall.Kill(victim.PID, syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	h.until(20*time.Second, "it is said why "+victim.ID+" does not run", func() error {
		if out := h.says(0, "status", "chat", "--json"); !strings.Contains(out, "env:2: is no NAME=value line") {
			return errors.New(out)
		}
		return nil
	})
	h.everything() // as long as it lasts, too
}

// Secrets reach the programs, and are seen nowhere else: not in files, logs, events, answers, receipts, nor in arguments.
func TestSecretsOfProcesses(t *testing.T) {
	h := hides(t)
	services := strings.Replace(chat(2, strategies["rolling"]), `{command: [BIN/chat, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"]}`,
		`{command: [sh, -c, 'echo "connects to $DSN"; exec BIN/chat --version "$NARU_VERSION" --listen "127.0.0.1:$PORT"'], env: `+h.env()+`}`, 1)
	h.stand = start(t, services)
	load := h.through()
	// What a program says before it dies is repeated, without the secret.
	out := h.says(2, "deploy", "chat", "3.3-crash", "--json")
	contains(t, "the reason is", h.receipt(out[:strings.LastIndex(out, "}")+1]).Reason, "connects to [DSN]")
	contains(t, "its own log", h.must(0, "logs", "chat", "--revision", "r4"), "connects to "+values[1])
	clean(t, load.Stop())
	h.everything()
}

func TestSecretsOfContainers(t *testing.T) {
	h := hides(t)
	c := containersOf(t, 2)
	h.stand = c.stand
	h.write(strings.Replace(chatImage(2, strategies["rolling"]), "port: 8080,", "port: 8080, env_file: "+h.folder+"/env, env: "+h.env()+",", 1))
	load := h.through()
	h.given("OTHER=" + values[4])
	h.put(t, "env", "OTHER="+values[4]+"-edited\n")
	contains(t, "a deploy with another env_file says", h.says(0, "deploy", "chat", "3.0", "--json"), `"outcome":"`+string(deploy.Promoted))
	h.given("OTHER=" + values[4] + "-edited")
	h.put(t, "env", "OTHER="+values[4]+"-edited\n"+broken+"\n")
	for command, status := range map[string]int{"deploy chat 3.2": 1, "deploy chat 3.2 --json": 1, "rollback chat": 1, "rollback chat --drill": 2, "plan chat 3.2 -f naru.yaml": 0} {
		contains(t, command+" with a broken env_file says", h.says(status, strings.Fields(command)...), h.folder+"/env:2: is no NAME=value line")
	}
	h.crashed()
	h.put(t, "env", "OTHER="+values[4]+"-edited\n")
	h.rest("chat", "3.0", 2)
	clean(t, load.Stop())
	h.everything()
}
