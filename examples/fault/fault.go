// Package fault makes an example program misbehave on purpose, so that people
// can rehearse a bad deployment before they have one.
//
// The version chooses the fault by its suffix, and many faults take a duration
// or a share after it:
//
//	3.2-crash      exits at once; 3.2-crash-5s runs for five seconds first
//	3.2-hang       accepts connections and never answers, not even /healthz
//	3.2-slow       needs 20 s to become healthy; 3.2-slow-2s needs two
//
// The others are healthy, and only their users find out:
//
//	3.2-500        answers 500 to everything
//	3.2-flaky      answers 500 to 5 % of the requests, whichever; 3.2-flaky-0.5% to fewer
//	3.2-poison     answers 500 to 1 % of the URLs, always the same ones; 3.2-poison-5% to more
//	3.2-stall      never answers 2 % of the requests; 3.2-stall-10% leaves more waiting
//	3.2-late       answers a second later than it should; 3.2-late-300ms less so
//	3.2-leak       is later by 10 ms with every second that it runs; 3.2-leak-1ms by less
//	3.2-rots       runs well for 30 s, and then answers 500 to 20 %; 3.2-rots-5s begins sooner
//
// Any other version, with or without a suffix, is good. [File] is for faults
// that begin and end while programs run, in several versions at once.
package fault

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is what a program does wrong. The zero value is a program that works.
type Fault struct {
	kind  string
	after time.Duration
	share float64 // 0 to 1, of the requests that it shows in
}

// rotten is the share of the requests that a program fails once it has rotted.
const rotten = 0.2

// usual is each fault when the version does not say more.
func usual(kind string) (f Fault, known bool) {
	f.kind = kind
	switch kind {
	case "crash", "hang", "500":
	case "slow":
		f.after = 20 * time.Second
	case "late":
		f.after = time.Second
	case "leak":
		f.after = 10 * time.Millisecond
	case "rots":
		f.after, f.share = 30*time.Second, rotten
	case "flaky":
		f.share = 0.05
	case "poison":
		f.share = 0.01
	case "stall":
		f.share = 0.02
	default:
		return Fault{}, false
	}
	return f, true
}

// Parse reads the fault out of a version. A duration or a share that cannot be
// read is an error: a rehearsal of something else than was asked for would be
// worse.
func Parse(version string) (Fault, error) {
	_, suffix, _ := strings.Cut(version, "-")
	f, err := parse(suffix)
	if err != nil {
		return Fault{}, fmt.Errorf("version %s: %w", version, err)
	}
	return f, nil
}

// parse reads a suffix, of which an unknown one is no fault.
func parse(suffix string) (Fault, error) {
	kind, text, long := strings.Cut(suffix, "-")
	f, known := usual(kind)
	if !known || !long {
		return f, nil
	}
	if kind == "flaky" || kind == "poison" || kind == "stall" {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !strings.HasSuffix(text, "%") || !(percent > 0 && percent <= 100) {
			return Fault{}, fmt.Errorf("%q is no share of the requests; write, for example, 3.2-%s-2%%", text, kind)
		}
		f.share = percent / 100
		return f, nil
	}
	var err error
	if f.after, err = time.ParseDuration(text); err != nil || f.after < 0 {
		return Fault{}, fmt.Errorf("%q is no duration; write, for example, 3.2-%s-2s", text, kind)
	}
	return f, nil
}

// Crash tells whether, and how long after its start, the program has to exit.
func (f Fault) Crash() (after time.Duration, crashes bool) {
	return f.after, f.kind == "crash"
}

// Warmup is how long the program takes to become healthy; 0: it is at once.
func (f Fault) Warmup() time.Duration {
	if f.kind != "slow" {
		return 0
	}
	return f.after
}

// Wrap puts the faults that show in the answers around a handler. What changes
// with time is counted from this call on.
func (f Fault) Wrap(next http.Handler) http.Handler {
	began := time.Now()
	some := func(otherwise http.HandlerFunc, when func(*http.Request) bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" || !when(r) { // the health check is left alone
				next.ServeHTTP(w, r)
				return
			}
			otherwise(w, r)
		})
	}
	switch f.kind {
	case "hang":
		return http.HandlerFunc(hang)
	case "500":
		return some(broken, func(*http.Request) bool { return true })
	case "flaky":
		return some(broken, f.chance)
	case "poison":
		return some(broken, f.poisoned)
	case "stall":
		return some(hang, f.chance)
	case "rots":
		return some(broken, func(r *http.Request) bool { return time.Since(began) >= f.after && f.chance(r) })
	case "late":
		return some(delayed(next, func() time.Duration { return f.after }), func(*http.Request) bool { return true })
	case "leak":
		lost := func() time.Duration { return time.Duration(time.Since(began).Seconds() * float64(f.after)) }
		return some(delayed(next, lost), func(*http.Request) bool { return true })
	default:
		return next
	}
}

func broken(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "broken on purpose", http.StatusInternalServerError)
}

// hang ends with its client alone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// delayed answers later.
func delayed(next http.Handler, by func() time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(by()):
			next.ServeHTTP(w, r)
		case <-r.Context().Done(): // the user has gone
		}
	}
}

// chance picks requests one by one.
func (f Fault) chance(*http.Request) bool { return rand.Float64() < f.share }

// poisoned picks what is asked for, query and all: whoever asks again, of
// whichever version, gets the same.
func (f Fault) poisoned(r *http.Request) bool {
	h := fnv.New64a()
	h.Write([]byte(r.URL.RequestURI()))
	x := h.Sum64()
	x ^= x >> 32 // FNV-1a leaves the high bits of short texts alike
	return float64(x%1e6)/1e6 < f.share
}
