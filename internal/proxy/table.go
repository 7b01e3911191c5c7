package proxy

import "time"

// fullShare is all of the randomly assigned traffic, in 1/10000.
const fullShare = 10_000

// Table is everything the data plane routes by. It is immutable once applied
// and is swapped whole.
type Table struct {
	// Version orders tables: one that is older than the current is refused.
	Version uint64  `json:"version"`
	Routes  []Route `json:"routes"`
}

// Route leads the requests of one service to its revisions. A service has
// exactly one route.
type Route struct {
	Service string `json:"service"`
	// Version is the service's own routing version; it is reported back in
	// [ServiceState] and means nothing to the router.
	Version uint64 `json:"version"`
	// Hosts are exact names or "*.example.com" (one label or more in place of
	// the star). Empty: every host. A named host beats a wildcard, and any of
	// the two beats a route for every host.
	Hosts []string `json:"hosts,omitempty"`
	// Path is a prefix that matches at segment boundaries: "/api" matches /api
	// and /api/x but not /apix. The longest wins. It is not stripped. Empty is "/".
	Path string `json:"path,omitempty"`
	// Groups has one entry per revision that may receive requests.
	Groups []Group `json:"groups,omitempty"`
	// Proportional gives every revision the share that its healthy enabled
	// backends have of all such; Group.Share is then ignored.
	Proportional bool `json:"proportional,omitempty"`
	// Stable is the revision that takes what others cannot; Canary is empty
	// when no rollout is open.
	Stable string `json:"stable,omitempty"`
	Canary string `json:"canary,omitempty"`
	// Full is the number of backends of stable at full strength. With
	// MaxOverload > 0 no backend is given more than MaxOverload/Full of the
	// randomly assigned traffic. MaxOverload 0 or Full 0: no cap.
	Full        int     `json:"full,omitempty"`
	MaxOverload float64 `json:"max_overload,omitempty"`

	Backends []BackendSpec `json:"backends,omitempty"`
	// Hold keeps all requests but previews waiting, for at most HoldTimeout.
	Hold bool `json:"hold,omitempty"`
	// HoldTimeout is the longest that a request waits for an instance. 0: it
	// does not wait.
	HoldTimeout time.Duration `json:"hold_timeout,omitempty"`
	// DrainTimeout bounds long-lived connections to a backend that was closed
	// without a DrainBy.
	DrainTimeout time.Duration `json:"drain_timeout,omitempty"`
	// Hang is how long an instance may keep a request without a response head
	// before [Meter] decides it as failed, while Canary is open. The request
	// itself goes on. 0: for ever.
	Hang time.Duration `json:"hang,omitempty"`
	// Abandon is how long an instance may keep a request without a response head
	// before [Meter] decides it as failed when its client goes away, while Canary
	// is open: clients may be less patient than Hang. 0: such a request is never decided.
	Abandon  time.Duration `json:"abandon,omitempty"`
	Affinity Affinity      `json:"affinity,omitzero"`
	// Rollout salts the user hash, so that other users go first in the next
	// rollout. Empty at rest.
	Rollout string  `json:"rollout,omitempty"`
	Retries Retries `json:"retries,omitzero"`
	Limits  Limits  `json:"limits,omitzero"`
	// Balance is least_request (default: of two random instances the one with
	// fewer requests), round_robin or random.
	Balance string   `json:"balance,omitempty"`
	Preview *Preview `json:"preview,omitempty"`
}

// Group is a revision's part in the traffic.
type Group struct {
	Revision string `json:"revision"`
	// Share is in 1/10000 of the randomly assigned requests.
	Share int `json:"share,omitempty"`
	// Match sends every request that fits one of the rules here.
	Match []Match `json:"match,omitempty"`
}

// Match is a rule on one header or one cookie.
type Match struct {
	Header string `json:"header,omitempty"`
	Cookie string `json:"cookie,omitempty"`
	// Value is compared exactly. Empty: any value that is not empty.
	Value string `json:"value,omitempty"`
}

// BackendSpec is what the table says of one instance. ID and Address together
// are its identity: an instance restarted on another port is a new backend.
type BackendSpec struct {
	ID       string `json:"id"`
	Revision string `json:"revision"`
	Address  string `json:"address"` // host:port
	Enabled  bool   `json:"enabled"`
	// DrainBy is when long-lived connections to a disabled backend must be
	// gone. Zero: DrainTimeout of the route after it was disabled.
	DrainBy time.Time  `json:"drain_by,omitzero"`
	Health  HealthSpec `json:"health"`
	// Ready is what the controller says of a backend whose Health.Kind is
	// external. nil: not known yet.
	Ready *bool `json:"ready,omitempty"`
}

// Kinds of health checks, for HealthSpec.Kind.
const (
	HealthHTTP     = "http"
	HealthTCP      = "tcp"
	HealthGRPC     = "grpc"
	HealthExternal = "external"
)

// HealthSpec says how a backend proves that it is healthy.
type HealthSpec struct {
	Kind string `json:"kind"`
	// Path is asked for by GET when Kind is http; 2xx and 3xx are healthy.
	Path string `json:"path,omitempty"`
	// Service is asked for when Kind is grpc; empty is the server as a whole.
	Service  string        `json:"service,omitempty"`
	Interval time.Duration `json:"interval,omitempty"` // default 1s
	Timeout  time.Duration `json:"timeout,omitempty"`  // default 1s
}

// Ways to know a user again, for Affinity.By.
const (
	ByCookie   = "cookie"
	ByClientIP = "client_ip"
	ByHeader   = "header"
)

// Affinity keeps a user on one revision, and with Sticky on one instance.
type Affinity struct {
	By     string `json:"by,omitempty"`     // "": every request is assigned at random
	Header string `json:"header,omitempty"` // with By header
	Sticky bool   `json:"sticky,omitempty"`
}

// Retries bounds the further tries of failed attempts.
type Retries struct {
	// Attempts is the number of further tries of one request. 0: 2; negative: none.
	Attempts int `json:"attempts,omitempty"`
	// Budget is the share of a service's requests that may be repeated,
	// measured over 10 s, with a floor of 10 retries. 0: 0.2; negative: only the floor.
	Budget float64 `json:"budget,omitempty"`
}

// Limits are enforced by the engine.
type Limits struct {
	Body            int64         `json:"body,omitempty"`             // bytes of a request body; 0: no limit
	ResponseTimeout time.Duration `json:"response_timeout,omitempty"` // to the response head; 0: none
}

// Preview makes a revision reachable before it gets any user's traffic.
type Preview struct {
	Revision string   `json:"revision"`
	Hosts    []string `json:"hosts,omitempty"`
	// Listen asks the engine for a loopback listener, see [Router.Previews].
	Listen bool `json:"listen,omitempty"`
}
