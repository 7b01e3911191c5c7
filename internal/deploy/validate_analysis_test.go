package deploy_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// asked is a source without fault, for tests to break.
func asked() deploy.Source {
	return deploy.Source{Name: "orders", Command: []string{"./orders.sh"}, Max: new(0.1)}
}

// TestValidateAnalysis breaks one thing at a time; want is "path: part of the message" of the only problem, or empty.
func TestValidateAnalysis(t *testing.T) {
	type A = deploy.Analysis
	ms := func(n int) deploy.Duration { return deploy.Duration(time.Duration(n) * time.Millisecond) }
	cases := []struct {
		name, want string
		breaks     func(*A)
	}{
		{"nothing", "", func(*A) {}},
		{"alpha 0%", "analysis.alpha: 0%: must be more than 0%", func(a *A) { a.Alpha = new(deploy.Share(0)) }},
		{"alpha above half", "analysis.alpha: 50.01%: must be more than 0% (no evidence rules out chance altogether) and at most 50%", func(a *A) { a.Alpha = new(deploy.Whole/2 + 1) }},
		{"alpha of half", "", func(a *A) { a.Alpha = new(deploy.Whole / 2) }},
		{"alpha of nothing", "analysis.alpha: proportional: must be", func(a *A) { a.Alpha = new(deploy.Proportional) }},
		{"no margin of errors", "analysis.margins.errors: no number of requests can show that nothing at all is worse; the smallest is 0.01%", func(a *A) { a.Margins.Errors = new(deploy.Share(0)) }},
		{"smallest margin of errors", "", func(a *A) { a.Margins.Errors = new(deploy.Share(1)) }},
		{"margin of errors", "analysis.margins.errors: must be a percentage", func(a *A) { a.Margins.Errors = new(deploy.Proportional) }},
		{"no margin of latency", "", func(a *A) { a.Margins.Latency = new(deploy.Share(0)) }},
		{"margin of latency", "analysis.margins.latency: must be a percentage from 0% to 100%", func(a *A) { a.Margins.Latency = new(deploy.Whole + 1) }},
		{"one stream", "", func(a *A) { a.Streams = []string{"guardrail"} }},
		{"unknown stream", `analysis.streams[1]: "errrors" is not known here: write one of errors, latency, guardrail`, func(a *A) { a.Streams = []string{"latency", "errrors"} }},
		{"stream twice", `analysis.streams[2]: "errors" stands here twice`, func(a *A) { a.Streams = []string{"errors", "latency", "errors"} }},
		{"no stream", "analysis.streams: no stream is left", func(a *A) { a.Streams = []string{} }},
		{"hang deadline", "", func(a *A) { a.HangDeadline = deploy.Duration(time.Minute) }},
		{"hang deadline that is not reached", "analysis.hang_deadline: 1m0.001s is never reached: a request without the beginning of an answer ends after limits.response_timeout, 1m",
			func(a *A) { a.HangDeadline = ms(60_001) }},
		{"negative hang deadline", "analysis.hang_deadline: must not be negative", func(a *A) { a.HangDeadline = -1 }},
		{"objective beyond all", "analysis.objectives.errors: must be a percentage", func(a *A) { a.Objectives.Errors = new(deploy.Whole + 1) }},
		{"objective of no error", "analysis.objectives.errors: no traffic can meet 0%", func(a *A) { a.Objectives.Errors = new(deploy.Share(0)) }},
		{"objective of any error", "analysis.objectives.errors: no traffic can break 100%", func(a *A) { a.Objectives.Errors = new(deploy.Whole) }},
		{"p99 too fine", "analysis.objectives.p99: 99µs cannot be measured: latencies are told apart from 100µs to 1m40s", func(a *A) { a.Objectives.P99 = ms(100)/1000 - 1000 }},
		{"finest p99", "", func(a *A) { a.Objectives.P99 = ms(1) / 10 }},
		{"p99 too long", "analysis.objectives.p99: 1m40.001s cannot be measured", func(a *A) { a.Objectives.P99 = ms(100_001) }},
		{"negative p99", "analysis.objectives.p99: -1ms cannot be measured", func(a *A) { a.Objectives.P99 = ms(-1) }},
		{"on_insufficient", `analysis.on_insufficient: "hope"`, func(a *A) { a.OnInsufficient = "hope" }},
		{"the same source twice", `analysis.sources[1].name: "orders" stands here twice`, func(a *A) { a.Sources = []deploy.Source{asked(), asked()} }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.breaks(&s.Analysis)
			expect(t, s.Normalise().Validate(), c.want)
		})
	}
}

// TestValidateSources does the same to one source; want is seen from the source.
func TestValidateSources(t *testing.T) {
	type S = deploy.Source
	prometheus := func(url, query string) func(*S) {
		return func(s *S) { s.Command, s.Prometheus = nil, &deploy.PrometheusQuery{URL: url, Query: query} }
	}
	webhook := func(url string, headers map[string]string) func(*S) {
		return func(s *S) { s.Command, s.Webhook = nil, &deploy.Webhook{URL: url, Headers: headers} }
	}
	const local = "http://127.0.0.1:9090"
	cases := []struct {
		name, want string
		breaks     func(*S)
	}{
		{"nothing", "", func(*S) {}},
		{"no name", "name: is missing", func(s *S) { s.Name = " " }},
		{"name of a stream", `name: "latency" is the name of a stream`, func(s *S) { s.Name = "latency" }},
		{"name of two lines", `name: "a\nb": a name is one line`, func(s *S) { s.Name = "a\nb" }},
		{"long name", `name: "` + strings.Repeat("한", 60) + `": a name is one line of at most 60`, func(s *S) { s.Name = strings.Repeat("한", 61) }},
		{"name in another script", "", func(s *S) { s.Name = strings.Repeat("한", 60) }},
		{"no kind", ": 0 kinds of source", func(s *S) { s.Command = nil }},
		{"two kinds", ": 2 kinds of source", func(s *S) { s.Webhook = &deploy.Webhook{URL: local} }},
		{"empty command", "command: the command is empty", func(s *S) { s.Command = []string{} }},
		{"NUL in the command", "command[1]: holds a NUL", func(s *S) { s.Command = []string{"a", "\x00"} }},
		{"variable of a shell", "", func(s *S) { s.Command = []string{"sh", "-c", "echo ${HOME}"} }},
		{"no bound", ": has no bound", func(s *S) { s.Max = nil }},
		{"max NaN", "max: NaN is not a bound", func(s *S) { s.Max = new(math.NaN()) }},
		{"min without end", "min: -Inf is not a bound", func(s *S) { s.Min = new(math.Inf(-1)) }},
		{"min above max", "min: 0.2 is more than max, 0.1", func(s *S) { s.Min = new(0.2) }},
		{"min is max", "", func(s *S) { s.Min = new(0.1) }},
		{"ratio of nothing", "max_ratio: 0: a ratio must be more than 0", func(s *S) { s.MaxRatio = new(0.0) }},
		{"negative ratio", "min_ratio: -1: a ratio must be", func(s *S) { s.MinRatio = new(-1.0) }},
		{"ratios the wrong way round", "min_ratio: 1.2 is more than max_ratio, 0.8", func(s *S) { s.MinRatio, s.MaxRatio = new(1.2), new(0.8) }},
		{"ratio alone", "", func(s *S) { s.Max, s.MaxRatio = nil, new(1.2) }},
		{"negative interval", "interval: must be more than 0", func(s *S) { s.Interval = -1 }},
		{"long timeout", "timeout: 8784h is longer than a year", func(s *S) { s.Timeout = 366 * day }},
		{"breaches", "breaches: -1: must be at least 1", func(s *S) { s.Breaches = -1 }},

		{"query", "", prometheus(local, `sum(rate(x{service="${SERVICE}",revision="${REVISION}",version="${VERSION}"}[1m]))`)},
		{"no URL", "prometheus.url: is missing: write an address such as http://127.0.0.1:9090", prometheus("", "up")},
		{"no scheme", "prometheus.url: must begin with http:// or https://", prometheus("127.0.0.1:9090", "up")},
		{"another scheme", "prometheus.url: must begin with http:// or https://", prometheus("ftp://a.test", "up")},
		{"no host", "prometheus.url: names no host after https://", prometheus("https:///x", "up")},
		{"only a port", "prometheus.url: names no host after http://", prometheus("http://:9090", "up")},
		{"only a user", "prometheus.url: names no host after http://", prometheus("http://u:p@/x", "up")},
		{"space in the URL", "prometheus.url: holds a space", prometheus("http://a.test/ x", "up")},
		{"part after #", "prometheus.url: has a part after #", prometheus("http://a.test/#graph", "up")},
		{"placeholder in the URL", "prometheus.url: ${…} is not filled in here", prometheus("http://${SERVICE}.test", "up")},
		{"user and path", "", prometheus("https://u:p@[::1]:9090/prometheus/?tenant=a", "up")},
		{"no query", "prometheus.query: is missing", prometheus(local, " \n")},
		{"placeholder of an instance", "prometheus.query: uses ${INSTANCE}, which is not known here: ${SERVICE}, ${REVISION} and ${VERSION} are filled in", prometheus(local, `up{instance="${INSTANCE}"}`)},
		{"placeholder without end", "prometheus.query: uses ${", prometheus(local, `up{a="${"}`)},

		{"web hook", "", webhook(local+"/figure", map[string]string{"Authorization": "Bearer x"})},
		{"web hook without host", "webhook.url: names no host", webhook("http://", nil)},
		{"header name", `webhook.headers.a b: "a b" is no name of a header`, webhook(local, map[string]string{"a b": "x"})},
		{"header of naru", "webhook.headers.Content-Type: Content-Type is set by naru", webhook(local, map[string]string{"Content-Type": "x"})},
		{"header twice", "webhook.headers.x-a: x-a is the same header as X-A", webhook(local, map[string]string{"X-A": "1", "x-a": "2"})},
		{"header of two lines", "webhook.headers.X-A: holds a line break", webhook(local, map[string]string{"X-A": "1\r\nX-B: 2"})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, source := sound(), asked()
			c.breaks(&source)
			s.Analysis.Sources = []deploy.Source{source}
			want := c.want
			switch {
			case strings.HasPrefix(want, ":"):
				want = "analysis.sources[0]" + want
			case want != "":
				want = "analysis.sources[0]." + want
			}
			expect(t, s.Normalise().Validate(), want)
		})
	}
}

// TestProblemsKeepSecrets: a URL may hold a password, and a header a token.
func TestProblemsKeepSecrets(t *testing.T) {
	for _, url := range []string{"http://me:s3cret@", "s3cret", "http://s3cret@a.test/#x", "http://a.test/ s3cret"} {
		s, source := sound(), asked()
		source.Command, source.Webhook = nil, &deploy.Webhook{URL: url, Headers: map[string]string{"Authorization": "s3cret\n"}}
		s.Analysis.Sources = []deploy.Source{source}
		problems := s.Normalise().Validate()
		if len(problems) != 2 {
			t.Errorf("%s: want a problem of the URL and one of the header, got %v", url, problems)
		}
		for _, p := range problems {
			if strings.Contains(p.Message, "s3cret") {
				t.Errorf("%s: the secret stands in the message: %s", url, p.Message)
			}
		}
	}
}

func TestValidateWorkersSources(t *testing.T) {
	s := sound()
	s.Port, s.Analysis.Sources = "none", []deploy.Source{asked()}
	expect(t, s.Normalise().Validate(), "analysis.sources: a worker (port: none) is not analysed")
}

func TestAnalysisWarnings(t *testing.T) {
	type A = deploy.Analysis
	cases := []struct {
		name, want string
		breaks     func(*A)
	}{
		{"nothing", "", func(a *A) { a.Sources = []deploy.Source{asked()} }},
		{"sources that are not asked", "analysis.sources: are not asked", func(a *A) { a.Enabled, a.Sources = new(false), []deploy.Source{asked()} }},
		{"objectives without guardrail", "analysis.objectives: are not used", func(a *A) {
			a.Streams, a.Objectives.P99 = []string{"errors", "latency"}, deploy.Duration(time.Second)
		}},
		{"no guardrail", "", func(a *A) { a.Streams = []string{"errors", "latency"} }},
		{"p99 beyond the response timeout", "analysis.objectives.p99: 1m1s is longer than limits.response_timeout, 1m", func(a *A) { a.Objectives.P99 = deploy.Duration(61 * time.Second) }},
		{"p99 at the response timeout", "", func(a *A) { a.Objectives.P99 = deploy.Duration(time.Minute) }},
		{"margin between two steps", "analysis.margins.latency: 3% is rounded to a multiple of 2.5%", func(a *A) { a.Margins.Latency = new(deploy.Share(300)) }},
		{"margin of two steps", "", func(a *A) { a.Margins.Latency = new(deploy.Share(500)) }},
		{"answers slower than questions", "analysis.sources[0].timeout: an answer may take longer (5s) than the time between two questions (2s)", func(a *A) {
			slow := asked()
			slow.Interval = deploy.Duration(2 * time.Second)
			a.Sources = []deploy.Source{slow}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.breaks(&s.Analysis)
			s = s.Normalise()
			expect(t, s.Validate(), "")
			expect(t, s.Warnings(), c.want)
		})
	}
}
