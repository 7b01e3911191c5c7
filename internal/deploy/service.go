package deploy

import "strconv"

// Service is the settings of a service, in the form the file has them: the same names in YAML, in JSON and in
// the store. A revision holds a copy, so settings never change under a running instance.
type Service struct {
	Hosts     []string  `json:"hosts,omitempty" jsonschema_description:"Host names that this service answers. Empty: every host."`
	Path      string    `json:"path,omitempty" jsonschema_description:"Path prefix, matched at segment boundaries and not stripped." jsonschema:"default=/"`
	Port      Port      `json:"port,omitempty" jsonschema_description:"none: a worker without traffic. A number: the one port of 127.0.0.1 that the program always listens on (docker: is published at); it needs exclusive. Left out, naru chooses one for each instance."`
	Instances int       `json:"instances,omitempty" jsonschema_description:"How many instances run." jsonschema:"default=1,minimum=1,maximum=1000"`
	Exclusive bool      `json:"exclusive,omitempty" jsonschema_description:"The program cannot run twice: a new version is started when the old one has ended, and requests are held meanwhile. There is one instance, and no strategy."`
	Bake      *Duration `json:"bake,omitempty" jsonschema_description:"With exclusive: how long a new version is watched, 5s when left out. Without it the bake stands in the strategy."`

	Process *Process `json:"process,omitempty" jsonschema_description:"The program, run as a process on this machine. Exactly one of process and docker."`
	Docker  *Docker  `json:"docker,omitempty" jsonschema_description:"The program, run as containers of an image on this machine."`
	Health  Health   `json:"health,omitzero" jsonschema_description:"How an instance shows that it is ready. Default: tcp: true."`

	DrainTimeout Duration `json:"drain_timeout,omitempty" jsonschema_description:"How long requests and connections in flight may take to finish when an instance is retired." jsonschema:"default=30s"`
	StopTimeout  Duration `json:"stop_timeout,omitempty" jsonschema_description:"How long an instance may take to end after SIGTERM before it is killed." jsonschema:"default=10s"`
	HoldTimeout  Duration `json:"hold_timeout,omitempty" jsonschema_description:"How long a request waits for a healthy instance before it is answered 503." jsonschema:"default=10s"`
	Deadline     Duration `json:"deadline,omitempty" jsonschema_description:"How long starting, health and tasks of one step may take before the rollout goes back." jsonschema:"default=10m"`
	MaxOverload  float64  `json:"max_overload,omitempty" jsonschema_description:"During a rollout no instance gets more than this many times its share at full strength." jsonschema:"default=2,minimum=1"`
	Balance      string   `json:"balance,omitempty" jsonschema_description:"How an instance is chosen." jsonschema:"enum=least_request,enum=round_robin,enum=random,default=least_request"`

	Affinity Affinity `json:"affinity,omitzero" jsonschema_description:"The same user, the same revision (and, when sticky, the same instance)."`
	Retries  Retries  `json:"retries,omitzero" jsonschema_description:"Repeating requests that may be repeated."`
	Limits   Limits   `json:"limits,omitzero" jsonschema_description:"Bounds of one request."`
	Keep     Keep     `json:"keep,omitzero" jsonschema_description:"How long revisions are kept that can be rolled back to."`
	Strategy Strategy `json:"strategy,omitzero" jsonschema_description:"How a new version arrives: exactly one of rolling, blue_green, canary."`
	Analysis Analysis `json:"analysis,omitzero" jsonschema_description:"What the new version is measured by."`
}

// Worker reports whether the service takes no traffic at all.
func (s Service) Worker() bool { return s.Port == "none" }

// Port is the port of a service: empty where naru chooses one for each instance, "none" for a worker, or a number.
type Port string

// UnmarshalText takes what is written, a number too; what makes no sense is found by Validate.
func (p *Port) UnmarshalText(text []byte) error { *p = Port(text); return nil }

// Fixed is the one port that the program always listens on; 0: naru chooses.
func (p Port) Fixed() int {
	n, err := strconv.ParseUint(string(p), 10, 16)
	if err != nil || string(p) != strconv.FormatUint(n, 10) {
		return 0
	}
	return int(n)
}

// Process is a program that runs on this machine.
type Process struct {
	Command  []string            `json:"command" jsonschema_description:"Program and arguments. ${VERSION}, ${PORT}, ${REVISION}, ${INSTANCE} and ${ARTIFACT} are filled in per instance."`
	Dir      string              `json:"dir,omitempty" jsonschema_description:"Working directory." jsonschema:"default=."`
	Env      map[string]Variable `json:"env,omitempty" jsonschema_description:"Environment variables, added to those of the server: texts, or where naru serve finds the value at each start of an instance."`
	Artifact string              `json:"artifact,omitempty" jsonschema_description:"File or folder that is copied into the revision at deploy; ${ARTIFACT} names the copy."`
}

// Health is how an instance shows that it is ready: exactly one of HTTP, TCP, GRPC and Command.
type Health struct {
	HTTP         string   `json:"http,omitempty" jsonschema_description:"Path that answers 2xx or 3xx when the instance is ready."`
	TCP          bool     `json:"tcp,omitempty" jsonschema_description:"A connection that is accepted."`
	GRPC         *string  `json:"grpc,omitempty" jsonschema_description:"Name for grpc.health.v1.Health/Check; may be empty."`
	Command      []string `json:"command,omitempty" jsonschema_description:"A command that exits 0 when the instance is ready; run where the instance runs, so with docker in its container."`
	Interval     Duration `json:"interval,omitempty" jsonschema_description:"Time between two probes." jsonschema:"default=1s"`
	Timeout      Duration `json:"timeout,omitempty" jsonschema_description:"How long one probe may take." jsonschema:"default=1s"`
	StartTimeout Duration `json:"start_timeout,omitempty" jsonschema_description:"How long an instance may take until it is healthy for the first time." jsonschema:"default=30s"`
}

// Affinity keeps a user on one revision and, when sticky, on one instance.
type Affinity struct {
	By     string `json:"by,omitempty" jsonschema_description:"What names a user: cookie, client_ip, 'header NAME' or none." jsonschema:"default=none"`
	Sticky bool   `json:"sticky,omitempty" jsonschema_description:"Keep the user on one instance as well, also when no rollout is open."`
}

// Retries bounds the repeating of requests that failed before an answer began.
type Retries struct {
	Attempts *int   `json:"attempts,omitempty" jsonschema_description:"Further attempts per request; 0 turns retries off." jsonschema:"default=2,minimum=0,maximum=10"`
	Budget   *Share `json:"budget,omitempty" jsonschema_description:"Retries may be at most this share of the requests." jsonschema:"default=20%"`
}

// Limits bounds one request.
type Limits struct {
	Body            Size     `json:"body,omitempty" jsonschema_description:"Largest request body; 0: no limit." jsonschema:"default=0"`
	ResponseTimeout Duration `json:"response_timeout,omitempty" jsonschema_description:"How long an instance may take to begin its answer." jsonschema:"default=60s"`
}

// Strategy holds exactly one way to carry users over.
type Strategy struct {
	Rolling   *RollingOptions   `json:"rolling,omitempty" jsonschema_description:"Instances are replaced a few at a time."`
	BlueGreen *BlueGreenOptions `json:"blue_green,omitempty" jsonschema_description:"The new version is started beside the old one, tested, and swapped in at once."`
	Canary    *CanaryOptions    `json:"canary,omitempty" jsonschema_description:"A growing share of the users gets the new version."`
}

// RollingOptions says how many instances may be added and missing while they are replaced.
type RollingOptions struct {
	MaxSurge       *int      `json:"max_surge,omitempty" jsonschema_description:"Instances that may run above the wanted number." jsonschema:"default=1,minimum=0"`
	MaxUnavailable int       `json:"max_unavailable,omitempty" jsonschema_description:"Instances that may be missing from the wanted number." jsonschema:"default=0,minimum=0"`
	Bake           *Duration `json:"bake,omitempty" jsonschema_description:"How long each step is watched." jsonschema:"default=5s"`
}

// BlueGreenOptions says what green must pass before the swap and how long blue stays warm after it.
type BlueGreenOptions struct {
	Tests          [][]string `json:"tests,omitempty" jsonschema_description:"Commands run against the preview before the swap; NARU_PREVIEW_URL names it."`
	TestTimeout    Duration   `json:"test_timeout,omitempty" jsonschema_description:"How long one test may take." jsonschema:"default=5m"`
	LoadTest       *LoadTest  `json:"load_test,omitempty" jsonschema_description:"Open-loop load on the preview before the swap."`
	Preview        Preview    `json:"preview,omitzero" jsonschema_description:"A public name for green before the swap."`
	Bake           *Duration  `json:"bake,omitempty" jsonschema_description:"How long green is watched after the swap." jsonschema:"default=60s"`
	ScaleDownDelay Duration   `json:"scale_down_delay,omitempty" jsonschema_description:"How long blue stays warm after promotion." jsonschema:"default=0s"`
	Standby        string     `json:"standby,omitempty" jsonschema_description:"What becomes of blue afterwards: stop it, or update it to the new version and keep it warm." jsonschema:"enum=stop,enum=update,default=stop"`
	Approve        bool       `json:"approve,omitempty" jsonschema_description:"Wait for a person before the swap."`
}

// Preview makes a revision without traffic reachable for tests.
type Preview struct {
	Host string `json:"host,omitempty" jsonschema_description:"Host name that reaches green while the rollout is open."`
}

// LoadTest is an open-loop load on the preview: so many requests per second, whatever the answers do.
type LoadTest struct {
	Path     string   `json:"path,omitempty" jsonschema_description:"Path that is requested." jsonschema:"default=/"`
	Rate     int      `json:"rate" jsonschema_description:"Requests per second." jsonschema:"minimum=1,maximum=100000"`
	Duration Duration `json:"duration" jsonschema_description:"How long the load lasts."`
	P99      Duration `json:"p99,omitempty" jsonschema_description:"99 of 100 requests must be answered within this time."`
	Errors   *Share   `json:"errors,omitempty" jsonschema_description:"Largest share of failed requests." jsonschema:"default=0%"`
}

// CanaryOptions is the ladder of shares that the canary climbs.
type CanaryOptions struct {
	Steps       []CanaryStep `json:"steps" jsonschema_description:"Shares of the traffic; they may not go down and the last is 100%."`
	Bake        *Duration    `json:"bake,omitempty" jsonschema_description:"How long each step is watched." jsonschema:"default=30s"`
	TestTimeout Duration     `json:"test_timeout,omitempty" jsonschema_description:"How long one test may take." jsonschema:"default=5m"`
}

// CanaryStep is one share of the ladder. The file may write it as the share alone: "5%".
type CanaryStep struct {
	Weight    Share      `json:"weight" jsonschema_description:"Share of the traffic that goes to the canary."`
	Instances int        `json:"instances,omitempty" jsonschema_description:"Canary instances; default: as many as the share needs."`
	Match     []Match    `json:"match,omitempty" jsonschema_description:"Requests that always go to the canary from this step on."`
	Bake      *Duration  `json:"bake,omitempty" jsonschema_description:"How long this step is watched."`
	Approve   bool       `json:"approve,omitempty" jsonschema_description:"Wait for a person before the next step."`
	Tests     [][]string `json:"tests,omitempty" jsonschema_description:"Commands run against the preview before this share is given."`
}

// Match recognises requests by a header or a cookie. An empty Value: it is enough that it is there.
type Match struct {
	Header string `json:"header,omitempty" jsonschema_description:"Header name."`
	Cookie string `json:"cookie,omitempty" jsonschema_description:"Cookie name."`
	Value  string `json:"value,omitempty" jsonschema_description:"Exact value; empty: present is enough."`
}
