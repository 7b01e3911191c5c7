package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

func TestARolloutFromDeployToReceipt(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	first := r.begin(t, "web", "1.0", quickly)
	if first.ID == "" || first.To != "r1" || first.From != "" || first.Version != "1.0" || first.Message != "by test" {
		t.Errorf("the answer to deploy is %+v", first)
	}
	r.await(t, "web", first.ID, hasEnded)
	if same := r.begin(t, "web", "1.0", quickly); !same.Nothing || same.Open() {
		t.Errorf("the same again: %+v", same)
	}
	second := r.begin(t, "web", "2.0", quickly)
	if end := r.await(t, "web", second.ID, hasEnded); end.Outcome != deploy.Promoted || end.From != "r1" || end.To != "r2" {
		t.Errorf("the second ended as %+v", end)
	}
	receipt, err := r.Receipt(t.Context(), "web", "latest")
	if err != nil || receipt.Rollout != second.ID || receipt.Outcome != deploy.Promoted {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	list, err := r.Rollouts(t.Context(), "web")
	if err != nil || len(list) != 2 || list[1].ID != second.ID {
		t.Errorf("rollouts %+v, %v", list, err)
	}
	revisions, err := r.Revisions(t.Context(), "web")
	if err != nil || len(revisions) != 2 || revisions[0].Version != "1.0" || revisions[0].Settings.Instances != 2 {
		t.Errorf("revisions %+v, %v", revisions, err)
	}
}

func TestStatusHasTheKeysOfTheContract(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", asking).ID, hasEnded)
	open := r.begin(t, "web", "2.0", asking)
	r.await(t, "web", open.ID, func(o Rollout) bool { return o.Phase == deploy.Approval })
	_, text := r.send(t, "GET", "/v1/services/web", "")
	var status map[string]any
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"service", "stable.revision", "stable.version", "canary.revision", "canary.version", "rollout.id", "rollout.from",
		"rollout.to", "rollout.step", "rollout.steps", "rollout.phase", "rollout.weight", "rollout.reason"} {
		var at any = status
		for _, key := range strings.Split(path, ".") {
			at = at.(map[string]any)[key]
		}
		if at == nil {
			t.Errorf("no %s in %s", path, text)
		}
	}
	instance := status["instances"].([]any)[0].(map[string]any)
	for _, key := range []string{"id", "revision", "version", "address", "healthy", "enabled", "in_flight"} {
		if _, there := instance[key]; !there {
			t.Errorf("no %s in %v", key, instance)
		}
	}
	if _, all := r.send(t, "GET", "/v1/services", ""); !strings.HasPrefix(all, `{"services":[{"service":"web",`) {
		t.Errorf("services: %s", all)
	}
}

func TestWordsToAnOpenRollout(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	ctx := t.Context()
	r.await(t, "web", r.begin(t, "web", "1.0", asking).ID, hasEnded)
	open := r.begin(t, "web", "2.0", asking)
	r.await(t, "web", open.ID, func(o Rollout) bool { return o.Phase == deploy.Approval })
	if _, err := r.Receipt(ctx, "web", open.ID); code(err) != engine.Conflict {
		t.Errorf("receipt of an open rollout: %v", err)
	}
	if _, err := r.Pause(ctx, "web"); err != nil {
		t.Errorf("pause: %v", err)
	}
	r.await(t, "web", open.ID, func(o Rollout) bool { return o.Phase == deploy.Paused })
	if _, err := r.Resume(ctx, "web"); err != nil {
		t.Errorf("resume: %v", err)
	}
	if _, err := r.Promote(ctx, "web", true); err != nil {
		t.Errorf("promote: %v", err)
	}
	if end := r.await(t, "web", open.ID, hasEnded); end.Outcome != deploy.Promoted {
		t.Errorf("promoted by hand, it ended %+v", end)
	}
	third := r.begin(t, "web", "3.0", asking)
	if _, err := r.Abort(ctx, "web", "not today"); err != nil {
		t.Errorf("abort: %v", err)
	}
	if end := r.await(t, "web", third.ID, hasEnded); end.Outcome != deploy.Aborted || end.Reason != "not today" {
		t.Errorf("aborted, it ended %+v", end)
	}
	again, err := r.Retry(ctx, "web")
	if err != nil || again.To != third.To {
		t.Errorf("retry: %+v, %v", again, err)
	}
	back, err := r.Rollback(ctx, "web", Return{})
	if err != nil || back.ID != again.ID {
		t.Errorf("rollback of an open rollout: %+v, %v", back, err)
	}
	r.await(t, "web", again.ID, hasEnded)
	status, err := r.Scale(ctx, "web", 3)
	if err != nil || status.Service != "web" {
		t.Errorf("scale: %+v, %v", status, err)
	}
	if _, err := r.Remove(ctx, "web"); err != nil {
		t.Errorf("remove: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := r.Client.Status(ctx, "web"); code(err) == engine.NotFound {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the removed service is still there")
		}
	}
}

func TestPlanChangesNothing(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	p, err := r.Plan(t.Context(), "web", Deployment{Version: "2.0", Service: []byte(quickly)})
	if err != nil || p.From != "r1" || p.FromVersion != "1.0" || p.To != "r2" || len(p.Steps) != 2 {
		t.Errorf("plan %+v, %v", p, err)
	}
	if list, _ := r.Rollouts(t.Context(), "web"); len(list) != 1 {
		t.Errorf("a plan has begun a rollout: %+v", list)
	}
}

func code(err error) engine.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestErrors(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     engine.Code
		says                     []string
	}{
		{"an unknown path", "GET", "/v1/nowhere", "", 404, engine.NotFound, []string{"/v1/nowhere"}},
		{"an unknown service", "GET", "/v1/services/wob", "", 404, engine.NotFound, []string{"wob", "web"}},
		{"an unknown rollout", "GET", "/v1/services/web/rollouts/web-9", "", 404, engine.NotFound, []string{"web-9"}},
		{"an unknown revision", "POST", "/v1/services/web/rollback", `{"revision":"r9"}`, 404, engine.NotFound, []string{"r9", "r1 (1.0)"}},
		{"promote without a rollout", "POST", "/v1/services/web/promote", "", 409, engine.Conflict, []string{"no open rollout"}},
		{"the same, with a body", "POST", "/v1/services/web/promote", `{"full":true}`, 409, engine.Conflict, nil},
		{"something that is not JSON", "POST", "/v1/services/web/rollouts", `{"version"`, 400, Malformed, nil},
		{"no body", "POST", "/v1/services/web/rollouts", "", 400, Malformed, nil},
		{"an unknown key", "POST", "/v1/services/web/rollouts", `{"version":"2","service":{},"strategy":1}`, 422, engine.Invalid, []string{"strategy"}},
		{"an unknown key in a small body", "POST", "/v1/services/web/promote", `{"fully":true}`, 422, engine.Invalid, []string{"fully"}},
		{"no version", "POST", "/v1/services/web/rollouts", `{"version":"","service":` + quickly + `}`, 422, engine.Invalid, []string{"version"}},
		{"settings with two faults", "POST", "/v1/services/web/rollouts", `{"version":"2","service":{"instances":-1,"procces":{}}}`, 422, engine.Invalid, []string{"procces", "instances"}},
		{"the same in a plan", "POST", "/v1/services/web/plan", `{"version":"2","service":{"instances":-1,"procces":{}}}`, 422, engine.Invalid, []string{"procces", "instances"}},
		{"too few instances", "POST", "/v1/services/web/scale", `{"instances":0}`, 422, engine.Invalid, []string{"0 instances"}},
		{"a host that another service has", "POST", "/v1/services/other/rollouts", `{"version":"2","service":` + quickly + `}`, 409, engine.Conflict, []string{"web already answers"}},
		{"a number that is none", "GET", "/v1/services/web/logs?tail=x", "", 422, engine.Invalid, []string{"tail"}},
		{"a time that is none", "GET", "/v1/services/web/logs?since=yesterday", "", 422, engine.Invalid, []string{"yesterday"}},
		{"the logs of another service", "GET", "/v1/services/web/logs?instance=db-r1-1", "", 404, engine.NotFound, []string{"db-r1-1"}},
		{"an event number that is none", "GET", "/v1/events?after=x", "", 422, engine.Invalid, []string{"after"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := r.send(t, test.method, test.path, test.body)
			var e envelope
			d := json.NewDecoder(strings.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(&e); err != nil {
				t.Fatalf("%d %s is not an error as it should be: %v", status, body, err)
			}
			if status != test.status || e.Error.Code != test.code {
				t.Errorf("%d %s, want %d %s: %s", status, e.Error.Code, test.status, test.code, e.Error.Message)
			}
			for _, word := range test.says {
				if !strings.Contains(e.Error.Message, word) {
					t.Errorf("%q does not name %s", e.Error.Message, word)
				}
			}
		})
	}
}

func TestRelativePathsBeginAtTheFolderOfTheFile(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", strings.Replace(quickly, `"/srv"`, `"bin"`, 1)).ID, hasEnded)
	kept, err := r.Revisions(t.Context(), "web")
	if err != nil || kept[0].Settings.Process.Dir != "/srv/bin" {
		t.Errorf("dir %q, %v", kept[0].Settings.Process.Dir, err)
	}
}

func TestDownCallsWhatItWasGiven(t *testing.T) {
	called := make(chan bool, 2)
	r := start(t, "127.0.0.1:0", func(o *Options) {
		o.Down = func(_ context.Context, now bool) error { called <- now; return nil }
	})
	if err := r.Down(t.Context(), true); err != nil || !<-called {
		t.Errorf("down now: %v", err)
	}
	if status, body := r.send(t, "POST", "/v1/down", ""); status != 200 || <-called {
		t.Errorf("down without a body: %d %s", status, body)
	}
}

func TestMetricsAndHealth(t *testing.T) {
	reached := true
	r := start(t, "127.0.0.1:0", func(o *Options) {
		metrics := o.Metrics
		o.Metrics = func(ctx context.Context) ([]byte, error) {
			if !reached {
				return nil, errors.New("no proxy")
			}
			return metrics(ctx)
		}
	})
	if status, text := r.send(t, "GET", "/metrics", ""); status != 200 || !strings.Contains(text, "naru_held{service=\"web\"} 0\n") ||
		!strings.Contains(text, "\ngo_goroutines ") || !strings.Contains(text, "\nnaru_proxy_up 1\n") {
		t.Errorf("metrics %d:\n%s", status, text)
	}
	reached = false
	if status, text := r.send(t, "GET", "/metrics", ""); status != 200 || !strings.Contains(text, "\nnaru_proxy_up 0\n") {
		t.Errorf("metrics without a proxy %d:\n%s", status, text)
	}
	if status, text := r.send(t, "GET", "/healthz", ""); status != 200 || text != "ok\n" {
		t.Errorf("health %d %q", status, text)
	}
}

func TestOpenAPIDescribesEveryPath(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	status, text := r.send(t, "GET", "/v1/openapi.json", "")
	var doc struct {
		OpenAPI    string                               `json:"openapi"`
		Paths      map[string]map[string]map[string]any `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || status != 200 || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("%d, version %q, %v", status, doc.OpenAPI, err)
	}
	const one = "/v1/services/{service}"
	want := map[string]string{"/v1/services": "get", one: "get", one + "/revisions": "get", one + "/rollouts": "get post", one + "/rollouts/{id}": "get",
		one + "/rollouts/{id}/receipt": "get", one + "/logs": "get", "/v1/events": "get", one + "/plan": "post", one + "/scale": "post",
		one + "/remove": "post", "/v1/down": "post", one + "/promote": "post", one + "/pause": "post", one + "/resume": "post",
		one + "/abort": "post", one + "/retry": "post", one + "/rollback": "post",
		one + "/drill": "post", one + "/pin": "post", one + "/unpin": "post", "/v1/garbage": "get post"}
	for path, methods := range want {
		if got := strings.Join(slices.Sorted(maps.Keys(doc.Paths[path])), " "); got != methods {
			t.Errorf("%s has %q, want %q", path, got, methods)
		}
	}
	if len(doc.Paths) != len(want) {
		t.Errorf("described are %v", slices.Sorted(maps.Keys(doc.Paths)))
	}
	for _, use := range strings.Split(text, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(use, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is used and not described", name)
		}
	}
	env, _ := json.Marshal(doc.Components.Schemas["Process"].(map[string]any)["properties"].(map[string]any)["env"])
	if !strings.Contains(string(env), `"oneOf":[{"type":"string"},{`) || !strings.Contains(string(env), `"file":`) {
		t.Errorf("a value of an environment is described as %s", env)
	}
	if strings.Contains(text, "problem+json") || !strings.Contains(text, `"#/components/schemas/Envelope"`) {
		t.Error("errors are described in a form that is not ours")
	}
}

func TestOtherAddressesNeedTheToken(t *testing.T) {
	token := "s3cret"
	r := start(t, "0.0.0.0:0", func(o *Options) { o.Token = func() string { return token } })
	for _, test := range []struct {
		header string
		status int
	}{{"", 401}, {"Bearer s3cre", 401}, {"Bearer s3cret2", 401}, {"s3cret", 401}, {"Basic s3cret", 401}, {"Bearer ", 401}, {"Bearer s3cret", 200}} {
		for _, path := range []string{"/v1/services", "/healthz", "/metrics", "/v1/openapi.json"} {
			if status, body := r.send(t, "GET", path, "", "Authorization", test.header, "Host", "naru.example.com"); status != test.status {
				t.Errorf("%s with %q: %d %s", path, test.header, status, body)
			}
		}
	}
	r.Token = "s3cret"
	if _, err := r.Services(t.Context()); err != nil {
		t.Errorf("client with the token: %v", err)
	}
	token = "other" // the file was changed
	if _, err := r.Services(t.Context()); code(err) != Unauthorized {
		t.Errorf("client with an old token: %v", err)
	}
	token = "" // and is empty now
	if status, _ := r.send(t, "GET", "/healthz", "", "Authorization", "Bearer "); status != 401 {
		t.Errorf("an empty token lets everybody in: %d", status)
	}
}

func TestOtherAddressesAreRefusedWithoutAToken(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := NewServer(Options{}).Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "admin_token_file") {
		t.Errorf("serve: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is still open: %v", err)
	}
}

func TestWebPagesOfOthersAreRefused(t *testing.T) {
	r := start(t, "127.0.0.1:0", func(o *Options) { o.Hosts = []string{"deploy.example.com"} })
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	for _, test := range []struct {
		name   string
		method string
		header []string
		status int
	}{
		{"a name that resolves here", "GET", []string{"Host", "evil.example.com"}, 403},
		{"the same with a port", "POST", []string{"Host", "evil.example.com:7070"}, 403},
		{"localhost", "GET", []string{"Host", "localhost:7070"}, 200},
		{"another loopback address", "GET", []string{"Host", "[::1]:7070"}, 200},
		{"a configured name", "GET", []string{"Host", "deploy.example.com"}, 200},
		{"a post from another origin", "POST", []string{"Origin", "https://evil.example.com"}, 403},
		{"a post from another site", "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a post from no page", "POST", nil, 409},
		{"a post from a page of this server", "POST", []string{"Origin", "http://" + r.addr}, 409},
	} {
		path := "/v1/services"
		if test.method == "POST" {
			path = "/v1/services/web/promote"
		}
		if status, body := r.send(t, test.method, path, "", test.header...); status != test.status {
			t.Errorf("%s: %d %s", test.name, status, body)
		}
	}
}

func TestClientNamesTheServerThatDoesNotAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := &Client{Addr: addr}
	_, err = c.Services(t.Context())
	if want := "no naru serve answers at " + addr + ": start one with naru serve -f naru.yaml, or name another with --admin"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestClientCompletesAddresses(t *testing.T) {
	for addr, want := range map[string]string{"": "http://127.0.0.1:7070", ":9000": "http://127.0.0.1:9000", "0.0.0.0:9000": "http://127.0.0.1:9000",
		"10.0.0.5": "http://10.0.0.5:7070", "naru.example.com:80": "http://naru.example.com:80", "::1": "http://[::1]:7070", "[::]:9000": "http://127.0.0.1:9000",
		"https://naru.example.com/": "https://naru.example.com"} {
		if got := (&Client{Addr: addr}).url(); got != want {
			t.Errorf("%q becomes %s, want %s", addr, got, want)
		}
	}
}

func TestClientMeetsAnotherServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan error, 1)
	go func() { done <- other.Serve(l) }()
	c := &Client{Addr: l.Addr().String(), http: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if _, err := c.Services(t.Context()); err == nil || !strings.Contains(err.Error(), "is it a naru serve?") {
		t.Errorf("error %v", err)
	}
	other.Close()
	<-done
}
