package proxy

import (
	"errors"
	"testing"
)

func TestFind(t *testing.T) {
	route := func(service, path string, hosts ...string) Route {
		return Route{Service: service, Path: path, Hosts: hosts}
	}
	r := New(Options{})
	withPreview := route("shop", "", "shop.example.com")
	withPreview.Preview = &Preview{Revision: "r2", Hosts: []string{"green.example.com"}, Listen: true}
	apply(t, r, 1,
		route("every", ""), route("every-api", "/api"), route("every-api-v2", "/api/v2/"),
		route("chat", "/", "Chat.example.com"), route("chat-admin", "/admin", "chat.example.com"),
		route("wild", "", "*.example.com"), route("wilder", "", "*.eu.example.com"),
		route("only-api", "/api", "only.org"), route("six", "", "[::1]"), withPreview,
	)
	cases := []struct {
		host, path, service string
		preview             bool
	}{
		{"other.org", "/", "every", false},
		{"other.org", "", "every", false},
		{"other.org", "*", "every", false},
		{"other.org", "/api", "every-api", false},
		{"other.org", "/api/", "every-api", false},
		{"other.org", "/api/x", "every-api", false},
		{"other.org", "/apix", "every", false},
		{"other.org", "/api/v2", "every-api-v2", false},
		{"other.org", "/api/v2/x", "every-api-v2", false},
		{"other.org", "/api/v20", "every-api", false},
		{"chat.example.com", "/api", "chat", false},
		{"CHAT.example.com.:8080", "/admin/x", "chat-admin", false},
		{"a.example.com", "/api", "wild", false},
		{"a.b.example.com", "/", "wild", false},
		{"a.eu.example.com", "/", "wilder", false},
		{"eu.example.com", "/", "wild", false},
		{"example.com", "/", "every", false},
		{".example.com", "/", "every", false},
		{"only.org", "/api/x", "only-api", false},
		{"only.org", "/", "every", false},
		{"[::1]:80", "/", "six", false},
		{"[::1]", "/", "six", false},
		{"::1", "/", "every", false},
		{"", "/", "every", false},
		{":80", "/", "every", false},
		{"green.example.com", "/", "shop", true},
		{"shop.example.com", "/", "shop", false},
	}
	for _, c := range cases {
		x, err := r.Begin(Visitor{Host: c.host, Path: c.path})
		if err != nil {
			t.Errorf("%q %q: %v", c.host, c.path, err)
			continue
		}
		if x.Service() != c.service || x.preview != c.preview {
			t.Errorf("%q %q: service %q, preview %v; want %q, %v", c.host, c.path, x.Service(), x.preview, c.service, c.preview)
		}
	}
}

func TestNoService(t *testing.T) {
	r := New(Options{})
	if _, err := r.Begin(get()); !errors.Is(err, ErrNoService) {
		t.Errorf("without a table: %v", err)
	}
	route := chat()
	route.Hosts, route.Path = []string{"chat.example.com"}, "/api"
	apply(t, r, 1, route)
	for _, v := range []Visitor{
		{Host: "chat.example.com", Path: "/"}, {Host: "x.org", Path: "/api"},
		{Preview: "chat", Path: "/api"}, {Preview: "nobody"},
	} {
		if _, err := r.Begin(v); !errors.Is(err, ErrNoService) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

func FuzzFind(f *testing.F) {
	r := New(Options{})
	apply(f, r, 1, Route{Service: "a", Hosts: []string{"*.x.y", "x.y"}, Path: "/p"}, Route{Service: "b"})
	f.Add("a.x.y:80", "/p/q")
	f.Add("[::]:", "")
	f.Add(":", "*")
	f.Fuzz(func(t *testing.T, host, path string) {
		if _, err := r.Begin(Visitor{Host: host, Path: path}); err != nil {
			t.Errorf("%q %q: %v, although b takes everything", host, path, err)
		}
	})
}

func TestMatchRules(t *testing.T) {
	r := New(Options{})
	route := canary(0, append(backendsOf("r1", 1), backendsOf("r2", 1)...)...)
	route.Groups[1].Match = []Match{{Header: "X-Beta", Value: "1"}, {Header: "X-Any"}, {Cookie: "beta", Value: "yes"}}
	apply(t, r, 1, route)
	beta := func(value string) Visitor {
		v := get()
		v.Cookie = func(name string) string { return map[string]string{"beta": value}[name] }
		return v
	}
	cases := []struct {
		name     string
		v        Visitor
		revision string
	}{
		{"nothing", get(), "r1"},
		{"value fits", get().with("X-Beta", "1"), "r2"},
		{"value differs", get().with("X-Beta", "2"), "r1"},
		{"presence", get().with("X-Any", "whatever"), "r2"},
		{"cookie", beta("yes"), "r2"},
		{"other cookie", beta("no"), "r1"},
	}
	for _, c := range cases {
		x := begin(t, r, c.v)
		if b := acquire(t, x); b.Revision() != c.revision {
			t.Errorf("%s: %s, want %s", c.name, b.Revision(), c.revision)
		}
		x.Done(Outcome{Status: 200})
	}
	if m := meterOf(t, r, "r2", byMatch); m.Requests != 3 {
		t.Errorf("%d matched requests, want 3", m.Requests)
	}

	route.Backends = append(backendsOf("r1", 1), external("r2-1", "r2", false))
	apply(t, r, 2, route)
	x := begin(t, r, get().with("X-Beta", "1"))
	if b := acquire(t, x); b.Revision() != "r1" {
		t.Errorf("matched group is down: %s, want r1", b.Revision())
	}
	x.Done(Outcome{Status: 200})
	if m := meterOf(t, r, "r1", atRandom); m.Requests != 4 {
		t.Errorf("%d random requests, want 4", m.Requests)
	}
}
