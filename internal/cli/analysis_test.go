package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

// TestAnalysisIsShown shows what people see of the analysis while a rollout is judged and in its receipt.
func TestAnalysisIsShown(t *testing.T) {
	reading := func(revision string, value float64, requests uint64) *deploy.Reading {
		return &deploy.Reading{Revision: revision, Value: value, Requests: requests}
	}
	figures := []deploy.Figure{
		{Stream: "errors", Event: "failed", Unit: "%", Canary: reading("r3", 0.0993, 3020), Stable: reading("r2", 0.08, 57412), Evidence: .82, Limit: 200,
			Clearance: 3.1, Enough: 20, Margin: .5, Excluded: new(1.2), MoreRequests: new(uint64(1240)), MoreMinutes: new(2.2)},
		{Stream: "latency", Event: "slower than 12.1ms", Tail: "p50", Unit: "%", Canary: reading("r3", 50.12345, 3020), Stable: reading("r2", 50, 57412), Evidence: 37.4, Limit: 250,
			Clearance: 25, Enough: 20, Margin: 5, Excluded: new(5.)},
		{Stream: "latency", Event: "slower than 91ms", Tail: "p99", Unit: "%", Canary: reading("r3", 1.1, 3020), Stable: reading("r2", 1, 57412), Evidence: 37.4, Limit: 250,
			Clearance: 1, Enough: 20, Margin: 1},
		{Stream: "guardrail", Event: "failed", Unit: "%", Canary: reading("r3", 0.0993, 3020), Stable: reading("r2", 0.08, 57412), Bound: new(1.), Evidence: 2e7, Limit: 1000},
		{Stream: "queue", Canary: &deploy.Reading{Value: 12.345678}},
		{Stream: "orders"},
	}
	var out bytes.Buffer
	writeAnalysis(&out, "r2", "r3", nil)
	if out.Len() > 0 {
		t.Errorf("without figures: %s", &out)
	}
	writeAnalysis(&out, "r2", "r3", figures)
	writeJudgements(&out, nil, nil)
	writeJudgements(&out, []deploy.Judgement{
		{Step: "5%", Outcome: deploy.Pass, Reason: "0.10% of 3,020 requests to r3 and 0.08% of 57,412 to r2 failed, more than 0.5 points worse is excluded; nothing speaks against it: evidence 0.8 of 200"},
		{Step: "10%", Outcome: deploy.Inconclusive, Reason: "too few"},
		{Step: "100%", Outcome: deploy.Fail, Reason: "errors: 5.00% of 3,020 requests to r3 failed"},
	}, []string{"", "step 10% passed without enough evidence: too few"})
	writeFigures(&out, deploy.Receipt{From: "r2", To: "r3"})
	writeFigures(&out, deploy.Receipt{From: "r2", To: "r3", Analysis: []deploy.Judgement{{Step: "5%", Figures: figures[:3]}, {Step: "100%", Figures: figures[3:4]}}})
	golden(t, "analysis.txt", out.String())
	if got, want := evidenceOf(figures), "errors 0.8/200, latency 37/250, guardrail >1e6/1000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if n := len([]rune(line)); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
