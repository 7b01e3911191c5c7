package platformtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// world is one test's platform with the steps that tests are made of.
type world struct {
	*testing.T
	Setup
}

// prepare returns a revision of a service that is ready to start.
func (w *world) prepare(service string, number int, settings deploy.Service) deploy.Revision {
	w.Helper()
	rev := Revision(number, settings)
	rev.Service = service
	if err := w.Platform.Prepare(w.Context(), rev); err != nil {
		w.Fatal(err)
	}
	return rev
}

func (w *world) spec(rev deploy.Revision, slot int) (string, deploy.InstanceSpec) {
	return deploy.InstanceID(rev.Service, rev.ID, slot), Spec(rev, slot, w.Ports)
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
