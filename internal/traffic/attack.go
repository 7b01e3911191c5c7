package traffic

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// attackTimeout is how long one request of an attack may take. A load test that
// waits longer than this for an answer has its verdict.
const attackTimeout = 10 * time.Second

// AttackResult is what a load test measured.
type AttackResult struct {
	Requests int
	Failed   int           // no answer within 10 s, a broken one, or a status outside 200 to 399
	P50, P99 time.Duration // of all requests, to the last byte of the answer
	Statuses map[int]int   // by status code; 0: no answer, or a broken one
	Errors   []string      // the different errors seen
}

// ErrorRate is the share of requests that failed, 0 to 1; 0 without a request.
func (a AttackResult) ErrorRate() float64 {
	if a.Requests == 0 {
		return 0
	}
	return float64(a.Failed) / float64(a.Requests)
}

// Attack sends GET requests for the path to the target ("http://127.0.0.1:9000")
// at the rate (per second) for the duration d, in an open loop, and waits for
// the answers. Redirects are answers and not followed. Unlike for users, a 4xx
// is a failure: a load test that asks for a page which is not there tests
// nothing.
//
// When ctx ends, the requests in flight are cut and the error is the context's;
// the result then holds what was measured until there.
func Attack(ctx context.Context, target, path string, rate int, d time.Duration) (AttackResult, error) {
	if rate < 1 || d <= 0 {
		return AttackResult{}, fmt.Errorf("load test of %s: a rate of %d/s for %v sends nothing; both must be positive", path, rate, d)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	transport := attackTransport(ctx)
	defer transport.CloseIdleConnections()

	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{Transport: transport, Timeout: attackTimeout}),
		vegeta.Redirects(vegeta.NoFollow),
		vegeta.MaxWorkers(defaultMaxInFlight),
		vegeta.MaxBody(0), // read to the end, but keep nothing
	)
	unhook := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer unhook()

	targeter := vegeta.NewStaticTargeter(vegeta.Target{
		Method: http.MethodGet,
		URL:    strings.TrimSuffix(target, "/") + path,
	})
	pace := vegeta.Rate{Freq: rate, Per: time.Second}
	var metrics vegeta.Metrics
	for result := range attacker.Attack(targeter, pace, d, "") {
		// What the cut at the end of ctx broke is not the target's fault.
		if ctx.Err() == nil {
			metrics.Add(result)
		}
	}
	metrics.Close()
	return resultOf(&metrics), ctx.Err()
}

// attackTransport makes connections that live no longer than ctx, so that an
// aborted rollout does not wait for the answers of a program that hangs.
func attackTransport(ctx context.Context) *http.Transport {
	var dialer net.Dialer
	return &http.Transport{
		MaxIdleConnsPerHost: defaultMaxInFlight,
		DialContext: func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(dialing, network, address)
			if err == nil {
				context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
	}
}

// resultOf takes from vegeta's many figures those that a gate asks for.
func resultOf(m *vegeta.Metrics) AttackResult {
	a := AttackResult{
		Requests: int(m.Requests),
		P50:      m.Latencies.P50,
		P99:      m.Latencies.P99,
		Statuses: make(map[int]int, len(m.StatusCodes)),
		Errors:   m.Errors,
	}
	for text, n := range m.StatusCodes {
		status, _ := strconv.Atoi(text) // vegeta wrote it with Itoa
		a.Statuses[status] = n
		if status < 200 || status > 399 {
			a.Failed += n
		}
	}
	return a
}
