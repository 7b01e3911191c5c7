package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/naru-deploy/naru/internal/deploy"
)

const (
	prometheusURL   = "prometheus.url"
	prometheusQuery = "prometheus.query"
)

// instantQuery is evaluated at the server's present moment; the server's clock, not ours, dates its samples.
type instantQuery struct {
	api   v1.API
	who   string
	query string
}

func newPrometheus(q deploy.PrometheusQuery) (kind, error) {
	u, err := address(prometheusURL, q.URL)
	if err != nil {
		return nil, err
	}
	c, err := api.NewClient(api.Config{Address: q.URL, Client: newClient()})
	if err != nil { // it has been parsed above
		return nil, &fault{part: prometheusURL, wrong: true, who: "the address", text: "cannot be used"}
	}
	return instantQuery{v1.NewAPI(c), origin(u), q.Query}, nil
}

func (p instantQuery) ask(ctx context.Context, q Question) (*float64, error) {
	if strings.Contains(p.query, "${VERSION}") && strings.ContainsAny(q.Version, "\"'`\\") {
		return nil, unfit("cannot be asked: the version %q holds a quote, which would end a string of PromQL", q.Version)
	}
	value, _, _, err := p.api.Query(ctx, q.fill(p.query), time.Time{})
	if err != nil {
		return nil, p.explain(err)
	}
	switch v := value.(type) {
	case *model.Scalar:
		return new(float64(v.Value)), nil
	case model.Vector:
		return single(v)
	case model.Matrix:
		return nil, unfit("yields a range of values for each series: put it into a function such as rate(…), or leave the [range] out")
	}
	return nil, &fault{part: prometheusURL, who: p.who, text: "does not answer as Prometheus does: there is no result"}
}

// unfit is a query that is answered and does not fit the question.
func unfit(format string, a ...any) *fault {
	return &fault{part: prometheusQuery, wrong: true, who: "the query", text: fmt.Sprintf(format, a...)}
}

// single takes the number out of a vector of one. Choosing one of several would be a guess.
func single(v model.Vector) (*float64, error) {
	switch {
	case len(v) == 0:
		return nil, nil
	case len(v) > 1:
		var series []string
		for _, sample := range v {
			series = append(series, line(sample.Metric.String()))
		}
		slices.Sort(series) // the server has no order
		more := ""
		if len(series) > 2 {
			series, more = series[:2], ", …"
		}
		return nil, unfit("yields %d series (%s%s): aggregate them, as sum(…) does, or choose one by its labels", len(v), strings.Join(series, ", "), more)
	case v[0].Histogram != nil:
		return nil, unfit("yields a histogram and not a number: put it into histogram_quantile(0.99, …)")
	}
	return new(float64(v[0].Value)), nil
}

// explain tells a wrong query from a server that cannot answer now.
func (p instantQuery) explain(err error) *fault {
	var answered *v1.Error
	switch {
	case tooLong(err):
		return unfit("yields more than %d bytes: aggregate it to one series, as sum(…) does", maxAnswer)
	case !errors.As(err, &answered):
		return unanswered(prometheusURL, p.who, err)
	case answered.Type == v1.ErrBadData, answered.Type == v1.ErrExec:
		return unfit("%q is refused by the server: %s", line(p.query), line(answered.Msg))
	case strings.Contains(answered.Msg, "unexpected value type"): // the client knows no strings
		return unfit("yields no number: %s", line(answered.Msg))
	}
	return &fault{part: prometheusURL, who: p.who, text: "does not answer as Prometheus does: " + line(answered.Msg+" "+answered.Detail)}
}
