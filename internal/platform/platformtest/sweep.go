package platformtest

import (
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// held is what the platform keeps of a service, by revision.
func (w *world) held(service string) map[string]platform.Holding {
	w.Helper()
	list, err := w.Platform.Holdings(w.Context(), service)
	if err != nil {
		w.Fatal(err)
	}
	out := map[string]platform.Holding{}
	for _, h := range list {
		out[h.Revision] = h
	}
	return out
}

func holdings(w *world) {
	settings := w.Service(Echo)
	first, second := w.prepare("chat", 1, settings), w.prepare("chat", 2, settings)
	w.prepare("shop", 1, settings)
	if all := w.held("chat"); len(all) != 2 || all["r1"].Service != "chat" || all["r1"].Bytes <= 0 || all["r1"].What == "" {
		w.Errorf("kept of chat: %+v", all)
	}
	if all, err := w.Platform.Holdings(w.Context(), ""); err != nil || len(all) != 3 {
		w.Errorf("kept of all: %+v, %v", all, err)
	}
	if all, err := w.Again().Holdings(w.Context(), "chat"); err != nil || len(all) != 2 {
		w.Errorf("to a restarted controller: %+v, %v", all, err)
	}
	if err := w.Platform.Remove(w.Context(), first); err != nil {
		w.Fatal(err)
	}
	if all := w.held("chat"); len(all) != 1 || all["r2"].Service == "" {
		w.Errorf("after the removal of %s: %+v", first.ID, all)
	}
	if err := w.Platform.Remove(w.Context(), second); err != nil {
		w.Fatal(err)
	}
	if all := w.held("chat"); len(all) != 0 {
		w.Errorf("after the removal of both: %+v", all)
	}
}

// kinds are those of the leftovers that a sweep finds.
func (w *world) kinds(logsBefore time.Time, dry bool) (out []string) {
	w.Helper()
	found, err := w.Platform.Sweep(w.Context(), logsBefore, dry)
	if err != nil {
		w.Fatal(err)
	}
	for _, l := range found {
		out = append(out, l.Kind)
	}
	return out
}

func sweep(w *world) {
	rev := w.prepare("chat", 1, w.Service(Chatty, "3"))
	running, ended := w.start(rev, 1), w.start(rev, 2)
	w.awaitLog(running, "line 3")
	w.awaitLog(ended, "line 3")
	w.stop(ended, patience)
	if found := w.kinds(time.Now().Add(-time.Hour), false); len(found) != 0 {
		w.Errorf("found %v among what is used", found)
	}
	w.awaitLog(ended, "line 3")
	later := time.Now().Add(time.Hour)
	for _, dry := range []bool{true, true, false} {
		if found := w.kinds(later, dry); !slices.Equal(found, []string{"log"}) {
			w.Errorf("dry %t: found %v, want the log of %s", dry, found, ended)
		}
	}
	if found := w.kinds(later, false); len(found) != 0 {
		w.Errorf("found %v when all was swept", found)
	}
	if i := w.find(running); i == nil || i.State != deploy.Running {
		w.Errorf("what runs was hurt: %+v", i)
	}
	w.awaitLog(running, "line 3")
}
