package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"

	"github.com/naru-deploy/naru/internal/deploy"
)

// shopMetrics is an endpoint with a figure for each instance of two revisions.
func shopMetrics(t *testing.T) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	orders := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "orders_failed", Help: "Share of failed orders."}, []string{"revision", "version", "slot"})
	registry.MustRegister(orders)
	orders.WithLabelValues("r6", "3.0", "1").Set(0.125)
	orders.WithLabelValues("r6", "3.0", "2").Set(0.25)
	orders.WithLabelValues("r6", "3.0", "3").Set(0.5)
	orders.WithLabelValues("r7", "3.1", "1").Set(0.75)
	return serve(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP)
}

// startPrometheus runs the real server on a free port until the test ends, or stop is called, and waits until it has
// scraped the endpoint.
func startPrometheus(t *testing.T, endpoint string) (url string, stop func()) {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus in PATH to ask (Debian: apt-get install prometheus)")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs: [{job_name: shop, static_configs: [{targets: [%q]}]}]\n", strings.TrimPrefix(endpoint, "http://"))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &listening{at: make(chan string, 1)}
	cmd := exec.Command(program, "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address=127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill() // it has nothing to keep
			<-ended
		}
	}
	t.Cleanup(stop)
	select {
	case at := <-log.at:
		url = "http://" + at
	case err := <-ended:
		stopped = true
		t.Fatalf("prometheus has ended: %v\n%s", err, log.text.String())
	case <-time.After(time.Minute):
		t.Fatal("prometheus does not listen")
	}
	until(t, "prometheus has scraped the endpoint", func() bool {
		return ask(t, promQL(url, "count(orders_failed) == 4"), Options{}, newVersion).Known
	})
	return url, stop
}

// listening finds the address in the log of a server that has chosen its port by itself.
type listening struct {
	at   chan string
	text bytes.Buffer
}

var listensOn = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

func (l *listening) Write(b []byte) (int, error) {
	l.text.Write(b)
	if m := listensOn.FindSubmatch(l.text.Bytes()); m != nil {
		select {
		case l.at <- string(m[1]):
		default:
		}
	}
	return len(b), nil
}

func promQL(url, query string) deploy.Source {
	return deploy.Source{Prometheus: &deploy.PrometheusQuery{URL: url, Query: query}, Max: new(1.0)}
}

func TestPrometheus(t *testing.T) {
	url, stop := startPrometheus(t, shopMetrics(t))
	quoted := newVersion
	quoted.Version = `3"}`
	cases := []struct {
		name, query string
		q           Question
		want        answer
	}{
		{"one series", `orders_failed{revision="${REVISION}"}`, newVersion, number(0.75)},
		{"by version and service", `orders_failed{version="${VERSION}",job="${SERVICE}"}`, newVersion, number(0.75)},
		{"aggregated", `sum(orders_failed{revision="${REVISION}"})`, oldVersion, number(0.875)},
		{"a scalar", `1 + 1`, newVersion, number(2)},
		{"no series", `orders_failed{revision="r99"}`, newVersion, noData},
		{"no such metric", `sum(nothing)`, newVersion, noData},
		{"0/0", `orders_failed{revision="r7"} * 0 / 0`, newVersion, noData},
		{"1/0", `1 / 0`, newVersion, noData},
		{"several series", `orders_failed{revision="${REVISION}"}`, oldVersion, failing(`the query yields 3 series (orders_failed{instance="`)},
		{"several series in order", `sum by (slot) (orders_failed)`, oldVersion, failing(`yields 3 series ({slot="1"}, {slot="2"}, …): aggregate them, as sum(…) does`)},
		{"two series", `sum by (revision) (orders_failed)`, oldVersion, failing(`yields 2 series ({revision="r6"}, {revision="r7"}): aggregate`)},
		{"a range", `orders_failed{revision="r7"}[1m]`, newVersion, failing("the query yields a range of values for each series: put it into a function such as rate(…)")},
		{"a text", `"hello"`, newVersion, failing(`the query yields no number: unexpected value type "string"`)},
		{"not PromQL", "sum(\n", newVersion, failing(`the query "sum(" is refused by the server: invalid parameter "query": `)},
		{"cannot be evaluated", `orders_failed * on(job) orders_failed`, newVersion, failing(`is refused by the server: `)},
		{"a version that would end a string", `orders_failed{version="${VERSION}"}`, quoted, failing(`the version "3\"}" holds a quote`)},
		{"a version that does not matter", `orders_failed{revision="${REVISION}"}`, quoted, number(0.75)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.want.check(t, ask(t, promQL(url, c.query), Options{}, c.q))
		})
	}
	t.Run("with a path and a slash", func(t *testing.T) {
		number(2).check(t, ask(t, promQL(url+"/", "2"), Options{}, newVersion))
	})
	t.Run("at deploy time", func(t *testing.T) {
		checkPrometheus(t, url)
		stop()
		failing(url+" does not answer: dial tcp ").check(t, ask(t, promQL(url, "1"), Options{}, newVersion))
		expect(t, []deploy.Source{promQL(url, "1")}, "analysis.sources[0].prometheus.url: "+url+" does not answer: dial tcp "+strings.TrimPrefix(url, "http://")+": connect: connection refused; start it, or set required: false")
		optional := promQL(url, "1")
		optional.Required = new(false)
		expect(t, []deploy.Source{optional})
	})
}

// checkPrometheus: the order of the problems is that of the sources, and a wrong query is one also where nobody needs it.
func checkPrometheus(t *testing.T, url string) {
	t.Helper()
	optional := promQL(url, `orders_failed{revision="${REVISION}"}`) // one series of the canary, three of stable
	optional.Required = new(false)
	expect(t, []deploy.Source{promQL(url, "sum("), promQL(url, `sum(orders_failed{revision="r99"})`), optional, promQL(url, `orders_failed[1m]`)},
		`analysis.sources[0].prometheus.query: "sum(" is refused by the server: `,
		`analysis.sources[2].prometheus.query: yields 3 series (orders_failed{instance="`,
		`analysis.sources[3].prometheus.query: yields a range of values`)
}

// TestNotPrometheus: what answers at the address of a Prometheus may be anything.
func TestNotPrometheus(t *testing.T) {
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	const two = `{"status":"success","data":{"resultType":"scalar","result":[1700000000,"2"]}}`
	cases := []struct {
		name    string
		handler http.HandlerFunc
		want    answer
	}{
		{"password", func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user == "me" && password == "s3cret" {
				_, _ = io.WriteString(w, two)
			}
		}, number(2)},
		{"a page", text(200, "<html>\n<h1>hello</h1>"), failing("does not answer")},
		{"nothing", text(200, ""), failing("does not answer")},
		{"another object", text(200, "{}"), failing("does not answer")},
		{"not found", text(404, "no\nsuch\tpage"), failing("does not answer as Prometheus does: client error: 404 no such page")},
		{"not ready", text(503, "Service Unavailable"), failing("does not answer as Prometheus does: server error: 503 Service Unavailable")},
		{"another method", text(405, ""), failing("does not answer as Prometheus does: client error: 405")},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, failing("302")},
		{"too much", text(200, `{"status":"success","data":{"resultType":"vector","result":[`+strings.Repeat(" ", maxAnswer)+`]}}`), failing("the query yields more than 1048576 bytes")},
		{"too much of an error", text(500, strings.Repeat("no ", 1000)), failing("…")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url := strings.Replace(serve(t, c.handler), "http://", "http://me:s3cret@", 1)
			got := ask(t, promQL(url, "1"), Options{}, newVersion)
			c.want.check(t, got)
			if len(got.Err) > 400 {
				t.Errorf("an error of %d bytes", len(got.Err))
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		failing("does not answer: dial tcp").check(t, ask(t, promQL("http://me:s3cret@"+closedPort(t), "1"), Options{}, newVersion))
	})
	t.Run("never", func(t *testing.T) {
		s := promQL(strings.Replace(serve(t, silence), "http://", "http://me:s3cret@", 1), "1")
		s.Timeout = deploy.Duration(50 * time.Millisecond)
		failing("has not answered within 50ms").check(t, ask(t, s, Options{}, newVersion))
	})
	t.Run("no URL", func(t *testing.T) {
		_, err := New(settings(promQL("http://me:s3cret@a.test/%zz", "1")), Options{})
		if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "%zz") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the asker gives up", func(t *testing.T) {
		a, err := New(settings(promQL(serve(t, silence), "1")), Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		failing("context canceled").check(t, a.Ask(ctx, newVersion))
	})
}

// TestHistogramsAreNoNumbers: a server of our test's age does not have native histograms without being asked to.
func TestHistogramsAreNoNumbers(t *testing.T) {
	_, err := single(model.Vector{{Histogram: &model.SampleHistogram{}}})
	if err == nil || !strings.Contains(err.Error(), "histogram_quantile") {
		t.Errorf("got %v", err)
	}
}
