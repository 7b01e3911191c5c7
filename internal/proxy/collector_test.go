package proxy

import (
	"strings"
	"testing"
	"time"
)

func TestMetrics(t *testing.T) {
	r := New(Options{})
	c, _ := serve(t, r, socketPath(t))
	route := chat(backendsOf("r1", 2)...)
	route.Preview = &Preview{Revision: "r1"}
	apply(t, r, 1, route)
	end := func(v Visitor, o Outcome) {
		x := begin(t, r, v)
		acquire(t, x)
		x.began = time.Now().Add(-30 * time.Millisecond)
		x.Done(o)
	}
	for range 3 {
		end(get(), Outcome{Status: 200})
	}
	end(get(), Outcome{Status: 404})
	end(get(), Outcome{Status: 500})
	end(get(), Outcome{Status: 502, Answered: ByNaru})
	end(get(), Outcome{Aborted: true})
	preview := get()
	preview.Preview = "chat"
	end(preview, Outcome{Status: 200})
	open := begin(t, r, get())
	acquire(t, open)
	defer open.Done(Outcome{Status: 200})

	text, err := c.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`naru_requests_total{code="2xx",revision="r1",service="chat"} 3`,
		`naru_requests_total{code="4xx",revision="r1",service="chat"} 1`,
		`naru_requests_total{code="5xx",revision="r1",service="chat"} 2`,
		`naru_request_duration_seconds_bucket{revision="r1",service="chat",le="0.025"} 0`,
		`naru_request_duration_seconds_bucket{revision="r1",service="chat",le="30"} 6`,
		`naru_request_duration_seconds_count{revision="r1",service="chat"} 6`,
		`naru_in_flight{revision="r1",service="chat"} 1`,
		`naru_retries_total{revision="r1",service="chat"} 0`,
		`naru_holds_total{revision="r1",service="chat"} 0`,
		`naru_aborted_total{revision="r1",service="chat"} 1`,
		`naru_failed_total{by="app",revision="r1",service="chat"} 1`,
		`naru_failed_total{by="naru",revision="r1",service="chat"} 1`,
		`naru_held{service="chat"} 0`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}
