package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// outside is the analysis of a service by one outside source: what naru itself sees may fail nobody. Its lines and columns
// are checked: in the file of judged, analysis stands on lines 16 and following.
func outside(source, onInsufficient string) string {
	return fmt.Sprintf(`
      streams: [guardrail]
      objectives: {errors: 60%%}
      on_insufficient: %s
      sources:
        - %s
`, onInsufficient, source)
}

// monitor starts a Prometheus that scrapes a naru, and stops it.
func (s *stand) monitor() (url string, kill func()) {
	s.t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		s.t.Skip("there is no prometheus on this machine: install it (apt-get install prometheus) to try naru's queries on the real one")
	}
	dir, address := s.t.TempDir(), free(s.t)
	settings := fmt.Sprintf("global: {scrape_interval: 250ms, scrape_timeout: 250ms}\nscrape_configs: [{job_name: naru, static_configs: [{targets: [%q]}]}]\n", s.admin)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(settings), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	kill = func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			s.t.Error(err)
		}
		<-ended
	}
	s.t.Cleanup(kill)
	url = "http://" + address
	s.until(30*time.Second, "Prometheus is ready", func() error {
		res, err := http.Get(url + "/-/ready")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
	return url, kill
}

// failing is the share of failed requests of a revision, by naru's own metrics.
const failing = `sum(rate(naru_requests_total{service=\"${SERVICE}\",revision=\"${REVISION}\",code=\"5xx\"}[3s])) / sum(rate(naru_requests_total{service=\"${SERVICE}\",revision=\"${REVISION}\"}[3s]))`

// A real Prometheus that watches naru takes a bad version back and lets a good one pass, by one query for both revisions.
// When it ends in the middle of a rollout that is said, and counts for nothing.
func TestPrometheusIsAsked(t *testing.T) {
	t.Parallel()
	const strategy = `{canary: {steps: [{weight: 40%, bake: 2s}, 100%], bake: 500ms}}`
	s := serving(t, "3.0", strategy, `{}`)
	url, kill := s.monitor()
	source := func(query, more string) string {
		return fmt.Sprintf(`{name: failing, prometheus: {url: %q, query: "%s"}, max: 0.05, interval: 250ms, breaches: 2%s}`, url, query, more)
	}
	s.write(judged(strategy, outside(source(failing, ""), "pause")))
	load := s.crowd(150)
	s.served(load, "3.0", 300)

	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	for _, j := range s.last("chat").Analysis {
		f := j.Figures[len(j.Figures)-1]
		if j.Outcome != deploy.Pass || f.Stream != "failing" || f.Canary == nil || f.Canary.Value != 0 || f.Bound == nil || *f.Bound != 0.05 || f.Stable != nil {
			t.Errorf("step %s: %s, %+v", j.Step, j.Outcome, f)
		}
		contains(t, "its words are", f.Words, "failing is 0 for r2; allowed is at most 0.05")
	}
	clean(t, load.Stop())

	load = s.crowd(150)
	r := s.deploy(2, "chat", "3.2-flaky-30%")
	load.Stop()
	contains(t, "the reason is", r.Reason, "failing is 0.", " for r3; allowed is at most 0.05, ", " answers in a row")
	if last := r.Analysis[len(r.Analysis)-1]; r.Outcome != deploy.RolledBack || last.Outcome != deploy.Fail || last.Figures[len(last.Figures)-1].Canary.Value <= 0.05 {
		t.Errorf("%s: %+v", r.Outcome, last)
	}

	s.write(judged(strategy, outside(source(`naru_requests_total`, ""), "pause")))
	s.refused([]string{"naru.yaml:21:", "services.chat.analysis.sources[0].prometheus.query: yields ", " series (", "aggregate them, as sum(…) does"}, "deploy", "chat", "3.3")
	s.write(judged(strategy, outside(source(failing, ""), "pause")))

	load = s.crowd(150)
	s.must(0, "deploy", "chat", "3.4", "--detach")
	s.at("chat", 1, deploy.Baking)
	kill()
	s.until(20*time.Second, "the silence is told", func() error {
		for _, f := range s.status("chat").Rollout.Analysis {
			if f.Stream == "failing" && f.Canary == nil && strings.Contains(f.Words, "failing is unknown: "+url+" does not answer") {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.status("chat").Rollout.Analysis)
	})
	v := s.at("chat", 1, deploy.Paused)
	contains(t, "it rests because", v.Rollout.Waiting, "too little evidence: failing is unknown: "+url+" does not answer")
	contains(t, "status shows", words(s.must(0, "status", "chat")), "failing is unknown: "+url)
	s.must(0, "promote", "chat", "--full")
	s.rest("chat", "3.4", 2)
	clean(t, load.Stop())

	s.refused([]string{"naru.yaml:21:", "services.chat.analysis.sources[0].prometheus.url: " + url + " does not answer: ", "start it, or set required: false"}, "deploy", "chat", "3.5")
	if v := s.status("chat"); v.Rollout != nil || v.Stable.Version != "3.4" {
		t.Errorf("a refused deploy has begun: %+v", v)
	}
	s.write(judged(strategy, outside(source(failing, ", required: false"), "pause")))
	load = s.crowd(150)
	r = s.deploy(0, "chat", "3.5") // nobody waits for it, and its silence is told all the same
	clean(t, load.Stop())
	whole(t, r, deploy.Promoted)
	if f := r.Analysis[0].Figures; !strings.Contains(f[len(f)-1].Words, "failing is unknown: "+url) {
		t.Errorf("the receipt says %+v", f)
	}
}

// A web hook is asked about both revisions and compared by their ratio.
func TestWebhookIsAsked(t *testing.T) {
	t.Parallel()
	var canary atomic.Int64 // what the canary's figure is; stable's is 10
	canary.Store(12)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Service, Rollout, Revision, Version, Role string }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Service != "chat" || q.Revision == "" || q.Version == "" || r.Header.Get("X-Key") != "one" {
			t.Errorf("the question is %+v: %v", q, err)
		}
		value := int64(10)
		if q.Role == "canary" {
			value = canary.Load()
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"value": %d}`, value)
	}))
	t.Cleanup(hook.Close)
	const strategy = `{canary: {steps: [{weight: 40%, bake: 1s}, 100%], bake: 500ms}}`
	analysis := outside(fmt.Sprintf(`{name: orders, webhook: {url: %q, headers: {X-Key: one}}, max_ratio: 2, interval: 100ms}`, hook.URL), "pause")
	s := serving(t, "3.0", strategy, analysis)
	load := s.crowd(100)
	s.served(load, "3.0", 100)
	r := s.deploy(0, "chat", "3.1")
	whole(t, r, deploy.Promoted)
	if f := r.Analysis[0].Figures[1]; f.Canary == nil || f.Canary.Value != 12 || f.Stable == nil || f.Stable.Value != 10 || !strings.Contains(f.Words, "orders is 12 for r2 and 10 for r1; allowed is at most 2 times the old version's") {
		t.Errorf("the figure is %+v", f)
	}
	canary.Store(30)
	r = s.deploy(2, "chat", "3.2")
	clean(t, load.Stop())
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "orders is 30 for r3 and 10 for r2; allowed is at most 2 times the old version's, ", " answers in a row")
}

// A command that prints nothing has no data, which is no pass: the step rests until there is a number.
func TestCommandIsAsked(t *testing.T) {
	t.Parallel()
	const strategy = `{canary: {steps: [{weight: 40%, bake: 500ms}, 100%], bake: 200ms}}`
	s := serving(t, "3.0", strategy, outside(`{name: lag, command: [sh, -c, "cat lag-${REVISION} || true"], max: 10, interval: 100ms}`, "pause"))
	load := s.crowd(100)
	s.served(load, "3.0", 50)
	_, errs, status := s.said("deploy", "chat", "3.1")
	if status != 3 {
		t.Errorf("deploy: exit %d, want 3", status)
	}
	contains(t, "deploy says", errs, "too little evidence: lag has no data of r2")
	number := func(revision, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.dir, "lag-"+revision), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	number("r2", "7\n")
	s.must(0, "resume", "chat")
	s.rest("chat", "3.1", 2)
	number("r3", "11\n")
	r := s.deploy(2, "chat", "3.2")
	clean(t, load.Stop())
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "lag is 11 for r3; allowed is at most 10, ", " answers in a row") // three, or one more that came before the rollout heard
	number("r4", "many\n")
	s.refused([]string{"naru.yaml:21:", `services.chat.analysis.sources[0].command: `, `prints "many`, "which is not a number"}, "deploy", "chat", "3.3")
}
