package source

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	newVersion = Question{Service: "shop", Rollout: "shop-4", Revision: "r7", Version: "3.1", Role: Canary}
	oldVersion = Question{Service: "shop", Rollout: "shop-4", Revision: "r6", Version: "3.0", Role: Stable}
)

// settings completes a source as the file would.
func settings(s deploy.Source) deploy.Source {
	if s.Timeout == 0 {
		s.Timeout = deploy.Duration(time.Minute) // whatever the machine is busy with
	}
	if s.Name == "" {
		s.Name = "figure"
	}
	return deploy.Service{Analysis: deploy.Analysis{Sources: []deploy.Source{s}}}.Normalise().Analysis.Sources[0]
}

func ask(t *testing.T, s deploy.Source, o Options, q Question) Reading {
	t.Helper()
	a, err := New(settings(s), o)
	if err != nil {
		t.Fatal(err)
	}
	return a.Ask(t.Context(), q)
}

// answer is what a question should come to: a number, no data, or an error that says something.
type answer struct {
	value float64
	known bool
	says  string
}

func (want answer) check(t *testing.T, got Reading) {
	t.Helper()
	if got.Value != want.value || got.Known != want.known || (got.Err == "") != (want.says == "") || !strings.Contains(got.Err, want.says) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.At.IsZero() || strings.Contains(got.Err, "\n") || strings.Contains(got.Err, "s3cret") {
		t.Errorf("no time, several lines or a secret: %+v", got)
	}
}

func number(v float64) answer    { return answer{value: v, known: true} }
func failing(says string) answer { return answer{says: says} }

var noData = answer{}

// serve runs a real server for the time of a test.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	s.Close()
	return strings.TrimPrefix(s.URL, "http://")
}

// silence takes requests and never answers them. A server notices that a client has gone once the body has been read.
func silence(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// until polls a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		case <-ticker.C:
		}
	}
}
