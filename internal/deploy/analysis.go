package deploy

// Analysis is what the new version is measured by while it takes traffic. Every value has a default that nobody needs to
// touch.
type Analysis struct {
	Enabled        *bool      `json:"enabled,omitempty" jsonschema_description:"Judge the new version on its own traffic." jsonschema:"default=true"`
	Objectives     Objectives `json:"objectives,omitzero" jsonschema_description:"What the service promises."`
	Alpha          *Share     `json:"alpha,omitempty" jsonschema_description:"How probable it may be that a rollout of a harmless version is rolled back by chance, over the whole rollout." jsonschema:"default=1%"`
	Margins        Margins    `json:"margins,omitzero" jsonschema_description:"How much worse counts as no worse."`
	Streams        []string   `json:"streams,omitempty" jsonschema_description:"What may roll a version back: errors and latency compare it with the old one, guardrail holds it against the objectives." jsonschema:"enum=errors,enum=latency,enum=guardrail,default=all of them"`
	HangDeadline   Duration   `json:"hang_deadline,omitempty" jsonschema_description:"A request without the beginning of an answer counts as failed from this age on. Default: three times what 999 of 1000 requests to the old version take, at least 5s and at most response_timeout; until that is known, half of response_timeout."`
	Sources        []Source   `json:"sources,omitempty" jsonschema_description:"Figures from elsewhere that the new version must keep."`
	OnInsufficient string     `json:"on_insufficient,omitempty" jsonschema_description:"What happens when the evidence does not suffice after three bake times." jsonschema:"enum=promote,enum=pause,enum=rollback,default=promote"`
}

// On reports whether the analysis is enabled; it is unless the file says otherwise.
func (a Analysis) On() bool { return a.Enabled == nil || *a.Enabled }

// The streams of the analysis.
const (
	StreamErrors    = "errors"
	StreamLatency   = "latency"
	StreamGuardrail = "guardrail"
)

// Streams lists all of them, in the order in which people read them.
var Streams = []string{StreamErrors, StreamLatency, StreamGuardrail}

// Objectives are bounds that a revision must keep.
type Objectives struct {
	Errors *Share   `json:"errors,omitempty" jsonschema_description:"Largest share of failed requests." jsonschema:"default=1%"`
	P99    Duration `json:"p99,omitempty" jsonschema_description:"99 of 100 requests are answered within this time; 0: no bound."`
}

// Margins say how much worse a version may be without being held up or rolled back.
type Margins struct {
	// Errors is the harm budget: of all requests of the service, at most this share more may fail because of the next
	// step. Going to 10 % of the traffic the canary may thus be worse by ten times as much, going to 100 % by just it.
	Errors *Share `json:"errors,omitempty" jsonschema_description:"Of all requests, how many more may fail because of the next step: a promotion waits until more is excluded." jsonschema:"default=0.05%"`
	// Latency is a shift of the whole distribution; it is rounded to steps of 2.5 %.
	Latency *Share `json:"latency,omitempty" jsonschema_description:"How much slower the new version may be, in steps of 2.5%." jsonschema:"default=2.5%"`
}

// Source is a figure that somebody else measures: exactly one of Prometheus, Webhook and Command, and at least one bound.
// Its answer is a number or no data; no data, an error and a timeout are unknown, never a pass.
type Source struct {
	Name       string           `json:"name" jsonschema_description:"Name in status and receipt."`
	Prometheus *PrometheusQuery `json:"prometheus,omitempty" jsonschema_description:"A query to a Prometheus server that yields one number."`
	Webhook    *Webhook         `json:"webhook,omitempty" jsonschema_description:"A URL that is asked by POST and answers {\"value\": 0.12}, or {\"value\": null} for no data."`
	Command    []string         `json:"command,omitempty" jsonschema_description:"A command that prints one number, or nothing for no data."`
	Max        *float64         `json:"max,omitempty" jsonschema_description:"The new version's number may not be greater."`
	Min        *float64         `json:"min,omitempty" jsonschema_description:"The new version's number may not be smaller."`
	MaxRatio   *float64         `json:"max_ratio,omitempty" jsonschema_description:"The new version's number divided by the old one's may not be greater; the source is asked for both."`
	MinRatio   *float64         `json:"min_ratio,omitempty" jsonschema_description:"The new version's number divided by the old one's may not be smaller; the source is asked for both."`
	Interval   Duration         `json:"interval,omitempty" jsonschema_description:"Time between two questions." jsonschema:"default=10s"`
	Timeout    Duration         `json:"timeout,omitempty" jsonschema_description:"How long an answer may take." jsonschema:"default=5s"`
	Breaches   int              `json:"breaches,omitempty" jsonschema_description:"So many answers in a row beyond a bound roll the version back." jsonschema:"default=3,minimum=1"`
	Required   *bool            `json:"required,omitempty" jsonschema_description:"Whether the source must answer when a deploy begins, and before a step passes." jsonschema:"default=true"`
}

// Needed reports whether the source must have answered; it must unless the file says otherwise.
func (s Source) Needed() bool { return s.Required == nil || *s.Required }

// Compares reports whether the source is asked for stable as well.
func (s Source) Compares() bool { return s.MaxRatio != nil || s.MinRatio != nil }

// PrometheusQuery is one instant query. ${SERVICE}, ${REVISION} and ${VERSION} are those of the revision that is asked for.
type PrometheusQuery struct {
	URL   string `json:"url" jsonschema_description:"Address of the server, such as http://127.0.0.1:9090."`
	Query string `json:"query" jsonschema_description:"PromQL that yields a scalar or one series; ${SERVICE}, ${REVISION} and ${VERSION} are filled in."`
}

// Webhook is asked with {"service","rollout","revision","version","role"} as JSON.
type Webhook struct {
	URL     string            `json:"url" jsonschema_description:"Where the question is posted."`
	Headers map[string]string `json:"headers,omitempty" jsonschema_description:"Further request headers."`
}
