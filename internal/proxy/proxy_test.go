package proxy

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// external is a backend whose health the table tells.
func external(id, revision string, ready bool) BackendSpec {
	return BackendSpec{
		ID: id, Revision: revision, Address: "127.0.0.1:" + strconv.Itoa(20000+len(id)), Enabled: true,
		Health: HealthSpec{Kind: HealthExternal}, Ready: &ready,
	}
}

// disabled is the spec, not enabled.
func (s BackendSpec) disabled() BackendSpec {
	s.Enabled = false
	return s
}

// backendsOf makes n ready backends of a revision.
func backendsOf(revision string, n int) []BackendSpec {
	var specs []BackendSpec
	for i := range n {
		specs = append(specs, external(revision+"-"+strconv.Itoa(i+1), revision, true))
	}
	return specs
}

// chat is a service at rest: all on stable r1.
func chat(backends ...BackendSpec) Route {
	return Route{
		Service: "chat", Stable: "r1", HoldTimeout: time.Second,
		Groups: []Group{{Revision: "r1", Share: fullShare}}, Backends: backends,
	}
}

// canary is chat with a second revision at the given share.
func canary(share int, backends ...BackendSpec) Route {
	r := chat(backends...)
	r.Canary, r.Rollout = "r2", "chat-2"
	r.Groups = []Group{{Revision: "r1", Share: fullShare - share}, {Revision: "r2", Share: share}}
	return r
}

func apply(t testing.TB, r *Router, version uint64, routes ...Route) {
	t.Helper()
	if err := r.Apply(Table{Version: version, Routes: routes}); err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, r *Router, v Visitor) *Exchange {
	t.Helper()
	x, err := r.Begin(v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func acquire(t testing.TB, x *Exchange) *Backend {
	t.Helper()
	b, err := x.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// get is a request that anyone could make.
func get() Visitor {
	return Visitor{Host: "chat.example.com", Path: "/", Method: "GET", Client: netip.MustParseAddr("127.0.0.9")}
}

// with is the visitor with one header.
func (v Visitor) with(name, value string) Visitor {
	v.Header = func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
	return v
}

// as is the visitor with a user cookie.
func (v Visitor) as(user string) Visitor {
	v.Cookie = func(n string) string {
		if n == UserCookie {
			return user
		}
		return ""
	}
	return v
}

// service is the state of the one service there is.
func onlyService(t testing.TB, r *Router) ServiceState {
	t.Helper()
	st := r.State()
	if len(st.Services) != 1 {
		t.Fatalf("%d services, want 1", len(st.Services))
	}
	return st.Services[0]
}

// meterOf is the meter of a revision and assignment, zero when nothing was counted.
func meterOf(t testing.TB, r *Router, revision string, a assignment) Meter {
	t.Helper()
	for _, m := range onlyService(t, r).Meters {
		if m.Revision == revision && m.Assignment == a.String() {
			return m
		}
	}
	return Meter{}
}

// eventually waits until the condition holds; the deadline is only for failing.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// run runs the router until the test ends.
func run(t testing.TB, r *Router) {
	t.Helper()
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { // t.Context is done by now
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
