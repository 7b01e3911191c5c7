package fault

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
)

// File is the path of a file that holds a fault, as flaky-30% or late-300ms, for
// as long as the file is there. Programs that are given the same one, of
// whatever version, go wrong together: an incident that is not the fault of the
// version which is just being deployed. Put the file in place by renaming it, so
// that nobody reads half of it.
type File string

// Wrap puts the faults that show in the answers around a handler, while the file
// is there. The file is looked at with every request.
func (f File) Wrap(next http.Handler) http.Handler {
	if f == "" {
		return next
	}
	var mu sync.Mutex
	read, now := "", next // the last text of the file, and what it makes of next
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(string(f))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		mu.Lock()
		if suffix := strings.TrimSpace(string(text)); suffix != read {
			read, now = suffix, wrapped(suffix, next)
		}
		handler := now
		mu.Unlock()
		handler.ServeHTTP(w, r)
	})
}

// wrapped is the handler with a fault. A text that cannot be read must not pass
// for a program that works.
func wrapped(suffix string, next http.Handler) http.Handler {
	if suffix == "" {
		return next
	}
	f, err := parse(suffix)
	if err == nil && f.kind != "" && f.kind != "crash" && f.kind != "slow" { // those two are about the start
		return f.Wrap(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "FAULT_FILE holds no fault that could begin now: "+suffix, http.StatusInternalServerError)
	})
}
