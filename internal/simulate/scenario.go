package simulate

import (
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Scenario is a rollout to be played: the service, its users, and what is wrong with the new version. Begin with
// [Default] and change what matters.
type Scenario struct {
	Name    string         `json:"-"` // of the service
	Service deploy.Service `json:"-"` // its settings

	Rate   float64         `json:"rate"`              // requests per second to the whole service
	Errors Portion         `json:"errors"`            // of them, that fail on the old version
	P50    deploy.Duration `json:"p50"`               // half of the requests are answered within it; the latencies are log-normal
	P99    deploy.Duration `json:"p99"`               // 99 of 100 are
	FailIn deploy.Duration `json:"fail_in,omitempty"` // how long a request takes that fails; 0: as long as any other

	Start deploy.Duration `json:"start"` // how long an instance takes until it is healthy
	Warm  deploy.Duration `json:"warm"`  // how long the old version has been watched before the rollout begins
	Limit deploy.Duration `json:"limit"` // when the simulation ends in any case
	Seed  int             `json:"seed"`  // of the luck

	Drift       Drift        `json:"drift,omitzero"`
	Incidents   []Incident   `json:"incidents,omitempty"`
	Regressions []Regression `json:"regressions,omitempty"`
	Overload    *Overload    `json:"overload,omitempty"`
	Clients     Clients      `json:"clients,omitzero"`
}

// Drift is what changes slowly for both versions at once: the hours of a day, the load of neighbours.
type Drift struct {
	Shape   string          `json:"shape,omitempty"`   // wave (the default) or walk: up and down at random
	Period  deploy.Duration `json:"period,omitempty"`  // of the wave; of a walk, the time after which it has forgotten where it was
	Errors  float64         `json:"errors,omitempty"`  // 0.5: the error rate moves between 1/e^0.5 and e^0.5 times its mean
	Latency float64         `json:"latency,omitempty"` // likewise all latencies
	Rate    float64         `json:"rate,omitempty"`    // likewise the number of requests
}

// Incident is trouble that the new version has no part in.
type Incident struct {
	At      deploy.Duration `json:"at"`                // after the rollout has begun
	Lasts   deploy.Duration `json:"lasts"`             // 0: to the end
	Errors  Portion         `json:"errors,omitempty"`  // of all requests, that fail because of it
	Latency float64         `json:"latency,omitempty"` // how many times as long all requests take; 0: as before
	On      string          `json:"on,omitempty"`      // both (the default), stable or canary
}

// Regression is what is wrong with the new version. Several add up.
type Regression struct {
	After   deploy.Duration `json:"after,omitempty"`   // when it begins, after the first users have reached the new version
	Ramp    deploy.Duration `json:"ramp,omitempty"`    // how long it grows until it is as bad as it gets: a leak
	Errors  *Portion        `json:"errors,omitempty"`  // error rate, instead of that of the old version
	Latency float64         `json:"latency,omitempty"` // how many times as long requests take; 0: as before
	Part    string          `json:"part,omitempty"`    // of the requests: all (the default), tail (the slowest 5 %) or body (the fastest 90 %)
	Slow    Portion         `json:"slow,omitempty"`    // of the requests, that take Times as long
	Times   float64         `json:"times,omitempty"`   // 0: 10
	Hang    Portion         `json:"hang,omitempty"`    // of the requests, that are never answered
}

// Overload is a dependency that both versions share and that does not bear much of the new one.
type Overload struct {
	Share   Portion `json:"share"`             // of the traffic: what the new version may have without harm
	Errors  Portion `json:"errors,omitempty"`  // of all requests, that fail beyond it
	Latency float64 `json:"latency,omitempty"` // how many times as long all requests take beyond it; 0: as before
}

// Clients says how those behave whose requests fail. Without any of it every request comes from somebody else.
type Clients struct {
	Retries  int             `json:"retries,omitempty"`  // how often a client tries again
	Within   deploy.Duration `json:"within,omitempty"`   // in which time it does all of that; 0: 3 s
	Again    *Portion        `json:"again,omitempty"`    // of the repeated requests, that fail too; nil: all of them
	Patience deploy.Duration `json:"patience,omitempty"` // after which they give an unanswered request up; 0: never
	Stuck    int             `json:"stuck,omitempty"`    // clients whose every request fails, on either version
	Every    deploy.Duration `json:"every,omitempty"`    // time between two requests of such a client; 0: 2 s
	Sticky   bool            `json:"sticky,omitempty"`   // a client stays with its version (affinity)
	Charge   string          `json:"charge,omitempty"`   // what is counted of a client's failures in 10 s: once (the default), once per revision, or all
}

// What is counted of one client's failures in ten seconds. Only the first is what naru's proxy does; the others show why.
const (
	ChargeOnce     = "once"
	ChargeRevision = "revision"
	ChargeAll      = "all"
)

// Default is a service of five instances and a usual canary, 1,000 requests per second of which 1 in 1,000 fails, and a
// new version that is as good as the old one.
func Default() Scenario {
	return Scenario{Name: "web", Service: Usual(), Rate: 1000, Errors: 0.001, P50: ms(20), P99: ms(60),
		Start: ms(2000), Warm: deploy.Duration(5 * time.Minute), Limit: deploy.Duration(2 * time.Hour), Seed: 1}
}

// Usual is the service of [Default]: a canary in six steps, each watched for 30 s.
func Usual() deploy.Service {
	return Canary(5, 30*time.Second, 500, 1000, 2500, 5000, 7500, deploy.Whole)
}

// Canary is a service with these steps and this bake time, and defaults in everything else.
func Canary(instances int, bake time.Duration, steps ...deploy.Share) deploy.Service {
	o := &deploy.CanaryOptions{Bake: new(deploy.Duration(bake))}
	for _, weight := range steps {
		o.Steps = append(o.Steps, deploy.CanaryStep{Weight: weight})
	}
	return deploy.Service{Instances: instances, Strategy: deploy.Strategy{Canary: o}}.Normalise()
}

func ms(n int) deploy.Duration { return deploy.Duration(n) * deploy.Duration(time.Millisecond) }
