package e2e

import (
	"fmt"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// A version that is well by its port but hangs on requests, and one that is slow, are found out by their users' requests.
func TestHangingAndSlowVersions(t *testing.T) {
	t.Parallel()
	const settings = `  chat:
    instances: 2
    process: {command: [./chat, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"]}
    health: {tcp: true, interval: 200ms}
    drain_timeout: 3s
    stop_timeout: 1s
    limits: {response_timeout: %s}
    retries: {attempts: 0}
    strategy: {canary: {steps: [{weight: 25%%, bake: 4s}, 100%%], bake: 200ms}}
    analysis: {objectives: {errors: 2%%, p99: 1s}, streams: [%s]}
`
	s := start(t, fmt.Sprintf(settings, "2s", "errors, latency, guardrail"))
	s.deploy(0, "chat", "3.0")
	t.Run("hangs", func(t *testing.T) {
		s := s.in(t)
		load := s.users(80, "", "/version")
		r := s.deploy(2, "chat", "3.2-hang")
		report := load.Stop()
		t.Logf("load: %s", report)
		blamed(t, r, "errors", "% of ", " requests to r2 and 0% of ", " to r1 failed", " of 200")
		if r.Requests.Failed != uint64(report.Failed) || report.Failed != report.Statuses[504] || r.Revisions["r1"].Failed != 0 {
			t.Errorf("requests %+v, revisions %+v; users saw %d failures, answers %v", r.Requests, r.Revisions, report.Failed, report.Statuses)
		}
		s.rest("chat", "3.0", 2)
	})
	for i, c := range []struct{ streams, stream, limit string }{{"errors, latency", "latency", " of r1); by chance alone less than 1 in "}, {"guardrail", "guardrail", "1s (the objective allows 1.00%)"}} {
		s.write(fmt.Sprintf(settings, "30s", c.streams))
		t.Run("slow by "+c.stream, func(t *testing.T) {
			s := s.in(t)
			to := fmt.Sprintf("r%d", 3+i)
			load := s.users(80, "", "/version")
			s.served(load, "3.0", 250)
			r := s.deploy(2, "chat", "3.2-late-2s")
			clean(t, load.Stop())
			whole(t, r, deploy.RolledBack)
			blamed(t, r, c.stream, " requests to "+to+" ", "were slower than ", c.limit)
			s.rest("chat", "3.0", 2)
		})
	}
}

// Uploads that are under way while the traffic is swapped end where they began, whole.
func TestUploadsDuringTheSwap(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, `{blue_green: {bake: 200ms}}`))
	s.deploy(0, "chat", "3.0")
	uploads := traffic.Load{URL: "http://" + s.http, Rate: 60, Sources: 40, Fresh: .5, Request: traffic.Upload("/upload")}.Start(t.Context())
	for i := range 3 {
		s.served(uploads, fmt.Sprintf("3.%d", i), 20)
		late := s.slowly()
		r := s.deploy(0, "chat", fmt.Sprintf("3.%d", i+1))
		whole(t, r, deploy.Promoted)
		if err := late(); err != nil {
			t.Errorf("an upload that was under way: %v", err)
		}
	}
	clean(t, uploads.Stop())
}
