// Package fault makes an example program misbehave on purpose, so that people
// can rehearse a bad deployment before they have one.
//
// The version chooses the fault by its suffix, and some faults take a duration
// after it:
//
//	3.2-crash      exits at once; 3.2-crash-5s runs for five seconds first
//	3.2-hang       accepts connections and never answers, not even /healthz
//	3.2-500        is healthy, but answers 500 to every other request
//	3.2-slow       needs 20 s to become healthy; 3.2-slow-2s needs two
//	3.2-late       answers a second later than it should; 3.2-late-300ms less so
//
// Any other version, with or without a suffix, is good.
package fault

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Fault is what a program does wrong. The zero value is a program that works.
type Fault struct {
	kind  string
	after time.Duration
}

// usual is how long each fault lasts, or waits, when the version does not say.
func usual(kind string) (after time.Duration, known bool) {
	switch kind {
	case "crash", "hang", "500":
		return 0, true
	case "slow":
		return 20 * time.Second, true
	case "late":
		return time.Second, true
	default:
		return 0, false
	}
}

// Parse reads the fault out of a version. A duration that cannot be read is an
// error: a rehearsal of something else than was asked for would be worse.
func Parse(version string) (Fault, error) {
	_, suffix, _ := strings.Cut(version, "-")
	kind, duration, long := strings.Cut(suffix, "-")
	after, known := usual(kind)
	if !known {
		return Fault{}, nil
	}
	if long {
		var err error
		if after, err = time.ParseDuration(duration); err != nil || after < 0 {
			return Fault{}, fmt.Errorf("version %s: %q is no duration; write, for example, 3.2-%s-2s", version, duration, kind)
		}
	}
	return Fault{kind: kind, after: after}, nil
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

// Wrap puts the faults that show in the answers around a handler.
func (f Fault) Wrap(next http.Handler) http.Handler {
	switch f.kind {
	case "hang":
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	case "500":
		return sparingHealth(next, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "broken on purpose", http.StatusInternalServerError)
		})
	case "late":
		return sparingHealth(next, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(f.after):
				next.ServeHTTP(w, r)
			case <-r.Context().Done(): // the user has gone
			}
		})
	default:
		return next
	}
}

// sparingHealth leaves the health check alone: these are the programs that look
// well to it, and that only their users find out about.
func sparingHealth(healthy http.Handler, otherwise http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			healthy.ServeHTTP(w, r)
			return
		}
		otherwise(w, r)
	})
}
