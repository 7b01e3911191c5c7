package source

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/deploy"
)

func hooked(url string) deploy.Source {
	return deploy.Source{Webhook: &deploy.Webhook{URL: url, Headers: map[string]string{"authorization": "Bearer s3cret"}}, Max: new(1.0)}
}

// TestWebhookIsAsked looks at the question as it arrives.
func TestWebhookIsAsked(t *testing.T) {
	type request struct {
		method, kind, token, path string
		body                      map[string]string
	}
	came := make(chan request, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got := request{r.Method, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.URL.String(), nil}
		_ = json.NewDecoder(r.Body).Decode(&got.body)
		came <- got
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"value": 0.12, "note": "of 100"}`)
	})
	number(0.12).check(t, ask(t, hooked(url+"/figure?a=b"), Options{}, newVersion))
	want := request{"POST", "application/json", "Bearer s3cret", "/figure?a=b",
		map[string]string{"service": "shop", "rollout": "shop-4", "revision": "r7", "version": "3.1", "role": "canary"}}
	if diff := cmp.Diff(want, <-came, cmp.AllowUnexported(request{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWebhookAnswers(t *testing.T) {
	cases := []struct {
		name   string
		status int
		kind   string
		body   string
		want   answer
	}{
		{"number", 200, "application/json", `{"value": -1.5e3}`, number(-1500)},
		{"created", 201, "application/vnd.shop+json", `{"value": 0}`, number(0)},
		{"null", 200, "application/json", ` {"value": null} `, noData},
		{"no content", 204, "", "", noData},
		{"no value", 200, "application/json", `{"val": 1}`, failing(`answers without a "value"`)},
		{"a text", 200, "application/json", `{"value": "1"}`, failing(`answers with the value "1", which is not a number`)},
		{"too large a number", 200, "application/json", `{"value": 1e999}`, failing("answers with the value 1e999")},
		{"a list", 200, "application/json", `[1]`, failing("does not answer with a JSON object")},
		{"nothing", 200, "application/json", "", failing("does not answer with a JSON object")},
		{"two objects", 200, "application/json", `{"value": 1}{"value": 2}`, failing("does not answer with a JSON object")},
		{"a page", 200, "text/html", `{"value": 1}`, failing(`answers with Content-Type "text/html", and application/json is needed`)},
		{"no type", 200, "", `{"value": 1}`, failing(`answers with Content-Type "text/plain; charset=utf-8"`)},
		{"not allowed", 401, "text/plain", "who\nare you?\x1b[0m", failing("answers 401 Unauthorized: who are you?")},
		{"broken", 500, "application/json", `{"value": 1}`, failing("answers 500 Internal Server Error")},
		{"unavailable", 503, "", "", failing("answers 503 Service Unavailable")},
		{"too much", 200, "application/json", `{"value": 1` + strings.Repeat(" ", maxAnswer) + `}`, failing("answers with more than 1048576 bytes")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.kind != "" {
					w.Header().Set("Content-Type", c.kind)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			got := ask(t, hooked(url), Options{}, newVersion)
			c.want.check(t, got)
			if c.want.says != "" && !strings.HasPrefix(got.Err, url+" ") {
				t.Errorf("who is at fault? %s", got.Err)
			}
		})
	}
}

// TestWebhookIsNotRedirected: the token is for the one who was named.
func TestWebhookIsNotRedirected(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				t.Errorf("%d was followed to %s", status, r.URL.Path)
			}
			http.Redirect(w, r, "/elsewhere", status)
		})
		failing("redirects are not followed").check(t, ask(t, hooked(url), Options{}, newVersion))
	}
}

func TestWebhookDoesNotAnswer(t *testing.T) {
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"value": 1}`)
	})
	failing("does not answer: unexpected EOF").check(t, ask(t, hooked(cut), Options{}, newVersion))
	failing("does not answer: dial tcp").check(t, ask(t, hooked("http://me:s3cret@"+closedPort(t)), Options{}, newVersion))
	never := hooked(strings.Replace(serve(t, silence), "http://", "http://me:s3cret@", 1))
	never.Timeout = deploy.Duration(50 * time.Millisecond)
	failing("has not answered within 50ms").check(t, ask(t, never, Options{}, newVersion))
	half := hooked(serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"value": `)
		_ = http.NewResponseController(w).Flush()
		silence(w, r)
	}))
	half.Timeout = deploy.Duration(50 * time.Millisecond)
	failing("has not answered within 50ms").check(t, ask(t, half, Options{}, newVersion))
}
