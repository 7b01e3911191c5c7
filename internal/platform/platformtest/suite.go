// Package platformtest is the suite that every platform passes: what the port promises, tried on real programs.
package platformtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// Setup is a platform under test, with no instance on it.
type Setup struct {
	Platform platform.Platform
	// Again returns the platform as a controller that was just restarted sees it.
	Again func() platform.Platform
	// Service returns settings that run a program with arguments. ${…} in these is filled in by the platform.
	Service func(p Program, args ...string) deploy.Service
	// Ports is the range that instances may use.
	Ports deploy.PortSpan
	// Dir is the folder in which the platform keeps its files.
	Dir string
}

// patience bounds every waiting for something that will happen.
const patience = 20 * time.Second

// Run runs the suite; each test gets a Setup of its own from make, which ends whatever the test leaves.
func Run(t *testing.T, make func(*testing.T) Setup) {
	tests := []struct {
		name string
		run  func(*world)
	}{
		{"a started instance is listed and serves, a stopped one is gone", startAndStop},
		{"starting twice is starting once", startTwice},
		{"an exit is listed with its last words and counted", exit},
		{"a stop forgets the exits", stopForgets},
		{"a program that does not exist is refused in words", missing},
		{"an instance that ignores the signal is stopped by force", force},
		{"stopping what does not exist, or many times at once, is no error", stopTwice},
		{"a stop that meets a start leaves nothing running", stopMeetsStart},
		{"a list is of one service or of all", listService},
		{"instances started at the same time have different addresses", addresses},
		{"a worker has no address", worker},
		{"placeholders and variables are filled in", placeholders},
		{"a log is read whole, in part, and after the end", logs},
		{"a log is followed", follow},
		{"a log that nobody kept is an error", noLog},
		{"a revision is removed when nothing runs of it", remove},
		{"what is kept of a revision is listed until it is removed", holdings},
		{"a sweep takes nothing that anybody uses, and old logs", sweep},
		{"a restarted controller finds every instance", adopt},
		{"a context that has ended ends the waiting", cancelled},
		{"secrets reach the program and nobody else", secrets},
		{"a secret that is missing is refused before anything starts", missingSecret},
		{"a secret that was changed is told of, and used by the next start", changedSecret},
		{"no reason repeats a secret", redacted},
		{"who only looks at secrets runs no command", glance},
		{"a command is asked at Prepare for the start that follows", early},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(&world{T: t, Setup: make(t)}) })
	}
}

// world is one test's platform with the steps that tests are made of.
type world struct {
	*testing.T
	Setup
}

// prepare returns a revision of a service that is ready to start.
func (w *world) prepare(service string, number int, settings deploy.Service) deploy.Revision {
	w.Helper()
	rev := deploy.Revision{
		Service: service, ID: fmt.Sprintf("r%d", number), Version: fmt.Sprintf("%d.0", number), Settings: settings,
	}
	if err := w.Platform.Prepare(w.Context(), rev); err != nil {
		w.Fatal(err)
	}
	return rev
}

func (w *world) spec(rev deploy.Revision, slot int) (string, deploy.InstanceSpec) {
	return deploy.InstanceID(rev.Service, rev.ID, slot), deploy.InstanceSpec{
		Service: rev.Service, Revision: rev.ID, Version: rev.Version, Slot: slot,
		Settings: rev.Settings, Ports: w.Ports,
	}
}

// start starts a slot of the revision and returns the instance's ID.
func (w *world) start(rev deploy.Revision, slot int) string {
	w.Helper()
	id, spec := w.spec(rev, slot)
	if err := w.Platform.Start(w.Context(), id, spec); err != nil {
		w.Fatal(err)
	}
	return id
}

func (w *world) stop(id string, grace time.Duration) {
	w.Helper()
	if err := w.Platform.Stop(w.Context(), id, grace); err != nil {
		w.Fatal(err)
	}
}

// find returns the instance as it is listed now, or nil.
func (w *world) find(id string) *deploy.Instance {
	w.Helper()
	all, err := w.Platform.List(w.Context(), "")
	if err != nil {
		w.Fatal(err)
	}
	for _, i := range all {
		if i.ID == id {
			return &i
		}
	}
	return nil
}

// await returns the instance once it is in a state.
func (w *world) await(id string, state deploy.InstanceState) deploy.Instance {
	w.Helper()
	var found *deploy.Instance
	Eventually(w, func() error {
		if found = w.find(id); found == nil {
			return fmt.Errorf("%s is not listed", id)
		}
		if found.State != state {
			return fmt.Errorf("%s is %s, want %s (%s)", id, found.State, state, found.Reason)
		}
		return nil
	})
	return *found
}

// ask returns what an Echo answers, once it does.
func (w *world) ask(address string) (a Answer) {
	w.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	Eventually(w, func() error {
		response, err := client.Get("http://" + address)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		return json.NewDecoder(response.Body).Decode(&a)
	})
	return a
}

// Eventually tries again until there is no error; after 20 seconds the last one fails the test.
func Eventually(t testing.TB, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func startAndStop(w *world) {
	id := w.start(w.prepare("chat", 7, w.Service(Echo)), 2)
	i := w.find(id)
	if i == nil {
		w.Fatal("the instance is not listed")
	}
	if i.Service != "chat" || i.Revision != "r7" || i.Slot != 2 || i.State != deploy.Running || !i.Live() {
		w.Errorf("listed as %+v", *i)
	}
	if age := time.Since(i.Started); age < 0 || age > time.Minute {
		w.Errorf("started %s ago", age)
	}
	if a := w.ask(i.Address); a.Instance != id {
		w.Errorf("%s is answered by %q", i.Address, a.Instance)
	}
	if i = w.find(id); i.Memory <= 0 {
		w.Errorf("the program uses %d bytes of memory", i.Memory)
	}
	w.stop(id, 5*time.Second)
	if i := w.find(id); i != nil {
		w.Errorf("still listed: %+v", *i)
	}
	if response, err := http.Get("http://" + i.Address); err == nil {
		response.Body.Close()
		w.Error("still serving")
	}
}

func startTwice(w *world) {
	rev := w.prepare("chat", 1, w.Service(Echo))
	id := w.start(rev, 1)
	first := w.find(id)
	w.start(rev, 1)
	second := w.find(id)
	if first.PID != second.PID || first.Address != second.Address || !first.Started.Equal(second.Started) {
		w.Errorf("first %+v, then %+v", first, second)
	}
	w.stop(id, time.Second)
}

func exit(w *world) {
	rev := w.prepare("chat", 1, w.Service(Fail))
	for round := range 3 {
		id := w.start(rev, 1)
		i := w.await(id, deploy.Exited)
		if i.Exits != round+1 {
			w.Errorf("after start %d: %d exits", round+1, i.Exits)
		}
		if age := time.Since(i.Ended); age < 0 || age > time.Minute {
			w.Errorf("ended %s ago", age)
		}
		for _, want := range []string{"status 3", "giving up 12", "giving up 3"} {
			if !strings.Contains(i.Reason, want) {
				w.Errorf("the reason lacks %q: %s", want, i.Reason)
			}
		}
		if strings.Contains(i.Reason, "giving up 2\n") {
			w.Errorf("the reason has more than ten lines: %s", i.Reason)
		}
	}
}

func stopForgets(w *world) {
	rev := w.prepare("chat", 1, w.Service(Fail))
	id := w.start(rev, 1)
	w.await(id, deploy.Exited)
	w.stop(id, time.Second)
	if i := w.find(id); i != nil {
		w.Fatalf("still listed: %+v", *i)
	}
	w.start(rev, 1)
	if i := w.await(id, deploy.Exited); i.Exits != 1 {
		w.Errorf("%d exits after a fresh start, want 1", i.Exits)
	}
}

func missing(w *world) {
	rev := deploy.Revision{Service: "chat", ID: "r1", Version: "1.0", Settings: w.Service(Missing)}
	err := w.Platform.Prepare(w.Context(), rev)
	if err == nil { // some platforms find out only when they try
		i := w.await(w.start(rev, 1), deploy.Exited)
		err = fmt.Errorf("%s", i.Reason)
	}
	if !strings.Contains(err.Error(), "missing") {
		w.Errorf("the reason does not name the program: %v", err)
	}
}

func force(w *world) {
	id := w.start(w.prepare("chat", 1, w.Service(Stubborn)), 1)
	w.awaitLog(id, "ready")
	began := time.Now()
	w.stop(id, 300*time.Millisecond)
	if took := time.Since(began); took < 300*time.Millisecond {
		w.Errorf("stopped after %s, before the grace was over", took)
	}
	if i := w.find(id); i != nil {
		w.Errorf("still listed: %+v", *i)
	}
}

func stopTwice(w *world) {
	w.stop("chat-r9-9", time.Second)
	id := w.start(w.prepare("chat", 1, w.Service(Echo)), 1)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := w.Platform.Stop(w.Context(), id, time.Second); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	if i := w.find(id); i != nil {
		w.Errorf("still listed: %+v", *i)
	}
	w.stop(id, time.Second)
}

func stopMeetsStart(w *world) {
	rev := w.prepare("chat", 1, w.Service(Echo))
	for range 5 {
		id, spec := w.spec(rev, 1)
		var both sync.WaitGroup
		both.Go(func() { _ = w.Platform.Start(w.Context(), id, spec) }) // may be refused: it is being stopped
		both.Go(func() {
			if err := w.Platform.Stop(w.Context(), id, time.Second); err != nil {
				w.Error(err)
			}
		})
		both.Wait()
		w.stop(id, time.Second) // the start may have come last
		if left := w.find(id); left != nil {
			w.Fatalf("still listed: %+v", *left)
		}
	}
}

func listService(w *world) {
	chat := w.start(w.prepare("chat", 1, w.Service(Echo)), 1)
	shop := w.start(w.prepare("shop", 1, w.Service(Echo)), 1)
	for service, want := range map[string][]string{"chat": {chat}, "shop": {shop}, "social": nil, "": {chat, shop}} {
		all, err := w.Platform.List(w.Context(), service)
		if err != nil {
			w.Fatal(err)
		}
		var got []string
		for _, i := range all {
			got = append(got, i.ID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			w.Errorf("list of %q: %v, want %v", service, got, want)
		}
	}
	w.stop(chat, time.Second)
	w.stop(shop, time.Second)
}

func addresses(w *world) {
	rev := w.prepare("chat", 1, w.Service(Echo))
	var all sync.WaitGroup
	for slot := range 5 {
		all.Go(func() {
			id, spec := w.spec(rev, slot+1)
			if err := w.Platform.Start(w.Context(), id, spec); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	instances, err := w.Platform.List(w.Context(), "chat")
	if err != nil || len(instances) != 5 {
		w.Fatalf("%d instances, %v", len(instances), err)
	}
	for _, i := range instances {
		if a := w.ask(i.Address); a.Instance != i.ID {
			w.Errorf("%s of %s is answered by %s", i.Address, i.ID, a.Instance)
		}
		w.stop(i.ID, time.Second)
	}
}

func worker(w *world) {
	settings := w.Service(Stubborn)
	settings.Port = "none"
	id := w.start(w.prepare("mailer", 1, settings), 1)
	if i := w.find(id); i == nil || i.Address != "" || i.State != deploy.Running {
		w.Errorf("listed as %+v", i)
	}
	w.stop(id, 0)
}

func placeholders(w *world) {
	rev := w.prepare("chat", 7, w.Service(Echo, "${VERSION}/${REVISION}/${INSTANCE}/${PORT}", "$${VERSION}", "${HOME_OF_NOBODY}"))
	id := w.start(rev, 3)
	a := w.ask(w.find(id).Address)
	if a.Version != "7.0" || a.Revision != "r7" || a.Instance != "chat-r7-3" || a.Port == "" {
		w.Errorf("environment: %+v", a)
	}
	want := []string{"7.0/r7/chat-r7-3/" + a.Port, "${VERSION}", "${HOME_OF_NOBODY}"}
	if !slices.Equal(a.Args, want) {
		w.Errorf("arguments %q, want %q", a.Args, want)
	}
	w.stop(id, time.Second)
}

func remove(w *world) {
	rev := w.prepare("chat", 1, w.Service(Echo))
	id := w.start(rev, 1)
	if err := w.Platform.Remove(w.Context(), rev); err == nil || !strings.Contains(err.Error(), id) {
		w.Errorf("removing a revision that runs: %v", err)
	}
	if i := w.find(id); i == nil || i.State != deploy.Running {
		w.Errorf("the refusal has hurt the instance: %+v", i)
	}
	w.stop(id, time.Second)
	for range 2 {
		if err := w.Platform.Remove(w.Context(), rev); err != nil {
			w.Error(err)
		}
	}
	if log, err := w.Platform.Logs(w.Context(), id, platform.LogOptions{}); err == nil {
		log.Close()
		w.Error("the log is still there")
	}
}

func adopt(w *world) {
	running := w.start(w.prepare("chat", 1, w.Service(Echo)), 1)
	ended := w.start(w.prepare("shop", 1, w.Service(Fail)), 1)
	w.await(ended, deploy.Exited)
	before := w.find(running)
	w.Platform = w.Again()
	if after := w.find(running); after == nil || after.PID != before.PID || after.Address != before.Address {
		w.Errorf("before %+v, after %+v", before, after)
	}
	if i := w.find(ended); i == nil || i.Exits != 1 || !strings.Contains(i.Reason, "giving up") {
		w.Errorf("the exited one: %+v", i)
	}
	w.start(w.prepare("chat", 1, w.Service(Echo)), 1) // once more, by another controller
	if after := w.find(running); after == nil || after.PID != before.PID {
		w.Errorf("started a second time: %+v", after)
	}
	w.stop(running, time.Second)
	if i := w.find(running); i != nil {
		w.Errorf("still listed: %+v", *i)
	}
}

func cancelled(w *world) {
	rev := w.prepare("chat", 1, w.Service(Stubborn))
	id := w.start(rev, 1)
	w.awaitLog(id, "ready")
	ctx, cancel := context.WithTimeout(w.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Platform.Stop(ctx, id, time.Hour); err == nil {
		w.Error("the stop of an instance that does not end has returned without an error")
	}
	if i := w.find(id); i == nil || i.State != deploy.Stopping {
		w.Errorf("an instance that is being stopped is listed as %+v", i)
	}
	w.stop(id, 0) // a later stop may be shorter
	if i := w.find(id); i != nil {
		w.Errorf("still listed: %+v", *i)
	}
}
