package platformtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// patience bounds every waiting for something that will happen.
const patience = 20 * time.Second

// Revision is one of the service chat, with a version of the same number.
func Revision(number int, settings deploy.Service) deploy.Revision {
	return deploy.Revision{Service: "chat", ID: fmt.Sprintf("r%d", number), Version: fmt.Sprintf("%d.0", number), Settings: settings}
}

// Spec is what an instance of a revision is started with.
func Spec(rev deploy.Revision, slot int, ports deploy.PortSpan) deploy.InstanceSpec {
	return deploy.InstanceSpec{Service: rev.Service, Revision: rev.ID, Version: rev.Version, Slot: slot, Settings: rev.Settings, Ports: ports}
}

// Listed returns an instance that must be listed.
func Listed(t testing.TB, p platform.Platform, id string) deploy.Instance {
	t.Helper()
	all, err := p.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.ID == id {
			return i
		}
	}
	t.Fatalf("%s is not listed among %+v", id, all)
	return deploy.Instance{}
}

// Await returns an instance that is listed once a condition holds for it.
func Await(t testing.TB, p platform.Platform, id string, holds func(deploy.Instance) bool) (i deploy.Instance) {
	t.Helper()
	Eventually(t, func() error {
		if i = Listed(t, p, id); !holds(i) {
			return fmt.Errorf("%s stays %+v", id, i)
		}
		return nil
	})
	return i
}

// Exited is a condition for Await.
func Exited(i deploy.Instance) bool { return i.State == deploy.Exited }

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
