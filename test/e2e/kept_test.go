package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// keeper is chat with a copy of its program for every revision, of which three are kept.
func keeper(strategy string) string {
	return strings.ReplaceAll(chat(2, strategy), "process: {command: [BIN/chat,", `keep: {revisions: 3}
    process: {artifact: BIN/chat, command: ["${ARTIFACT}",`)
}

// quickly is a strategy for tests in which the way does not matter.
const quickly = `{rolling: {max_surge: 2, bake: 1ms}}
    analysis: {enabled: false}`

// past is what naru history --json says.
type past struct {
	Rollouts  []api.Rollout
	Revisions []engine.KeptRevision
}

func (s *stand) history(service string) (h past) {
	s.t.Helper()
	out := s.must(0, "history", service, "--json")
	if err := json.Unmarshal([]byte(out), &h); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return h
}

// kept are the revisions that history lists.
func (h past) kept() (ids []string) {
	for _, r := range h.Revisions {
		ids = append(ids, r.ID)
	}
	return ids
}

func (h past) revision(t *testing.T, id string) engine.KeptRevision {
	t.Helper()
	for _, r := range h.Revisions {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("%s is not among %v", id, h.kept())
	return engine.KeptRevision{}
}

// keeps waits until exactly these revisions are kept, in the store and on disk.
func (s *stand) keeps(service string, want ...string) {
	s.t.Helper()
	s.until(40*time.Second, "kept are "+strings.Join(want, " "), func() error {
		onDisk, _ := filepath.Glob(filepath.Join(s.dir, ".naru/process/revisions", service, "*"))
		for i, path := range onDisk {
			onDisk[i] = filepath.Base(path)
		}
		if got := s.history(service).kept(); !slices.Equal(got, want) || !slices.Equal(onDisk, want) {
			return fmt.Errorf("stored are %v, on disk %v", got, onDisk)
		}
		return nil
	})
}

// Revisions go by number; a pinned one stays, what is gone is refused by name, its row stays, and its receipt does not.
func TestRevisionsAreKept(t *testing.T) {
	t.Parallel()
	s := start(t, keeper(quickly))
	for n := range 4 {
		whole(t, s.deploy(0, "chat", fmt.Sprintf("3.%d", n)), deploy.Promoted)
		if n == 0 {
			s.must(0, "pin", "chat", "r1")
		}
	}
	s.keeps("chat", "r1", "r2", "r3", "r4")
	whole(t, s.deploy(0, "chat", "3.4"), deploy.Promoted)
	s.keeps("chat", "r1", "r3", "r4", "r5")

	h := s.history("chat")
	if first := h.Rollouts[0]; !first.Kept || !first.Pinned || !first.Receipt || first.Who == "" {
		t.Errorf("of a pinned revision: %+v", first)
	}
	if second := h.Rollouts[1]; second.Kept || second.Receipt || second.Version != "3.1" || second.Outcome != deploy.Promoted || second.Who == "" || second.Ended.IsZero() {
		t.Errorf("the row of a revision that is gone: %+v", second)
	}
	for id, why := range map[string]deploy.Why{"r1": deploy.WhyPinned, "r3": deploy.WhyRecent, "r4": deploy.WhyPrevious, "r5": deploy.WhyServes} {
		if r := h.revision(t, id); r.Kept != why || r.Pinned != (id == "r1") {
			t.Errorf("%s is kept for %q (pinned %t), want %q", id, r.Kept, r.Pinned, why)
		}
	}
	_, said, status := s.said("rollback", "chat", "r2")
	contains(t, "a rollback to what is gone is refused by", said, "r2 of chat is gone", "3 revisions", "r1 (3.0), r3 (3.2), r4 (3.3), r5 (3.4)")
	if status != 1 {
		t.Errorf("and ends with %d", status)
	}
	_, said, _ = s.said("receipt", "chat", "chat-2")
	contains(t, "the receipt that is gone", said, "kept no longer")
	for _, c := range []struct{ args, want string }{
		{"pin chat r2", "r2 of chat is gone"}, {"pin chat r9", `no revision "r9"; kept are: r1 (3.0)`}, {"unpin chat r3", "r3 of chat is not pinned"},
	} {
		if _, said, status := s.said(strings.Fields(c.args)...); status != 1 || !strings.Contains(said, c.want) {
			t.Errorf("naru %s: status %d, %s", c.args, status, said)
		}
	}
	s.must(0, "unpin", "chat", "r1")
	s.keeps("chat", "r3", "r4", "r5")
	s.kill()
	s.begin()
	s.keeps("chat", "r3", "r4", "r5")
}

// A revision that has not served for longer than its age goes, but for the one to go back to.
func TestOldRevisionsGo(t *testing.T) {
	t.Parallel()
	s := start(t, strings.ReplaceAll(keeper(quickly), "{revisions: 3}", "{revisions: 10, age: 1ms}"))
	for n := range 4 {
		whole(t, s.deploy(0, "chat", fmt.Sprintf("3.%d", n)), deploy.Promoted)
	}
	s.keeps("chat", "r3", "r4")
}

// A row of failures displaces nothing that one would go back to.
func TestFailuresDisplaceNothing(t *testing.T) {
	t.Parallel()
	s := start(t, keeper(quickly))
	for n := range 3 {
		whole(t, s.deploy(0, "chat", fmt.Sprintf("3.%d", n)), deploy.Promoted)
	}
	for range 3 {
		whole(t, s.deploy(2, "chat", "3.9-crash"), deploy.RolledBack)
	}
	s.keeps("chat", "r1", "r2", "r3", "r6")
	if r := s.history("chat").Rollouts; !r[4].Receipt || r[4].Kept {
		t.Errorf("why the last versions failed is asked for later: %+v", r[4])
	}
}

// The way back to any kept revision is straight, and by a canary when that is asked for.
func TestRollbackIsStraightUnlessAsked(t *testing.T) {
	t.Parallel()
	s := start(t, keeper(`{canary: {steps: [10%, 50%, 100%], bake: 200ms}}`))
	whole(t, s.deploy(0, "chat", "3.0"), deploy.Promoted)
	load := s.load(100)
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	whole(t, s.deploy(0, "chat", "3.2"), deploy.Promoted)
	straight := s.receipt(s.must(0, "rollback", "chat", "r1", "--json"))
	slowly := s.receipt(s.must(0, "rollback", "chat", "r3", "--canary", "--json"))
	clean(t, load.Stop())
	whole(t, straight, deploy.Promoted)
	whole(t, slowly, deploy.Promoted)
	if len(straight.Analysis) != 0 || len(slowly.Analysis) != 3 {
		t.Errorf("judged were %d steps of the straight way and %d of the other", len(straight.Analysis), len(slowly.Analysis))
	}
	s.write(keeper(`{canary: {steps: [{weight: 10%, approve: true}, 100%], bake: 200ms}}`))
	s.must(0, "deploy", "chat", "3.9", "--detach")
	if _, said, status := s.said("rollback", "chat", "--canary"); status != 1 || !strings.Contains(said, "leave --canary out") {
		t.Errorf("a canary of an open rollout that is taken back: %d, %s", status, said)
	}
	s.must(0, "rollback", "chat")
}

// Readiness is live: what happens to an artifact shows, and a rollback to it is refused before anything moves.
func TestReadinessIsLive(t *testing.T) {
	t.Parallel()
	s := start(t, keeper(quickly))
	for n := range 3 {
		whole(t, s.deploy(0, "chat", fmt.Sprintf("3.%d", n)), deploy.Promoted)
	}
	ready := func(want bool, id string, words ...string) {
		t.Helper()
		s.until(60*time.Second, fmt.Sprintf("%s is ready: %t", id, want), func() error {
			r := s.history("chat").revision(t, id).Readiness
			if r == nil || r.Ready != want {
				return fmt.Errorf("%+v", r)
			}
			contains(t, "the checks are", fmt.Sprint(r.Checks), words...)
			return nil
		})
	}
	for _, id := range []string{"r1", "r2", "r3"} {
		ready(true, id, "program", "ports", "allowed")
	}
	if back := s.status("chat").Rollback; back == nil || back.Revision != "r2" || back.Readiness == nil || !back.Readiness.Ready {
		t.Errorf("status: %+v", back)
	}
	artifact := filepath.Join(s.dir, ".naru/process/revisions/chat/r2/artifact/chat")
	if err := os.WriteFile(artifact, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, said, status := s.said("rollback", "chat"); status != 1 || !strings.Contains(said, "has changed since its deploy") {
		t.Errorf("a rollback to what has changed: %d, %s", status, said)
	}
	ready(false, "r2", "has changed since its deploy")
	contains(t, "naru status says", s.must(0, "status", "chat"), "rollback: to r2 (3.1), NOT ready", "has changed since its deploy")
	contains(t, "naru history says", s.must(0, "history", "chat"), "r2: program: ")
	if err := os.RemoveAll(filepath.Dir(filepath.Dir(artifact))); err != nil {
		t.Fatal(err)
	}
	ready(false, "r2", "deploy version 3.1 again")
	ready(true, "r1")
	whole(t, s.receipt(s.must(0, "rollback", "chat", "r1", "--json")), deploy.Promoted)
}

// What nobody needs is listed before it goes: files of revisions that are gone, or that this server has never known.
func TestGarbageIsToldBeforeAndAfter(t *testing.T) {
	t.Parallel()
	s := start(t, keeper(quickly))
	for n := range 4 {
		whole(t, s.deploy(0, "chat", fmt.Sprintf("3.%d", n)), deploy.Promoted)
	}
	s.keeps("chat", "r2", "r3", "r4")
	revisions := filepath.Join(s.dir, ".naru/process/revisions")
	for _, left := range []string{"chat/r1", "chat/r77", "shop/r1"} { // by a crash in the middle, by a newer store, by somebody
		if err := os.MkdirAll(filepath.Join(revisions, left, "artifact"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(revisions, left, "artifact/data"), make([]byte, 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	collection := func(args ...string) (found engine.Collection, removed *engine.Collection) {
		t.Helper()
		var answer struct {
			Found   engine.Collection
			Removed *engine.Collection
		}
		out := s.must(0, append([]string{"gc", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return answer.Found, answer.Removed
	}
	names := func(c engine.Collection) (out []string) {
		for _, g := range c.Items {
			out = append(out, g.Name)
		}
		return out
	}
	large := func(c engine.Collection) {
		t.Helper()
		for _, g := range c.Items {
			if g.Bytes < 100_000 || g.Kind != "orphan" {
				t.Errorf("%+v", g)
			}
		}
	}
	want := []string{"chat r1", "chat r77", "shop r1"}
	found, removed := collection("--dry-run")
	if !slices.Equal(names(found), want) || removed != nil || found.Bytes < 300_000 {
		t.Errorf("found %v, removed %v", names(found), removed)
	}
	large(found)
	contains(t, "naru gc --dry-run says", s.must(0, "gc", "--dry-run"), "3 things would be removed", "chat r77", "is not known to this server")
	s.kill() // what is certainly nobody's goes when serve starts; what might be somebody's stays
	s.begin()
	s.until(40*time.Second, "the revision that was deleted has gone", func() error {
		if found, _ := collection("--dry-run"); !slices.Equal(names(found), want[1:]) {
			return fmt.Errorf("found %v", names(found))
		}
		return nil
	})
	found, removed = collection()
	if !slices.Equal(names(found), want[1:]) || removed == nil || !slices.Equal(names(*removed), want[1:]) {
		t.Fatalf("found %v, removed %v", found, removed)
	}
	large(found)
	large(*removed)
	s.keeps("chat", "r2", "r3", "r4")
	if _, err := os.Stat(filepath.Join(revisions, "shop")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if found, removed := collection(); len(found.Items) != 0 || removed != nil {
		t.Errorf("after that there are %v, removed %v", found, removed)
	}
	whole(t, s.receipt(s.must(0, "rollback", "chat", "r2", "--json")), deploy.Promoted)
}
