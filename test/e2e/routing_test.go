package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// site is a service of the chat program at a host and path.
func site(name, host, path string) string {
	return fmt.Sprintf(`  %s:
    hosts: [%s]
    path: %s
    process: {command: [./chat, --version, "${VERSION}"]}
    health: {http: /healthz, interval: 200ms}
    drain_timeout: 3s
    stop_timeout: 3s
    strategy: {rolling: {bake: 100ms}}
    analysis: {enabled: false}
`, name, host, path)
}

// Services share the addresses by host and longest path prefix, come and go one by one, and do not touch each other.
func TestServicesByHostAndPath(t *testing.T) {
	t.Parallel()
	s := start(t, site("www", "example.com", "/")+site("api", "example.com", "/api")+site("late", "late.example.com", "/"))
	route := func(host, path string, status int, version string) {
		t.Helper()
		if got, by := s.get(host, path); got != status || by != version {
			t.Errorf("%s%s: %d by %q, want %d by %q", host, path, got, by, status, version)
		}
	}
	route("example.com", "/version", 503, "")
	route("late.example.com", "/version", 503, "")
	route("nobody.example.com", "/version", 404, "")
	s.deploy(0, "www", "1.0")
	route("example.com", "/version", 200, "1.0")
	route("example.com", "/api/echo", 503, "")
	s.deploy(0, "api", "2.0")
	s.deploy(0, "late", "3.0-late-1s")
	route("EXAMPLE.com:8080", "/version", 200, "1.0")
	route("example.com", "/api/echo", 200, "2.0")
	route("example.com", "/apis", 404, "1.0") // at segment boundaries: this one is the other's

	load := s.users(100, "example.com", "/version", "/api/echo?text=a")
	answer := make(chan string, 1)
	go func() { // a second in the works while its service is removed
		status, version := s.get("late.example.com", "/version")
		answer <- fmt.Sprint(status, " ", version)
	}()
	s.until(10*time.Second, "it is in flight", func() error {
		for _, i := range s.status("late").Instances {
			if i.InFlight > 0 {
				return nil
			}
		}
		return errors.New("it is not")
	})
	contains(t, "remove says", s.must(0, "remove", "late"), "late is removed")
	if a := <-answer; a != "200 3.0-late-1s" {
		t.Errorf("the request in flight was answered %s", a)
	}
	s.wants(404, engine.NotFound, "late", "GET", "/v1/services/late", "")
	route("late.example.com", "/version", 404, "")
	clean(t, load.Stop())
	s.must(0, "remove", "api")
	route("example.com", "/api/echo", 200, "1.0")      // to whom the rest belongs
	if r := s.deploy(0, "late", "3.1"); r.From != "" { // what was forgotten begins anew
		t.Errorf("after its removal late came from %s", r.From)
	}
	route("late.example.com", "/version", 200, "3.1")
}

// A worker takes no traffic: it is healthy by staying alive, it is replaced like the others, and keeps nobody waiting.
func TestWorkerBesideAService(t *testing.T) {
	t.Parallel()
	worker := `  mailer:
    port: none
    instances: 2
    process: {command: [sh, -c, "trap 'exit 0' TERM; echo mailing ${VERSION}; while :; do sleep 0.1; done"]}
    stop_timeout: 3s
    strategy: {rolling: {bake: 100ms}}
`
	s := start(t, chat(2, strategies["rolling"])+worker)
	s.deploy(0, "chat", "3.0")
	load := s.load(50)
	s.deploy(0, "mailer", "1.0")
	if r := s.deploy(0, "mailer", "1.1"); r.Outcome != deploy.Promoted || r.Requests.Total != 0 {
		t.Errorf("receipt: %+v", r)
	}
	if v := s.status("mailer"); len(v.Instances) != 2 || !v.Instances[0].Healthy || v.Instances[0].Version != "1.1" {
		t.Errorf("status: %+v", v)
	}
	contains(t, "the log is", s.must(0, "logs", "mailer", "--revision", "r2"), "mailing 1.1")
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	clean(t, load.Stop())
}

// HTTPS with certificate files, HTTP/2 included; SIGHUP rereads them and costs no connection.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(2, strategies["rolling"]))
	secure := free(t)
	s.server = fmt.Sprintf("  https: [%q]\n  tls: {cert: cert.pem, key: key.pem}\n", secure)
	s.write(chat(2, strategies["rolling"]))
	certificate(t, s.dir, 1)
	s.begin()
	s.deploy(0, "chat", "3.0")
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	serial := func() int64 {
		t.Helper()
		res, err := client.Get("https://" + secure + "/version")
		if err != nil {
			t.Fatalf("%v\n%s", err, s.logs())
		}
		res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("X-Version") == "" {
			t.Errorf("%s %s by %q", res.Proto, res.Status, res.Header.Get("X-Version"))
		}
		return res.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d", n)
	}
	load := s.load(50)
	certificate(t, s.dir, 2)
	s.serve.Process.Signal(syscall.SIGHUP)
	s.until(10*time.Second, "the new certificate", func() error {
		if n := serial(); n != 2 {
			return fmt.Errorf("certificate %d", n)
		}
		return nil
	})
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	clean(t, load.Stop())
}

// certificate writes a self-signed one with a serial number.
func certificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "chat"}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"chat"}}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What Prometheus scrapes counts by service and revision, and the events can be read on from any of them.
func TestMetricsAndEvents(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"]))
	s.deploy(0, "chat", "3.0")
	load := s.load(80)
	s.deploy(0, "chat", "3.1")
	s.served(load, "3.1", 20)
	clean(t, load.Stop())
	status, text := s.ask("GET", "/metrics", "")
	if status != 200 {
		t.Fatalf("/metrics: %d", status)
	}
	for _, revision := range []string{"r1", "r2"} {
		line := regexp.MustCompile(`(?m)^naru_requests_total\{[^}]*revision="` + revision + `"[^}]*\} [1-9]`).FindString(text)
		contains(t, "naru_requests_total of "+revision+" is", line, `service="chat"`)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "naru_request") && (!strings.Contains(line, `service="`) || !strings.Contains(line, `revision="`)) {
			t.Errorf("without labels: %s", line)
		}
	}
	contains(t, "/metrics has", text, "naru_proxy_up 1")

	all := s.events("", 8)
	rest := s.events(all[3], 4)
	for i, id := range rest {
		if id != all[4+i] {
			t.Errorf("after event %s come %v, want %v", all[3], rest, all[4:])
			break
		}
	}
}

// events reads the numbers of n events that follow another.
func (s *stand) events(after string, n int) (ids []string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.admin+"/v1/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if after != "" {
		q.Header.Set("Last-Event-ID", after)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.t.Errorf("events come as %q", kind)
	}
	lines := bufio.NewScanner(res.Body)
	for len(ids) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
	}
	if len(ids) < n {
		s.t.Fatalf("%d events, want %d: %v", len(ids), n, lines.Err())
	}
	return ids
}
