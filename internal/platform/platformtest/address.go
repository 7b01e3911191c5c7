package platformtest

import (
	"slices"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

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
