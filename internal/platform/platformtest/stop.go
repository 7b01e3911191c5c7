package platformtest

import (
	"context"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

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
