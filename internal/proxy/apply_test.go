package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestApplyOrder(t *testing.T) {
	r := New(Options{})
	apply(t, r, 5, chat(external("a", "r1", true)))
	apply(t, r, 5) // the same version changes nothing, whatever it holds
	if n := len(r.State().Services); n != 1 {
		t.Errorf("%d services after the same version again", n)
	}
	if err := r.Apply(Table{Version: 4}); err == nil || !strings.Contains(err.Error(), "older") {
		t.Errorf("an older table: %v", err)
	}
	if v := r.State().Version; v != 5 {
		t.Errorf("version %d", v)
	}
}

func TestBackendsOutliveTables(t *testing.T) {
	r := New(Options{})
	var closed []string
	r.OnClose(func(b *Backend) {
		r.State() // no lock may be held
		closed = append(closed, b.ID()+"@"+b.Address())
	})
	heard := func(want ...string) {
		t.Helper()
		slices.Sort(closed)
		if !slices.Equal(closed, want) {
			t.Errorf("closed %q, want %q", closed, want)
		}
		closed = nil
	}
	a, b := external("a", "r1", true), external("bb", "r1", true)
	apply(t, r, 1, chat(a, b))
	heard()
	x := begin(t, r, get())
	backend := acquire(t, x)
	spec, other := a, b
	if backend.ID() == b.ID {
		spec, other = b, a
	}

	apply(t, r, 2, chat(spec.disabled(), other))
	heard(backend.ID() + "@" + backend.Address())
	if backend.acquire() {
		t.Fatal("a closed backend was claimed")
	}
	apply(t, r, 3, chat(spec, other))
	heard()
	if !backend.acquire() {
		t.Fatal("the same identity is not the same backend")
	}
	backend.release()

	moved := spec
	moved.Address = "127.0.0.1:1"
	moved.Ready = nil
	apply(t, r, 4, chat(moved, other)) // restarted elsewhere: another backend
	heard(backend.ID() + "@" + backend.Address())
	var got []string
	for _, s := range onlyService(t, r).Backends {
		got = append(got, fmt.Sprint(s.ID, s.Address == moved.Address, s.Health, s.Enabled, s.InFlight))
	}
	want := []string{
		fmt.Sprint(other.ID, false, Healthy, true, 0),
		fmt.Sprint(spec.ID, false, Healthy, false, 1), // until its request is done
		fmt.Sprint(spec.ID, true, Unknown, true, 0),
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	changed := r.Changed()
	x.Done(Outcome{Status: 200})
	<-changed
	if n := len(onlyService(t, r).Backends); n != 2 {
		t.Errorf("%d backends after the last request of a removed one", n)
	}
}

func TestRemovedAfterDisabledIsClosedOnceMore(t *testing.T) {
	r := New(Options{})
	n := 0
	r.OnClose(func(*Backend) { n++ })
	apply(t, r, 1, chat(external("a", "r1", true).disabled())) // new and never open
	if n != 0 {
		t.Errorf("%d closes of what was never open", n)
	}
	apply(t, r, 2, chat())
	apply(t, r, 3, chat())
	if n != 1 {
		t.Errorf("%d closes, want one when it leaves", n)
	}
}

func TestMetersOfOldRevisionsAreForgotten(t *testing.T) {
	r := New(Options{})
	for i := range 100 {
		revision := fmt.Sprintf("r%d", i+1)
		route := chat(external("a", revision, true))
		route.Stable, route.Groups[0].Revision = revision, revision
		apply(t, r, uint64(i+1), route)
		x := begin(t, r, get())
		acquire(t, x)
		x.Done(Outcome{Status: 200})
	}
	ms := onlyService(t, r).Meters
	if len(ms) != keptRevisions+1 {
		t.Errorf("%d meters are kept, want %d", len(ms), keptRevisions+1)
	}
	if last := ms[len(ms)-1]; last.Revision != "r100" || last.Requests != 1 {
		t.Errorf("the newest: %+v", last)
	}
}

func TestTablesThatContradictThemselves(t *testing.T) {
	good := func() Route { return chat(external("a", "r1", true)) }
	edit := func(f func(*Route)) []Route {
		r := good()
		f(&r)
		return []Route{r}
	}
	second := func(f func(*Route)) []Route {
		return append(edit(func(r *Route) { r.Service = "shop"; f(r) }), good())
	}
	for _, c := range []struct {
		says   string
		routes []Route
	}{
		{`"chat" has two routes`, []Route{good(), good()}},
		{"a service needs a name", edit(func(r *Route) { r.Service = "" })},
		{"belongs to service", second(func(r *Route) {})},
		{"belongs to service", second(func(r *Route) { r.Path = "/" })},
		{"a star may only stand first", edit(func(r *Route) { r.Hosts = []string{"a.*.org"} })},
		{"does not begin with a slash", edit(func(r *Route) { r.Path = "api" })},
		{"may not be negative", edit(func(r *Route) { r.Full = -1 })},
		{"hang -1s may not be negative", edit(func(r *Route) { r.Hang = -time.Second })},
		{"balance \"best\"", edit(func(r *Route) { r.Balance = "best" })},
		{"affinity by \"mood\"", edit(func(r *Route) { r.Affinity.By = "mood" })},
		{"needs the header's name", edit(func(r *Route) { r.Affinity.By = ByHeader })},
		{"each a different one", edit(func(r *Route) { r.Groups = append(r.Groups, Group{Revision: "r1"}) })},
		{"is negative", edit(func(r *Route) { r.Groups[0].Share = -1 })},
		{"shares sum to 10001", edit(func(r *Route) { r.Groups[0].Share++ })},
		{"either a header or a cookie", edit(func(r *Route) { r.Groups[0].Match = []Match{{}} })},
		{"only once", edit(func(r *Route) { r.Backends = append(r.Backends, r.Backends[0]) })},
		{"is not host:port", edit(func(r *Route) { r.Backends[0].Address = "localhost" })},
		{"health kind", edit(func(r *Route) { r.Backends[0].Health.Kind = "" })},
	} {
		r := New(Options{})
		err := r.Apply(Table{Version: 1, Routes: c.routes})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("want %q, got %v", c.says, err)
		}
		if r.State().Version != 0 {
			t.Errorf("%q: the table was applied", c.says)
		}
	}
	if err := New(Options{}).Apply(Table{}); err == nil {
		t.Error("version 0 was applied")
	}
}
