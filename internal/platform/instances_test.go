package platform

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestNames(t *testing.T) {
	for name, right := range map[string]bool{"chat": true, "chat-r7-2": true, "": false, ".": false, "..": false, ".new": false, "a/b": false, "a\x00": false} {
		if err := CheckNames("chat", name); (err == nil) != right {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// r10 comes after r9, and slot 10 after slot 9.
func TestSort(t *testing.T) {
	want := []string{"chat-r9-2", "chat-r9-10", "chat-r10-1", "shop-r1-1"}
	var all []deploy.Instance
	for _, id := range []string{"shop-r1-1", "chat-r10-1", "chat-r9-10", "chat-r9-2"} {
		parts := strings.Split(id, "-")
		all = append(all, deploy.Instance{ID: id, Service: parts[0], Revision: parts[1], Slot: len(parts[2])})
	}
	Sort(all)
	var got []string
	for _, i := range all {
		got = append(got, i.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// few is a platform of a few instances.
type few struct {
	listed  []deploy.Instance
	stopped []string
}

func (f *few) List(context.Context, string) ([]deploy.Instance, error) { return f.listed, nil }

func (f *few) Stop(_ context.Context, id string, _ time.Duration) error {
	f.stopped = append(f.stopped, id)
	return nil
}

// What has ended goes with its revision, and nothing does while anything of it runs; other revisions do not matter.
func TestVacate(t *testing.T) {
	rev := deploy.Revision{Service: "chat", ID: "r2"}
	other := deploy.Instance{ID: "chat-r1-1", Revision: "r1", State: deploy.Running}
	ended := deploy.Instance{ID: "chat-r2-1", Revision: "r2", State: deploy.Exited}
	for _, state := range []deploy.InstanceState{deploy.Running, deploy.Stopping} {
		f := &few{listed: []deploy.Instance{other, ended, {ID: "chat-r2-2", Revision: "r2", State: state}}}
		err := Vacate(t.Context(), f, rev)
		if err == nil || !strings.Contains(err.Error(), "instance chat-r2-2 is "+string(state)+"; stop it first") || len(f.stopped) > 0 {
			t.Errorf("%s: %v, stopped %v", state, err, f.stopped)
		}
	}
	f := &few{listed: []deploy.Instance{other, ended}}
	if err := Vacate(t.Context(), f, rev); err != nil || !slices.Equal(f.stopped, []string{"chat-r2-1"}) {
		t.Errorf("%v, stopped %v", err, f.stopped)
	}
}
