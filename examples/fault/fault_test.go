package fault

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestParse(t *testing.T) {
	for version, want := range map[string]Fault{
		"3.1":            {},
		"3.1-rc1":        {},
		"1.1-bad":        {}, // the shop's own affair
		"3.2-crash":      {kind: "crash"},
		"3.2-crash-5s":   {kind: "crash", after: 5 * time.Second},
		"3.2-hang":       {kind: "hang"},
		"3.2-500":        {kind: "500"},
		"3.2-slow":       {kind: "slow", after: 20 * time.Second},
		"3.2-slow-2s":    {kind: "slow", after: 2 * time.Second},
		"3.2-late":       {kind: "late", after: time.Second},
		"3.2-late-300ms": {kind: "late", after: 300 * time.Millisecond},
	} {
		if got, err := Parse(version); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, want)
		}
	}
	for _, version := range []string{"3.2-slow-ly", "3.2-late--1s", "3.2-crash-"} {
		if got, err := Parse(version); err == nil {
			t.Errorf("%s: got %+v and no error", version, got)
		}
	}
}

func TestCrashAndWarmup(t *testing.T) {
	crash, _ := Parse("3.2-crash-5s")
	slow, _ := Parse("3.2-slow")
	if after, crashes := crash.Crash(); !crashes || after != 5*time.Second || crash.Warmup() != 0 {
		t.Errorf("crash: %v, %v, warmup %v", after, crashes, crash.Warmup())
	}
	if _, crashes := slow.Crash(); crashes || slow.Warmup() != 20*time.Second {
		t.Errorf("slow: crashes %v, warmup %v", crashes, slow.Warmup())
	}
}

// answer asks a program with the fault of this version, and tells how long it
// took and what came. Within a synctest bubble the clock is not the wall's.
func answer(t *testing.T, ctx context.Context, version, path string) (status int, took time.Duration) {
	t.Helper()
	f, err := Parse(version)
	if err != nil {
		t.Fatal(err)
	}
	good := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	w := httptest.NewRecorder()
	started := time.Now()
	f.Wrap(good).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	return w.Code, time.Since(started)
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		version, path string
		status        int
		took          time.Duration
	}{
		{"3.1", "/", http.StatusNoContent, 0},
		{"3.2-500", "/", http.StatusInternalServerError, 0},
		{"3.2-500", "/healthz", http.StatusNoContent, 0},
		{"3.2-late", "/", http.StatusNoContent, time.Second},
		{"3.2-late", "/healthz", http.StatusNoContent, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			status, took := answer(t, t.Context(), c.version, c.path)
			if status != c.status || took != c.took {
				t.Errorf("%s %s: got %d after %v, want %d after %v", c.version, c.path, status, took, c.status, c.took)
			}
		})
	}
}

func TestHangEndsOnlyWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, took := answer(t, ctx, "3.2-hang", "/healthz"); took != time.Hour {
			t.Errorf("answered after %v", took)
		}
	})
}
