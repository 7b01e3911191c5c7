package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// keptFailures is how many failures a report describes; all are counted.
const keptFailures = 20

// Report is what happened to every request of a [Load].
//
// After the end of a run, Sent = Answered + the requests that got no whole
// answer, and Failed counts those and the whole answers that were wrong.
type Report struct {
	Started time.Time
	Elapsed time.Duration // from Started to the last answer, or to now

	Sent     int // requests sent
	Answered int // whole answers, of any status
	Failed   int // no whole answer, a 5xx, or an answer that its check refused
	Overflow int // due while too many were in flight, and so not sent

	Connections int // new connections made
	// Retried counts requests that the HTTP client had to try on a second
	// connection because the first, a kept one, was closed under it. No user
	// notices, so they are no failures; but somebody closed it.
	Retried int

	Statuses map[int]int    // answers by status code
	Versions map[string]int // answers by version, "" where none was named
	Failures []Failure      // the first 20, by time

	Latency Latency // from sending to the last byte, of whole answers
	Lag     Latency // how late requests were sent: the sender's own weakness
}

// Failure describes one thing that went wrong for a user.
type Failure struct {
	At      time.Time // when the request was sent, or the connection lost
	What    string    // "GET /products", "user 3"
	Source  string    // the client's address
	Status  int       // 0: no answer
	Version string    // as named by the answer; empty: unknown
	Err     string
	Body    string // its first 200 bytes
}

// String is one line: when, who, what, why.
func (f Failure) String() string {
	line := fmt.Sprintf("%s %s from %s: %s", f.At.Format("15:04:05.000"), f.What, f.Source, f.Err)
	if f.Version != "" {
		line += " (version " + f.Version + ")"
	}
	if f.Body != "" {
		line += fmt.Sprintf(": %q", f.Body)
	}
	return line
}

// Err is nil when every request was sent and none failed. Otherwise it says how
// many did, and how the first one failed.
func (r Report) Err() error {
	switch {
	case r.Failed > 0 && len(r.Failures) > 0:
		return fmt.Errorf("%d of %d requests failed, the first: %v", r.Failed, r.Sent, r.Failures[0])
	case r.Failed > 0:
		return fmt.Errorf("%d of %d requests failed", r.Failed, r.Sent)
	case r.Overflow > 0:
		return fmt.Errorf("%d requests were not sent because too many were in flight", r.Overflow)
	case r.Sent == 0:
		return errors.New("no request was sent")
	default:
		return nil
	}
}

// Merge adds two reports of different loads, or of one load run twice.
func (r Report) Merge(other Report) Report {
	end := later(r.Started.Add(r.Elapsed), other.Started.Add(other.Elapsed))
	m := r
	m.Started = earlier(r.Started, other.Started)
	m.Elapsed = end.Sub(m.Started)
	m.Sent += other.Sent
	m.Answered += other.Answered
	m.Failed += other.Failed
	m.Overflow += other.Overflow
	m.Connections += other.Connections
	m.Retried += other.Retried
	m.Statuses = sum(r.Statuses, other.Statuses)
	m.Versions = sum(r.Versions, other.Versions)
	m.Failures = firstOf(r.Failures, other.Failures)
	m.Latency.Merge(other.Latency)
	m.Lag.Merge(other.Lag)
	return m
}

// String is a short text of several lines, for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %v: %d answered, %d failed, %d overflow; %d connections, %d retried\n",
		r.Sent, rounded(r.Elapsed), r.Answered, r.Failed, r.Overflow, r.Connections, r.Retried)
	fmt.Fprintf(&b, "status   %s\n", counts(r.Statuses, http.StatusText))
	fmt.Fprintf(&b, "version  %s\n", counts(r.Versions, nil))
	fmt.Fprintf(&b, "latency  %s\n", r.Latency.String())
	fmt.Fprintf(&b, "lag      %s\n", r.Lag.String())
	describe(&b, r.Failures, r.Failed)
	return b.String()
}

// counts lists a map in order of its keys: "3.0: 12, 3.1: 34".
func counts[K cmp.Ordered](m map[K]int, name func(K) string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		label := fmt.Sprint(key)
		if label == "" {
			label = "unknown"
		}
		if name != nil {
			label += " " + name(key)
		}
		parts = append(parts, fmt.Sprintf("%s: %d", label, m[key]))
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// describe writes the failures that were kept, and how many there are in all.
func describe(b *strings.Builder, failures []Failure, total int) {
	if len(failures) == 0 {
		return
	}
	fmt.Fprintf(b, "the first %d of %d failures:\n", len(failures), total)
	for _, f := range failures {
		fmt.Fprintf(b, "  %v\n", f)
	}
}

// firstOf merges two lists of failures and keeps the earliest.
func firstOf(a, b []Failure) []Failure {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y Failure) int { return x.At.Compare(y.At) })
	return all[:min(len(all), keptFailures)]
}

// sum adds two maps of counts into a new one.
func sum[K comparable](a, b map[K]int) map[K]int {
	total := make(map[K]int, len(a)+len(b))
	maps.Copy(total, a)
	for key, n := range b {
		total[key] += n
	}
	return total
}

// earlier and later leave out the zero time, which stands for "not yet".
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
