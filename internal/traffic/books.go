package traffic

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// books is the one place where a running load counts. It is safe for concurrent
// use.
type books struct {
	mu    sync.Mutex
	open  bool
	total Report
}

// result is all that is known of one request when it is over.
type result struct {
	request Request
	source  string
	started time.Time
	took    time.Duration
	version string
	exchange
	err error // the answer did not come, or not whole
}

func newBooks(now time.Time) *books {
	return &books{open: true, total: Report{
		Started:  now,
		Statuses: make(map[int]int),
		Versions: make(map[string]int),
	}}
}

// sent counts a request that leaves now, so much later than planned.
func (b *books) sent(lag time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total.Sent++
	b.total.Lag.Add(lag)
}

// overflow counts a request that is not sent.
func (b *books) overflow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total.Overflow++
}

// add counts a request that is over.
func (b *books) add(r result) {
	failure := r.failure() // may compute a digest: not under the lock
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &b.total
	t.Connections += r.connections
	if r.attempts > 1 {
		t.Retried++
	}
	if r.err == nil {
		t.Answered++
		t.Statuses[r.answer.Status]++
		t.Versions[r.version]++
		t.Latency.Add(r.took)
	}
	if failure == nil {
		return
	}
	t.Failed++
	if len(t.Failures) < keptFailures {
		t.Failures = append(t.Failures, *failure)
	}
}

// close fixes the time that the load took.
func (b *books) close(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = false
	b.total.Elapsed = now.Sub(b.total.Started)
}

// report returns a copy that later counting leaves alone.
func (b *books) report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.total
	if b.open {
		r.Elapsed = time.Since(r.Started)
	}
	r.Statuses = maps.Clone(r.Statuses)
	r.Versions = maps.Clone(r.Versions)
	r.Failures = slices.Clone(r.Failures)
	return r
}

// failure says what was wrong with the answer; nil: nothing.
func (r result) failure() *Failure {
	err := r.err
	switch {
	case err != nil:
	case r.answer.Status >= 500:
		err = fmt.Errorf("status %d %s", r.answer.Status, http.StatusText(r.answer.Status))
	case r.request.Check != nil:
		err = r.request.Check(r.answer)
	}
	if err == nil {
		return nil
	}
	return &Failure{
		At:      r.started,
		What:    r.request.method() + " " + r.request.Path,
		Source:  r.source,
		Status:  r.answer.Status,
		Version: r.version,
		Err:     err.Error(),
		Body:    excerpt(r.answer.Body),
	}
}

// excerpt is the beginning of a body, short enough for a line.
func excerpt(body []byte) string {
	const longest = 200
	return string(body[:min(len(body), longest)])
}
