package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// probeAgent is the User-Agent of probes, so that an application can leave them
// out of its own statistics.
const probeAgent = "naru-probe"

// maxProbeBody is how much of an answer a probe reads, in bytes.
const maxProbeBody = 4 << 10

// prober speaks the protocols of health checks. Every probe makes a connection
// of its own, because what matters is whether the next request would get one.
type prober struct {
	dialer net.Dialer
	plain  http.Client
	h2c    http.Client // HTTP/2 without TLS, as gRPC servers speak it
}

func newProber() *prober {
	p := &prober{}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.plain = http.Client{CheckRedirect: stay, Transport: &http.Transport{
		DialContext: p.dialer.DialContext, DisableKeepAlives: true, DisableCompression: true,
	}}
	h2c := new(http.Protocols)
	h2c.SetUnencryptedHTTP2(true)
	p.h2c = http.Client{CheckRedirect: stay, Transport: &http.Transport{
		DialContext: p.dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, Protocols: h2c,
	}}
	return p
}

func (p *prober) tcp(ctx context.Context, spec *BackendSpec) error {
	c, err := p.dialer.DialContext(ctx, "tcp", spec.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	// What accepts may only stand in for the program: Docker's own proxy takes a connection for a container in which nobody
	// listens yet, and then drops it.
	wait := dropped
	if end, bounded := ctx.Deadline(); bounded {
		wait = min(wait, time.Until(end)/2)
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	if _, err := c.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the connection was accepted and dropped at once: %w", err)
	}
	return nil
}

// dropped is how long a connection must last that was accepted.
const dropped = 100 * time.Millisecond

func (p *prober) http(ctx context.Context, spec *BackendSpec) error {
	path := spec.Health.Path
	if path == "" {
		path = "/"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+spec.Address+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", probeAgent)
	res, err := p.plain.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	// An instance that breaks off its own health answer is not healthy.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxProbeBody)); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 399 {
		return fmt.Errorf("GET %s answered %s", path, res.Status)
	}
	return nil
}

// grpc calls grpc.health.v1.Health/Check. Request and answer are two protobuf
// messages with one field each, so that no gRPC library is needed.
func (p *prober) grpc(ctx context.Context, spec *BackendSpec) error {
	const method = "/grpc.health.v1.Health/Check"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+spec.Address+method, bytes.NewReader(healthRequest(spec.Health.Service)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	req.Header.Set("User-Agent", probeAgent)
	res, err := p.h2c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProbeBody))
	if err != nil {
		return fmt.Errorf("grpc health check: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("grpc health check answered HTTP %s", res.Status)
	}
	// An error without a message puts its status into the headers.
	status, text := res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message")
	if status == "" {
		status, text = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	if status != "0" {
		return fmt.Errorf("grpc health check answered status %q %s", status, text)
	}
	return healthResponse(body)
}

// healthRequest frames a HealthCheckRequest: field 1, the service's name.
func healthRequest(service string) []byte {
	var msg []byte
	if service != "" {
		msg = append(msg, 1<<3|2) // field 1, length-delimited
		msg = binary.AppendUvarint(msg, uint64(len(service)))
		msg = append(msg, service...)
	}
	frame := []byte{0} // not compressed
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(msg)))
	return append(frame, msg...)
}

// serving is grpc.health.v1.HealthCheckResponse.SERVING.
const serving = 1

// healthResponse reads a framed HealthCheckResponse: field 1, the status.
func healthResponse(frame []byte) error {
	if len(frame) < 5 || frame[0] != 0 || uint64(binary.BigEndian.Uint32(frame[1:])) != uint64(len(frame)-5) {
		return errors.New("grpc health check answered no well-formed message")
	}
	msg := frame[5:]
	status := uint64(0) // UNKNOWN, which protobuf does not write
	if len(msg) > 0 {
		v, n := binary.Uvarint(msg[1:])
		if msg[0] != 1<<3 || n <= 0 { // field 1, varint
			return errors.New("grpc health check answered an unknown message")
		}
		status = v
	}
	if status != serving {
		return fmt.Errorf("grpc health check answered %s", healthName(status))
	}
	return nil
}

func healthName(status uint64) string {
	switch status {
	case 0:
		return "UNKNOWN"
	case 2:
		return "NOT_SERVING"
	case 3:
		return "SERVICE_UNKNOWN"
	}
	return fmt.Sprintf("status %d", status)
}
