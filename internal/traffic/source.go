package traffic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"strings"
)

// keptBody is how much of an answer's body is kept, in bytes.
const keptBody = 64 << 10

// idlePerSource bounds the idle connections of one source. It is far above what
// a source has in flight, so that a connection is closed only by the other side.
const idlePerSource = 1024

// source is one client address with its connections, and with its cookies when
// it plays a user.
type source struct {
	address string
	pooled  *http.Client // keeps its connections
	fresh   *http.Client // a new connection for every request
}

// newSources makes n sources for a target such as "http://127.0.0.1:8080". Only
// a target on this machine sees them under different addresses.
func newSources(target string, n int, cookies bool) []*source {
	sources := make([]*source, n)
	for i := range sources {
		sources[i] = newSource(target, i, cookies)
	}
	return sources
}

func newSource(target string, i int, cookies bool) *source {
	var dialer net.Dialer
	address := "this host"
	if onLoopback(target) {
		ip := sourceIP(i)
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
		address = ip.String()
	}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConnsPerHost: idlePerSource,
		DisableCompression:  true, // what is counted is what was sent
	}
	once := transport.Clone()
	once.DisableKeepAlives = true

	var jar http.CookieJar
	if cookies {
		// New fails for no options at all.
		jar, _ = cookiejar.New(nil)
	}
	return &source{
		address: address,
		pooled:  &http.Client{Transport: transport, Jar: jar, CheckRedirect: stay},
		fresh:   &http.Client{Transport: once, Jar: jar, CheckRedirect: stay},
	}
}

// stay follows no redirect: one request has one answer.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// onLoopback reports whether the target is on 127.0.0.0/8, the only network
// where any number of local addresses is there for the taking.
func onLoopback(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip.To4() != nil && ip.IsLoopback()
}

// sourceIP is the i-th address: 127.1.0.1, 127.1.0.2, and so on. It leaves
// 127.0.0.0/16 alone, where servers listen, and the last bytes 0 and 255.
func sourceIP(i int) net.IP {
	last, rest := i%254, i/254
	return net.IPv4(127, byte(1+rest/256%254), byte(rest%256), byte(1+last))
}

// close gives up the idle connections.
func (s *source) close() {
	s.pooled.CloseIdleConnections()
	s.fresh.CloseIdleConnections()
}

// exchange is what the wire showed of one request.
type exchange struct {
	answer      Answer
	connections int // new connections made for it
	attempts    int // connections it was tried on
}

// send sends one request and reads its answer to the end. With an error the
// answer is not whole; its status tells how far it came (0: no head at all).
func (s *source) send(ctx context.Context, target, host string, r Request, fresh bool) (exchange, error) {
	var x exchange
	// The client library repeats some requests by itself when a kept
	// connection turns out to be dead. The trace makes that visible.
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			x.attempts++
			if !info.Reused {
				x.connections++
			}
		},
	})
	request, err := s.build(ctx, target, host, r)
	if err != nil {
		return x, err
	}
	client := s.pooled
	if fresh {
		client = s.fresh
	}
	response, err := client.Do(request)
	if err != nil {
		return x, err
	}
	defer response.Body.Close()
	x.answer = Answer{Status: response.StatusCode, Header: response.Header}
	x.answer.Body, err = readWhole(response.Body)
	return x, err
}

// build turns the description into a request for the wire.
func (s *source) build(ctx context.Context, target, host string, r Request) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	if r.Chunked && body != nil {
		body = io.MultiReader(body) // hides the size from net/http
	}
	request, err := http.NewRequestWithContext(ctx, r.method(), strings.TrimSuffix(target, "/")+r.Path, body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	for name, values := range r.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host != "" {
		request.Host = host
	}
	return request, nil
}

// readWhole reads to the end and keeps the beginning.
func readWhole(body io.Reader) ([]byte, error) {
	kept, err := io.ReadAll(io.LimitReader(body, keptBody))
	if err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("answer cut off after its head: %w", err)
	}
	return kept, err
}
