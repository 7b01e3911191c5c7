package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/deploy"
)

func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestWhatIsSavedIsThereAfterwards(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := opened(t, dir)
	rollout := deploy.Rollout{ID: "chat-12", Service: "chat", To: "r2", Phase: deploy.Baking, Entered: time.Unix(5, 0).UTC(), Tasks: map[string]deploy.TaskResult{"k": {State: deploy.TaskPassed}}}
	state := deploy.State{Service: "chat", Stable: "r1", Rollout: &rollout, Routing: deploy.Routing{Version: 7, Splits: []deploy.Split{{Revision: "r1", Share: deploy.Proportional}}}}
	rev := deploy.Revision{Service: "chat", ID: "r2", Version: "3.1", Settings: deploy.Service{Instances: 3, Analysis: deploy.Analysis{Alpha: new(deploy.Share(100))}}}
	numbered, err := s.Save(Turn{State: &state, Revision: &rev, Records: []Record{{Rollout: rollout, Version: "3.1"}},
		Events: []deploy.Event{{Service: "chat", Message: "one"}, {Service: "chat", Message: "two"}}})
	if err != nil || len(numbered) != 2 || numbered[1].Number != 2 {
		t.Fatalf("%v %v", numbered, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = opened(t, dir)
	states, err := s.States()
	if diff := cmp.Diff([]deploy.State{state}, states); err != nil || diff != "" {
		t.Errorf("states: %v %s", err, diff)
	}
	revisions, err := s.Revisions("chat")
	if diff := cmp.Diff([]deploy.Revision{rev}, revisions); err != nil || diff != "" {
		t.Errorf("revisions: %v %s", err, diff)
	}
	records, err := s.Records("chat")
	if err != nil || len(records) != 1 || records[0].Rollout.ID != "chat-12" {
		t.Errorf("records: %v %v", err, records)
	}
	events, err := s.Events(1, 10)
	if err != nil || len(events) != 1 || events[0].Message != "two" {
		t.Errorf("events: %v %v", err, events)
	}
	if others, err := s.Revisions("shop"); err != nil || len(others) != 0 {
		t.Errorf("an unknown service: %v %v", others, err)
	}
}

func TestRevisionsAndRolloutsComeInOrder(t *testing.T) {
	s := opened(t, t.TempDir())
	for _, n := range []string{"10", "9", "100", "1"} {
		rev := deploy.Revision{Service: "a", ID: "r" + n}
		if _, err := s.Save(Turn{Revision: &rev, Records: []Record{{Rollout: deploy.Rollout{ID: "a-" + n, Service: "a"}}}}); err != nil {
			t.Fatal(err)
		}
	}
	revisions, _ := s.Revisions("a")
	records, _ := s.Records("a")
	var got []string
	for i := range revisions {
		got = append(got, revisions[i].ID, records[i].Rollout.ID)
	}
	if diff := cmp.Diff([]string{"r1", "a-1", "r9", "a-9", "r10", "a-10", "r100", "a-100"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestForget(t *testing.T) {
	s := opened(t, t.TempDir())
	for _, name := range []string{"a", "b"} {
		if _, err := s.Save(Turn{State: &deploy.State{Service: name, Stable: "r1", Revisions: 7, Rollouts: 9}, Revision: &deploy.Revision{Service: name, ID: "r1"}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // twice is once
		if err := s.Forget("a"); err != nil {
			t.Fatal(err)
		}
	}
	states, _ := s.States()
	left, _ := s.Revisions("a")
	want := []deploy.State{{Service: "a", Gone: true, Revisions: 7, Rollouts: 9}, {Service: "b", Stable: "r1", Revisions: 7, Rollouts: 9}}
	if diff := cmp.Diff(want, states); diff != "" || len(left) != 0 {
		t.Errorf("%s %v", diff, left)
	}
}

func TestEventsAreBounded(t *testing.T) {
	s := opened(t, t.TempDir())
	batch := make([]deploy.Event, 5000)
	for range 5 {
		if _, err := s.Save(Turn{Events: batch}); err != nil {
			t.Fatal(err)
		}
	}
	events, err := s.Events(0, 100_000)
	if err != nil || len(events) != keepEvents || events[0].Number != 5001 {
		t.Errorf("%d events from %d, %v", len(events), events[0].Number, err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	opened(t, dir)
	if _, err := Open(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
}

// A file that is not a store, or a damaged one, is refused by name, and is left as it is.
func TestDamagedFileIsRefused(t *testing.T) {
	good := t.TempDir()
	s := opened(t, good)
	if _, err := s.Save(Turn{State: &deploy.State{Service: "a"}}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	text, err := os.ReadFile(filepath.Join(good, File))
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"text": []byte("this is no store, it is a letter"), "both meta pages": append(make([]byte, 8192), text[8192:]...),
		"the pages after them": append(text[:8192:8192], bytes.Repeat([]byte{0xa5}, len(text)-8192)...), "a value": bytes.ReplaceAll(text, []byte(`{"service":`), []byte(`{"serv\x00\xffe":`)),
		"cut off": text[:8192], "empty": {}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, File)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(dir); err == nil {
				s.Close()
				t.Fatal("opened")
			} else if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if after, _ := os.ReadFile(path); string(after) != string(damaged) {
				t.Error("the damaged file was changed")
			}
		})
	}
}

func TestSequence(t *testing.T) {
	for id, want := range map[string]uint64{"chat-12": 12, "my-shop-3": 3, "x": 0} {
		if got := sequence(id); got != want {
			t.Errorf("%s: %d, want %d", id, got, want)
		}
	}
}

// Clean deletes revisions and the details of rollouts, and leaves a row of each and all that belongs to others.
func TestClean(t *testing.T) {
	s := opened(t, t.TempDir())
	for _, service := range []string{"chat", "shop"} {
		for n := 1; n <= 3; n++ {
			rev := deploy.Revision{Service: service, ID: deploy.RevisionID(n), Version: "1"}
			r := deploy.Rollout{ID: fmt.Sprintf("%s-%d", service, n), Service: service, To: rev.ID, Result: deploy.Promoted, Reason: "because", Closed: time.Unix(int64(n), 0).UTC(),
				Forth: []deploy.Step{{Name: "1 of 1"}}}
			_, err := s.Save(Turn{Revision: &rev, Records: []Record{{Rollout: r, Version: "1", Message: "m", Who: "w", Receipt: &deploy.Receipt{Rollout: r.ID}}},
				Events: []deploy.Event{{Service: service, Rollout: r.ID}, {Service: service, Kind: deploy.EventDied}}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Clean("chat", []string{"r1", "r2", "r9"}, []string{"chat-1", "chat-9"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Clean("none", []string{"r1"}, []string{"none-1"}); err != nil {
		t.Error(err)
	}
	for service, want := range map[string]string{"chat": "[r3]", "shop": "[r1 r2 r3]"} {
		revs, err := s.Revisions(service)
		var ids []string
		for _, r := range revs {
			ids = append(ids, r.ID)
		}
		if fmt.Sprint(ids) != want || err != nil {
			t.Errorf("%s has %v, %v; want %s", service, ids, err, want)
		}
		records, err := s.Records(service)
		if err != nil || len(records) != 3 {
			t.Fatalf("%s: %d records, %v", service, len(records), err)
		}
		for i, r := range records {
			cut := service == "chat" && i == 0
			row := r.Version == "1" && r.Message == "m" && r.Who == "w" && r.Rollout.Result == deploy.Promoted && r.Rollout.Reason == "because" && r.Rollout.Closed.Unix() == int64(i+1)
			if r.Cut != cut || (r.Receipt == nil) != cut || (len(r.Rollout.Forth) == 0) != cut || !row {
				t.Errorf("%s: %+v", r.Rollout.ID, r)
			}
		}
	}
	events, err := s.Events(0, 100)
	if err != nil || len(events) != 11 {
		t.Errorf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		if e.Rollout == "chat-1" {
			t.Errorf("left is %+v", e)
		}
	}
}

// History is bounded: of more rows than Rows the oldest go.
func TestRowsAreBounded(t *testing.T) {
	s := opened(t, t.TempDir())
	var records []Record
	for n := 1; n <= Rows+5; n++ {
		records = append(records, Record{Rollout: deploy.Rollout{ID: fmt.Sprintf("chat-%d", n), Service: "chat", Result: deploy.Promoted}})
	}
	if _, err := s.Save(Turn{Records: records}); err != nil {
		t.Fatal(err)
	}
	if err := s.Clean("chat", nil, []string{"chat-7"}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Records("chat")
	if err != nil || len(left) != Rows || left[0].Rollout.ID != "chat-6" || !left[1].Cut || left[2].Cut {
		t.Errorf("%d rows are left, the first %+v, %v", len(left), left[0], err)
	}
}
