package deploy

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What the latency histograms of the proxy can tell apart.
const (
	finestLatency   = Duration(100 * time.Microsecond)
	coarsestLatency = Duration(100 * time.Second)
	latencyStep     = 25 * Whole / 1000
)

// validateAnalysis finds what no traffic could ever show, besides what is written wrongly.
func (s Service) validateAnalysis(p *problems) {
	const at = "analysis"
	a := s.Analysis
	if s.Worker() {
		a.validateWorker(p)
	}
	a.Objectives.validate(p)
	if a.Alpha != nil && (*a.Alpha <= 0 || *a.Alpha > Whole/2) {
		p.add(at+".alpha", "%s: must be more than 0%% (no evidence rules out chance altogether) and at most 50%%; 1%% is usual", *a.Alpha)
	}
	a.Margins.validate(p)
	a.validateStreams(p)
	p.bounded(at+".hang_deadline", a.HangDeadline)
	if limit := s.Limits.ResponseTimeout; a.HangDeadline > limit && limit > 0 {
		p.add(at+".hang_deadline", "%s is never reached: a request without the beginning of an answer ends after limits.response_timeout, %s", a.HangDeadline, limit)
	}
	for i, source := range a.Sources {
		path := fmt.Sprintf("%s.sources[%d]", at, i)
		source.validate(p, path)
		if source.Name != "" && slices.IndexFunc(a.Sources, func(other Source) bool { return other.Name == source.Name }) < i {
			p.add(path+".name", "%q stands here twice: status and receipt could not tell them apart", source.Name)
		}
	}
	p.oneOf(at+".on_insufficient", a.OnInsufficient, "promote", "pause", "rollback")
}

func (a Analysis) validateWorker(p *problems) {
	if a.On() {
		p.add("analysis.enabled", "a worker (port: none) answers no requests, so there is nothing to analyse; remove it")
	}
	if len(a.Sources) > 0 {
		p.add("analysis.sources", "a worker (port: none) is not analysed, so nobody would ask them; remove them")
	}
}

func (o Objectives) validate(p *problems) {
	const at = "analysis.objectives"
	p.share(at+".errors", o.Errors)
	if o.Errors != nil {
		switch *o.Errors {
		case 0:
			p.add(at+".errors", "no traffic can meet 0%%: the first failed request, whoever is to blame, would break it; the smallest is 0.01%%")
		case Whole:
			p.add(at+".errors", "no traffic can break 100%%; to do without an objective leave guardrail out of analysis.streams")
		}
	}
	if o.P99 != 0 && (o.P99 < finestLatency || o.P99 > coarsestLatency) {
		p.add(at+".p99", "%s cannot be measured: latencies are told apart from %s to %s", o.P99, finestLatency, coarsestLatency)
	}
}

func (m Margins) validate(p *problems) {
	p.share("analysis.margins.errors", m.Errors)
	if m.Errors != nil && *m.Errors == 0 {
		p.add("analysis.margins.errors", "no number of requests can show that nothing at all is worse; the smallest is 0.01%%")
	}
	p.share("analysis.margins.latency", m.Latency)
}

func (a Analysis) validateStreams(p *problems) {
	const at = "analysis.streams"
	if len(a.Streams) == 0 {
		p.add(at, "no stream is left: name at least one of %s; to judge by nothing at all write enabled: false", strings.Join(Streams, ", "))
	}
	for i, stream := range a.Streams {
		path := fmt.Sprintf("%s[%d]", at, i)
		p.oneOf(path, stream, Streams...)
		if slices.Index(a.Streams, stream) < i {
			p.add(path, "%q stands here twice", stream)
		}
	}
}

func (s Source) validate(p *problems, at string) {
	switch plain := !strings.ContainsFunc(s.Name, unicode.IsControl); {
	case strings.TrimSpace(s.Name) == "":
		p.add(at+".name", "is missing: status and receipt show the source by it")
	case slices.Contains(Streams, s.Name):
		p.add(at+".name", "%q is the name of a stream; choose another one", s.Name)
	case !plain || utf8.RuneCountInString(s.Name) > 60 || strings.TrimSpace(s.Name) != s.Name:
		p.add(at+".name", "%.60q: a name is one line of at most 60 characters, without spaces around it", s.Name)
	}
	s.validateKind(p, at)
	s.validateBounds(p, at)
	p.positive(at+".interval", s.Interval)
	p.positive(at+".timeout", s.Timeout)
	if s.Breaches < 1 {
		p.add(at+".breaches", "%d: must be at least 1", s.Breaches)
	}
}

// validateKind wants one way to ask.
func (s Source) validateKind(p *problems, at string) {
	kinds := 0
	if q := s.Prometheus; q != nil {
		kinds++
		p.address(at+".prometheus.url", q.URL, "http://127.0.0.1:9090")
		p.query(at+".prometheus.query", q.Query)
	}
	if w := s.Webhook; w != nil {
		kinds++
		p.address(at+".webhook.url", w.URL, "http://127.0.0.1:8000/figure")
		w.validateHeaders(p, at+".webhook.headers")
	}
	if s.Command != nil {
		kinds++
		p.command(at+".command", s.Command)
	}
	if kinds != 1 {
		p.add(at, "%d kinds of source are given: write exactly one of prometheus, webhook and command", kinds)
	}
}

func (s Source) validateBounds(p *problems, at string) {
	bounds := 0
	check := func(key string, bound *float64, ratio bool) {
		switch {
		case bound == nil:
			return
		case math.IsNaN(*bound) || math.IsInf(*bound, 0):
			p.add(at+"."+key, "%v is not a bound: write a number", *bound)
		case ratio && *bound <= 0:
			p.add(at+"."+key, "%v: a ratio must be more than 0; 1.2 is a fifth more than the old version has", *bound)
		}
		bounds++
	}
	check("max", s.Max, false)
	check("min", s.Min, false)
	check("max_ratio", s.MaxRatio, true)
	check("min_ratio", s.MinRatio, true)
	if bounds == 0 {
		p.add(at, "has no bound, so nothing would follow from it: write max, min, max_ratio or min_ratio")
	}
	if s.Min != nil && s.Max != nil && *s.Min > *s.Max {
		p.add(at+".min", "%v is more than max, %v: no number would do", *s.Min, *s.Max)
	}
	if s.MinRatio != nil && s.MaxRatio != nil && *s.MinRatio > *s.MaxRatio {
		p.add(at+".min_ratio", "%v is more than max_ratio, %v: no number would do", *s.MinRatio, *s.MaxRatio)
	}
}

// address wants a URL to send requests to. What it says never repeats the URL, which may hold a password.
func (p *problems) address(path, url, example string) {
	scheme, host, _ := strings.Cut(url, "://")
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host = host[:end]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	switch {
	case url == "":
		p.add(path, "is missing: write an address such as %s", example)
	case strings.Contains(url, "${"):
		p.add(path, "${…} is not filled in here: write the address out")
	case scheme != "http" && scheme != "https":
		p.add(path, "must begin with http:// or https://, as in %s", example)
	case strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		p.add(path, "holds a space or another character that no URL may hold")
	case host == "" || host[0] == ':':
		p.add(path, "names no host after %s://", scheme)
	case strings.Contains(url, "#"):
		p.add(path, "has a part after #, which is never sent; remove it")
	}
}

// query wants PromQL in which every ${…} is filled in: PromQL itself has no use for it.
func (p *problems) query(path, query string) {
	if strings.TrimSpace(query) == "" {
		p.add(path, "is missing: write PromQL that yields one number, such as sum(rate(orders_failed_total{revision=\"${REVISION}\"}[1m]))")
		return
	}
	rest := query
	for _, name := range []string{"${SERVICE}", "${REVISION}", "${VERSION}"} {
		rest = strings.ReplaceAll(rest, name, "")
	}
	if _, after, found := strings.Cut(rest, "${"); found {
		name, _, _ := strings.Cut(after, "}")
		p.add(path, "uses ${%.40s}, which is not known here: ${SERVICE}, ${REVISION} and ${VERSION} are filled in", name)
	}
}

// setByNaru are headers that belong to the request and not to the user.
var setByNaru = []string{"connection", "content-length", "content-type", "host", "transfer-encoding"}

func (w Webhook) validateHeaders(p *problems, at string) {
	seen := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		path, plain := at+"."+name, strings.ToLower(name)
		switch {
		case !fieldName.MatchString(name):
			p.add(path, "%q is no name of a header", name)
		case slices.Contains(setByNaru, plain):
			p.add(path, "%s is set by naru; remove it", name)
		case seen[plain] != "":
			p.add(path, "%s is the same header as %s", name, seen[plain])
		case strings.ContainsFunc(w.Headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			p.add(path, "holds a line break or another character that no header may hold")
		case len(References(w.Headers[name])) > 0:
			p.add(path, "${env:…} is not filled in here: ask by a command, which has the environment of naru serve")
		}
		seen[plain] = name
	}
}
