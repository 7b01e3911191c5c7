package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Validate says everything that is wrong with a scenario, each with the path of the key in its JSON. It does not look at
// the settings of the service but for whether there is traffic to simulate.
func (s Scenario) Validate() []deploy.Problem {
	var f faults
	if s.Service.Worker() {
		f.add("", "%s is a worker: it has no requests, and nothing can be said of its users", s.Name)
	}
	f.within("rate", s.Rate, 0, 1e6, "requests per second")
	f.when(s.Errors >= 1, "errors", "%s leaves no request that succeeds", s.Errors)
	f.when(s.P50 < ms(1) || s.P50 > ms(60_000), "p50", "%s is not a usual latency: write 1ms to 1m", s.P50)
	f.when(s.P99 < s.P50 || s.P99 > ms(100_000), "p99", "%s must be at least p50 (%s) and at most 100s", s.P99, s.P50)
	f.when(s.FailIn > ms(100_000), "fail_in", "%s is longer than 100s", s.FailIn)
	f.when(s.Start > ms(3_600_000), "start", "%s is longer than an hour", s.Start)
	f.when(s.Warm > ms(3_600_000), "warm", "%s is longer than an hour", s.Warm)
	f.when(s.Limit < ms(1000) || s.Limit > ms(30*24*3_600_000), "limit", "%s is not between 1s and 30d", s.Limit)
	f.when(s.Seed < 0, "seed", "%d is less than zero", s.Seed)
	s.Drift.validate(&f)
	for i, incident := range s.Incidents {
		incident.validate(&f, fmt.Sprintf("incidents[%d]", i))
	}
	for i, r := range s.Regressions {
		r.validate(&f, fmt.Sprintf("regressions[%d]", i))
	}
	if o := s.Overload; o != nil {
		f.factor("overload.latency", o.Latency)
		f.when(o.Errors == 0 && o.Latency == 0, "overload", "does no harm: give it errors or latency")
	}
	s.Clients.validate(&f)
	return f
}

// faults collects what is wrong.
type faults []deploy.Problem

func (f *faults) add(path, format string, a ...any) {
	*f = append(*f, deploy.Problem{Path: path, Message: fmt.Sprintf(format, a...)})
}

func (f *faults) when(wrong bool, path, format string, a ...any) {
	if wrong {
		f.add(path, format, a...)
	}
}

func (f *faults) within(path string, v, low, high float64, what string) {
	f.when(math.IsNaN(v) || v < low || v > high, path, "%v is not between %v and %v %s", v, low, high, what)
}

// factor checks how many times as long something takes; 0 stands for nothing said.
func (f *faults) factor(path string, v float64) {
	if v != 0 {
		f.within(path, v, 0.1, 1000, "times as long")
	}
}

func (f *faults) oneOf(path, v string, known ...string) {
	f.when(v != "" && !slices.Contains(known, v), path, "%q is not one of %v", v, known)
}

func (d Drift) validate(f *faults) {
	f.oneOf("drift.shape", d.Shape, "wave", "walk")
	f.within("drift.errors", d.Errors, 0, 3, "")
	f.within("drift.latency", d.Latency, 0, 3, "")
	f.within("drift.rate", d.Rate, 0, 3, "")
	moves := d.Errors != 0 || d.Latency != 0 || d.Rate != 0
	f.when(moves && d.Period < ms(10_000), "drift.period", "%s is not slow: write 10s or more", d.Period)
}

func (i Incident) validate(f *faults, path string) {
	f.factor(path+".latency", i.Latency)
	f.oneOf(path+".on", i.On, "both", "stable", "canary")
	f.when(i.Errors == 0 && i.Latency == 0, path, "does no harm: give it errors or latency")
}

func (r Regression) validate(f *faults, path string) {
	f.factor(path+".latency", r.Latency)
	f.factor(path+".times", r.Times)
	f.oneOf(path+".part", r.Part, "all", "body", "tail")
	f.when(r.Part != "" && r.Latency == 0, path+".part", "is the part of the requests that latency is about, and there is no latency")
	f.when(r.Times != 0 && r.Slow == 0, path+".times", "is how much slower the slow ones are, and slow says that there are none")
	f.when(r.Errors == nil && r.Latency == 0 && r.Slow == 0 && r.Hang == 0, path, "changes nothing: give it errors, latency, slow or hang")
}

func (c Clients) validate(f *faults) {
	f.when(c.Retries < 0 || c.Retries > 100, "clients.retries", "%d is not between 0 and 100", c.Retries)
	f.when(c.Stuck < 0 || c.Stuck > 10_000, "clients.stuck", "%d is not between 0 and 10000", c.Stuck)
	f.when(c.Within.D() > 10*time.Minute, "clients.within", "%s is longer than 10m", c.Within)
	f.when(c.Every != 0 && c.Every.D() < tick || c.Every.D() > 10*time.Minute, "clients.every", "%s is not between %s and 10m", c.Every, deploy.Duration(tick))
	f.when(c.Patience != 0 && c.Patience.D() < tick, "clients.patience", "%s is less than %s", c.Patience, deploy.Duration(tick))
	f.oneOf("clients.charge", c.Charge, ChargeOnce, ChargeRevision, ChargeAll)
}
