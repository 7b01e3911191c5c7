package source

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// expect checks sources as a deploy does, and wants problems that begin like this, in this order.
func expect(t *testing.T, sources []deploy.Source, want ...string) {
	t.Helper()
	for i, s := range sources {
		sources[i] = settings(s)
	}
	got := Check(t.Context(), sources, Options{Dir: t.TempDir()}, oldVersion, newVersion)
	for i, p := range got {
		if text := p.Path + ": " + p.Message; i >= len(want) || !strings.HasPrefix(text, want[i]) {
			t.Errorf("got problem %d: %s", i, text)
		}
		if strings.Contains(p.Message, "s3cret") {
			t.Errorf("a secret is shown: %s", p.Message)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d problems, want %q", len(got), want)
	}
}

func TestCheck(t *testing.T) {
	hook := func(url string, required bool) deploy.Source {
		return deploy.Source{Webhook: &deploy.Webhook{URL: url}, Max: new(1.0), Required: &required}
	}
	run := func(required bool, words ...string) deploy.Source {
		return deploy.Source{Command: words, Max: new(1.0), Required: &required}
	}
	nobody := closedPort(t)
	none := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusInternalServerError)
	})
	late := hook(serve(t, silence), true)
	late.Timeout = deploy.Duration(50 * time.Millisecond)
	expect(t, nil)
	expect(t, []deploy.Source{hook(none, true), run(true, "true"), run(true, "echo", "1000")}) // beyond the bound is an answer, too
	expect(t, []deploy.Source{
		hook("http://me:s3cret@"+nobody+"/s3cret", true), hook(broken, true), hook(broken, false), late, hook("http://%zz", false),
		run(true, "sh", "-c", "echo no such table >&2; exit 3"), run(false, "false"), run(false, "./nowhere.sh"), run(true, "no-such-program"), {Name: "nothing"},
	},
		"analysis.sources[0].webhook.url: http://"+nobody+" does not answer: dial tcp "+nobody+": connect: connection refused; start it, or set required: false",
		"analysis.sources[1].webhook.url: "+broken+" answers 500 Internal Server Error: out of order; start it, or set required: false",
		"analysis.sources[3].webhook.url: "+late.Webhook.URL+" has not answered within 50ms; start it, or set required: false",
		"analysis.sources[4].webhook.url: is not a URL: ",
		"analysis.sources[5].command: sh fails with exit status 3: no such table; repair it, or set required: false",
		"analysis.sources[7].command: cannot be run: fork/exec /",
		"analysis.sources[8].command: cannot be run: exec: \"no-such-program\": executable file not found",
		"analysis.sources[9]: has no kind",
	)
}

// TestCheckAsksOnlyWhatWillBeAsked: a program that is never asked about stable is not run for it either.
func TestCheckAsksOnlyWhatWillBeAsked(t *testing.T) {
	roles := make(chan string, 4)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		roles <- string(body)
		w.WriteHeader(http.StatusNoContent)
	})
	s := deploy.Source{Webhook: &deploy.Webhook{URL: url}, Max: new(1.0)}
	expect(t, []deploy.Source{s})
	if body := <-roles; len(roles) > 0 || !strings.Contains(body, `"canary"`) {
		t.Errorf("asked %s, and %d times more", body, len(roles))
	}
	s.MaxRatio = new(1.5)
	expect(t, []deploy.Source{s})
	if first, second := <-roles, <-roles; len(roles) > 0 || !strings.Contains(first, `"stable"`) || !strings.Contains(second, `"canary"`) {
		t.Errorf("asked %s, %s, and %d times more", first, second, len(roles))
	}
	if p := Check(t.Context(), []deploy.Source{settings(s)}, Options{}, Question{Role: Stable}); len(p) > 0 || len(roles) > 0 {
		t.Errorf("asked about nobody: %v", p)
	}
}
