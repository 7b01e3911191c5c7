package engine

import (
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

// Going back to an older revision does not bring back how long it kept others; nor does one that never served say so.
func TestNewestThatServedSaysHowLongOthersAreKept(t *testing.T) {
	l := newLoop(&Engine{}, deploy.State{Service: "s", Stable: "r1", Previous: "r10"})
	for id, n := range map[string]int{"r1": 2, "r9": 5, "r10": 7, "r11": 3} {
		l.revisions[id] = deploy.Revision{ID: id, Settings: deploy.Service{Keep: deploy.Keep{Revisions: n}}}
	}
	ended := func(from, to string, result deploy.Result) store.Record {
		return store.Record{Rollout: deploy.Rollout{From: from, To: to, Result: result}}
	}
	records := []store.Record{ended("", "r1", deploy.Promoted), ended("r1", "r9", deploy.Promoted), ended("r9", "r10", deploy.Promoted),
		ended("r10", "r11", deploy.RolledBack), ended("r10", "r1", deploy.Promoted)}
	if got := l.retention(l.holdings(records)).Revisions; got != 7 {
		t.Errorf("%d are kept, want 7", got)
	}
	delete(l.revisions, "r10")
	if got := l.retention(l.holdings(records)).Revisions; got != 5 {
		t.Errorf("without r10 %d are kept, want 5", got)
	}
	if got := l.retention(l.holdings(nil)).Revisions; got != 2 { // by an older store that knows of no rollout
		t.Errorf("by stable alone %d are kept, want 2", got)
	}
}
