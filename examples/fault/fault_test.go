package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
		"3.2-leak":       {kind: "leak", after: 10 * time.Millisecond},
		"3.2-leak-1ms":   {kind: "leak", after: time.Millisecond},
		"3.2-rots":       {kind: "rots", after: 30 * time.Second, share: rotten},
		"3.2-rots-5s":    {kind: "rots", after: 5 * time.Second, share: rotten},
		"3.2-flaky":      {kind: "flaky", share: 0.05},
		"3.2-flaky-0.5%": {kind: "flaky", share: 0.005},
		"3.2-poison":     {kind: "poison", share: 0.01},
		"3.2-poison-5%":  {kind: "poison", share: 0.05},
		"3.2-stall":      {kind: "stall", share: 0.02},
		"3.2-stall-100%": {kind: "stall", share: 1},
	} {
		if got, err := Parse(version); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, want)
		}
	}
	for _, version := range []string{"3.2-slow-ly", "3.2-late--1s", "3.2-crash-", "3.2-flaky-2", "3.2-flaky-2s", "3.2-stall-0%", "3.2-poison-101%", "3.2-flaky-NaN%"} {
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
		{"3.2-flaky-100%", "/", http.StatusInternalServerError, 0},
		{"3.2-flaky-100%", "/healthz", http.StatusNoContent, 0},
		{"3.2-poison-100%", "/", http.StatusInternalServerError, 0},
		{"3.2-rots-1s", "/", http.StatusNoContent, 0},
		{"3.2-leak", "/", http.StatusNoContent, 0},
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

// asked is what a program with the fault of this version answers to the n-th of many requests, after it has run for a while.
func asked(t *testing.T, version string, n int, url func(i int) string, running time.Duration) (failed int, took time.Duration) {
	t.Helper()
	f, err := Parse(version)
	if err != nil {
		t.Fatal(err)
	}
	handler := f.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	time.Sleep(running) // of the bubble's clock
	began := time.Now()
	for i := range n {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url(i), nil))
		if w.Code >= 500 {
			failed++
		}
	}
	return failed, time.Since(began) / time.Duration(n)
}

func TestShares(t *testing.T) {
	same := func(int) string { return "/?q=7" }
	each := func(i int) string { return fmt.Sprintf("/?q=%d", i) }
	for _, c := range []struct {
		version     string
		url         func(int) string
		running     time.Duration
		least, most int // of 10,000; ten standard deviations apart from what is asked for
	}{
		{"3.2-flaky", same, 0, 280, 720},
		{"3.2-flaky-0.5%", each, 0, 1, 120},
		{"3.2-poison-5%", each, 0, 280, 720},
		{"3.2-poison-5%", same, 0, 0, 0},
		{"3.2-poison-100%", same, 0, 10000, 10000},
		{"3.2-rots-5s", same, 4 * time.Second, 0, 0},
		{"3.2-rots-5s", same, 5 * time.Second, 1600, 2400},
	} {
		synctest.Test(t, func(t *testing.T) {
			if failed, _ := asked(t, c.version, 10000, c.url, c.running); failed < c.least || failed > c.most {
				t.Errorf("%s has failed %d of 10000 after %v, want %d to %d", c.version, failed, c.running, c.least, c.most)
			}
		})
	}
}

func TestLeakGrows(t *testing.T) {
	for running, want := range map[time.Duration]time.Duration{0: 0, time.Second: 10 * time.Millisecond, time.Minute: 600 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			if _, took := asked(t, "3.2-leak", 1, func(int) string { return "/" }, running); took != want {
				t.Errorf("after %v it takes %v, want %v", running, took, want)
			}
		})
	}
}

func TestStallLeavesSomeWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, took := answer(t, ctx, "3.2-stall-100%", "/"); took != time.Hour {
			t.Errorf("answered after %v", took)
		}
		if status, took := answer(t, t.Context(), "3.2-stall-100%", "/healthz"); took != 0 || status != http.StatusNoContent {
			t.Errorf("health: %d after %v", status, took)
		}
	})
}

// Whatever the file says at the moment of a request is what goes wrong.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incident")
	handler := File(path).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, c := range []struct {
		text   string
		status int
	}{
		{"", http.StatusNoContent},
		{"flaky-100%\n", http.StatusInternalServerError},
		{"late-1ms", http.StatusNoContent},
		{"500", http.StatusInternalServerError},
		{"", http.StatusNoContent},
		{"flacky", http.StatusInternalServerError}, // nobody would notice that nothing goes wrong
		{"slow-1s", http.StatusInternalServerError},
		{"flaky-many", http.StatusInternalServerError},
	} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != c.status {
			t.Errorf("%q: answered %d, want %d: %s", c.text, w.Code, c.status, w.Body)
		}
	}
}
