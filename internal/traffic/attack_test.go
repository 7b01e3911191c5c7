package traffic

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAttackCountsWhatTheServerDid(t *testing.T) {
	var seen, failed atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/products" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		switch n := seen.Add(1); n % 10 {
		case 3:
			failed.Add(1)
			http.Error(w, "", http.StatusInternalServerError)
		case 6:
			failed.Add(1)
			http.NotFound(w, r)
		case 7:
			http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
		}
	})
	result, err := Attack(t.Context(), url, "/products", 200, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if result.Requests != int(seen.Load()) || result.Requests < 90 || result.Requests > 110 {
		t.Errorf("%d requests, the server saw %d, about 100 were due", result.Requests, seen.Load())
	}
	if result.Failed != int(failed.Load()) || result.Statuses[404]+result.Statuses[500] != result.Failed {
		t.Errorf("%d failed of %v, the server failed %d", result.Failed, result.Statuses, failed.Load())
	}
	if rate := result.ErrorRate(); rate < 0.15 || rate > 0.25 {
		t.Errorf("error rate %v", rate)
	}
	if result.P50 <= 0 || result.P99 < result.P50 {
		t.Errorf("p50 %v, p99 %v", result.P50, result.P99)
	}
	if text := strings.Join(result.Errors, "; "); !strings.Contains(text, "500 Internal Server Error") {
		t.Errorf("errors: %s", text)
	}
}

func TestAttackOnNobodyFails(t *testing.T) {
	result, err := Attack(t.Context(), "http://127.0.0.1:1", "/", 50, 100*time.Millisecond)
	if err != nil || result.Requests == 0 || result.Failed != result.Requests || result.Statuses[0] != result.Failed {
		t.Errorf("got %+v, %v", result, err)
	}
}

func TestAttackEndsWithItsContext(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := Attack(ctx, url, "/", 50, time.Hour)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	// The server never answers; only the cut of the connections can end this
	// before the requests' own timeout.
	if took := time.Since(started); took >= attackTimeout {
		t.Errorf("took %v", took)
	}
}

func TestAttackWithoutRequestsIsRefused(t *testing.T) {
	for _, rate := range []int{0, -5} {
		if _, err := Attack(t.Context(), "http://127.0.0.1:1", "/", rate, time.Second); err == nil {
			t.Errorf("a rate of %d was accepted", rate)
		}
	}
	if got := (AttackResult{}).ErrorRate(); got != 0 {
		t.Errorf("error rate of nothing: %v", got)
	}
}
