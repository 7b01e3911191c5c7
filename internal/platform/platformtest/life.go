package platformtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

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
