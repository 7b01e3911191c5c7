package traffic

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sampleReport(at time.Time) Report {
	r := Report{
		Started: at, Elapsed: 10 * time.Second,
		Sent: 1000, Answered: 998, Failed: 3, Overflow: 4, Connections: 50, Retried: 6,
		Statuses: map[int]int{200: 990, 404: 7, 500: 1},
		Versions: map[string]int{"3.0": 600, "3.1": 390, "": 8},
		Failures: []Failure{{
			At: at.Add(time.Second), What: "GET /a", Source: "127.1.0.3", Status: 500,
			Version: "3.1", Err: "status 500 Internal Server Error", Body: "broken\n",
		}},
	}
	for i := range 998 {
		r.Latency.Add(time.Duration(i) * 10 * time.Microsecond)
	}
	return r
}

func TestReportReads(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	const want = `1000 requests in 10s: 998 answered, 3 failed, 4 overflow; 50 connections, 6 retried
status   200 OK: 990, 404 Not Found: 7, 500 Internal Server Error: 1
version  unknown: 8, 3.0: 600, 3.1: 390
latency  p50 5.12ms, p90 9.22ms, p99 9.97ms, max 9.97ms
lag      p50 0s, p90 0s, p99 0s, max 0s
the first 1 of 3 failures:
  05:06:08.000 GET /a from 127.1.0.3: status 500 Internal Server Error (version 3.1): "broken\n"
`
	if diff := cmp.Diff(want, sampleReport(at).String()); diff != "" {
		t.Error(diff)
	}
}

func TestReportsMergeByAddition(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	early, late := sampleReport(at), sampleReport(at.Add(5*time.Second))
	merged := late.Merge(early)

	if !merged.Started.Equal(at) || merged.Elapsed != 15*time.Second {
		t.Errorf("started %v, elapsed %v", merged.Started, merged.Elapsed)
	}
	got := []int{merged.Sent, merged.Answered, merged.Failed, merged.Overflow, merged.Connections, merged.Retried}
	if diff := cmp.Diff([]int{2000, 1996, 6, 8, 100, 12}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int]int{200: 1980, 404: 14, 500: 2}, merged.Statuses); diff != "" {
		t.Error(diff)
	}
	if merged.Latency.Count() != 1996 || merged.Versions["3.0"] != 1200 {
		t.Errorf("latencies %d, versions %v", merged.Latency.Count(), merged.Versions)
	}
	if len(merged.Failures) != 2 || !merged.Failures[0].At.Before(merged.Failures[1].At) {
		t.Errorf("failures %v", merged.Failures)
	}
	if early.Statuses[200] != 990 {
		t.Error("Merge changed what it was given")
	}
	if empty := (Report{}).Merge(early); empty.Elapsed != early.Elapsed || !empty.Started.Equal(at) {
		t.Errorf("merged with nothing: %v", empty)
	}
}

func TestReportOfNothingIsNoSuccess(t *testing.T) {
	if err := (Report{}).Err(); err == nil || !strings.Contains(err.Error(), "no request") {
		t.Errorf("Err() = %v", err)
	}
	if err := (SocketReport{}).Err(); err == nil || !strings.Contains(err.Error(), "no WebSocket") {
		t.Errorf("Err() = %v", err)
	}
}
