package proxy

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBounds are the buckets of naru_request_duration_seconds, in seconds.
// Each is read off the logarithmic bucket it falls into, so its count is that of
// a bound at most 2.5 % away.
var latencyBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// collector turns the meters of a router into Prometheus metrics.
type collector struct {
	router *Router

	requests, duration, inFlight, retries, holds, held, failed, aborted *prometheus.Desc
}

// NewCollector makes a collector of what r measures of users' requests; previews
// are left out. Every metric has the labels service and revision; a request that
// reached no instance has revision "".
func NewCollector(r *Router) prometheus.Collector {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("naru_"+name, help, append([]string{"service", "revision"}, more...), nil)
	}
	return &collector{
		router:   r,
		requests: desc("requests_total", "Requests by class of their final status.", "code"),
		duration: desc("request_duration_seconds", "Time to the last byte of the response, for long-lived ones to the head."),
		inFlight: desc("in_flight", "Requests being served now."),
		retries:  desc("retries_total", "Requests that were sent more than once."),
		holds:    desc("holds_total", "Requests that waited for an instance."),
		failed:   desc("failed_total", "Failures that users saw, by who made them: naru or app.", "by"),
		aborted:  desc("aborted_total", "Requests whose client went away."),
		held:     prometheus.NewDesc("naru_held", "Requests waiting for an instance now.", []string{"service"}, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.requests, c.duration, c.inFlight, c.retries, c.holds, c.failed, c.aborted, c.held} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.router.State().Services {
		out <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, float64(s.Held), s.Service)
		for revision, n := range s.inFlight() {
			out <- prometheus.MustNewConstMetric(c.inFlight, prometheus.GaugeValue, float64(n), s.Service, revision)
		}
		for revision, m := range s.users() {
			c.collectMeter(out, s.Service, revision, m)
		}
	}
}

func (c *collector) collectMeter(out chan<- prometheus.Metric, service, revision string, m *Meter) {
	count := func(d *prometheus.Desc, n uint64, more ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{service, revision}, more...)...)
	}
	for class := 1; class < len(m.Classes); class++ {
		count(c.requests, m.Classes[class], strconv.Itoa(class)+"xx")
	}
	count(c.retries, m.Retried)
	count(c.holds, m.Held)
	count(c.aborted, m.Aborted)
	count(c.failed, m.ByNaru, "naru")
	count(c.failed, m.ByApp, "app")

	total := m.Latency.Count()
	below := make(map[float64]uint64, len(latencyBounds))
	for _, bound := range latencyBounds {
		below[bound] = total - m.Latency.CountAbove(time.Duration(bound*float64(time.Second)))
	}
	out <- prometheus.MustNewConstHistogram(c.duration, total, m.Latency.Sum().Seconds(), below, service, revision)
}

// inFlight sums the requests in flight by revision.
func (s ServiceState) inFlight() map[string]int {
	sums := map[string]int{}
	for _, b := range s.Backends {
		sums[b.Revision] += b.InFlight
	}
	return sums
}

// users adds up the meters of every revision, but for previews.
func (s ServiceState) users() map[string]*Meter {
	sums := map[string]*Meter{}
	for _, m := range s.Meters {
		if m.Assignment == forPreview.String() {
			continue
		}
		if sums[m.Revision] == nil {
			sums[m.Revision] = &Meter{Revision: m.Revision}
		}
		sums[m.Revision].add(m)
	}
	return sums
}

// add adds what the collector reads of another meter.
func (m *Meter) add(other Meter) {
	for i, n := range other.Classes {
		m.Classes[i] += n
	}
	m.Retried += other.Retried
	m.Held += other.Held
	m.Aborted += other.Aborted
	m.ByNaru += other.ByNaru
	m.ByApp += other.ByApp
	m.Latency.Merge(other.Latency)
}
