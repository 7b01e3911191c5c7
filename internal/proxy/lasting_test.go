package proxy

import (
	"testing"
	"time"
)

// While instances are replaced, a WebSocket goes to the new revision at once; plain requests and other rollouts go by share.
func TestConnectionsThatLastPreferTheNewRevision(t *testing.T) {
	for _, c := range []struct {
		name         string
		upgrade      bool
		proportional bool
		want         bool // always the new one
	}{
		{"websocket in a rolling update", true, true, true},
		{"plain request in a rolling update", false, true, false},
		{"websocket in a canary", true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Options{})
			ready := true
			route := Route{Service: "chat", Version: 1, Proportional: c.proportional, Stable: "r1", Canary: "r2", HoldTimeout: time.Second,
				Groups: []Group{{Revision: "r1", Share: 5000}, {Revision: "r2", Share: 5000}}}
			for id, revision := range map[string]string{"1001": "r1", "1002": "r1", "1003": "r2"} {
				route.Backends = append(route.Backends, BackendSpec{ID: id, Revision: revision, Address: "127.0.0.1:" + id, Enabled: true,
					Health: HealthSpec{Kind: HealthExternal}, Ready: &ready})
			}
			if err := r.Apply(Table{Version: 1, Routes: []Route{route}}); err != nil {
				t.Fatal(err)
			}
			seen := map[string]int{}
			for range 300 {
				x, err := r.Begin(Visitor{Host: "h", Path: "/", Method: "GET", Upgrade: c.upgrade})
				if err != nil {
					t.Fatal(err)
				}
				b, err := x.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				seen[b.Revision()]++
				x.Done(Outcome{Status: 200})
			}
			if got := seen["r1"] == 0; got != c.want {
				t.Errorf("%v", seen)
			}
		})
	}
}
