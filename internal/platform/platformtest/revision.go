package platformtest

import (
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

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
