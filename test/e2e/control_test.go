package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/traffic"
)

// said runs a command and returns what it printed on both streams, and its exit status.
func (s *stand) said(args ...string) (out, errs string, status int) {
	s.t.Helper()
	f := s.follow(args...)
	return f.wait()
}

// refused runs a command that must end with status 1 and say all the words on stderr.
func (s *stand) refused(words []string, args ...string) {
	s.t.Helper()
	out, errs, status := s.said(args...)
	if status != 1 {
		s.t.Errorf("naru %s: exit %d, want 1\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	contains(s.t, "naru "+strings.Join(args, " ")+" says", errs, words...)
}

// contains checks that a text has all the words in it.
func contains(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s %q, want %q in it", what, text, w)
		}
	}
}

// words puts what is broken into lines on one.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// following is a command that runs beside the test.
type following struct {
	s         *stand
	cmd       *exec.Cmd
	args      string
	out, errs bytes.Buffer
}

// follow starts a command and does not wait for it. One that does not end is killed, so that the test says so.
func (s *stand) follow(args ...string) *following {
	s.t.Helper()
	f := &following{s: s, cmd: s.command(args...), args: strings.Join(args, " ")}
	f.cmd.Stdout, f.cmd.Stderr = &f.out, &f.errs
	if err := f.cmd.Start(); err != nil {
		s.t.Fatalf("naru %s: %v", f.args, err)
	}
	guard := time.AfterFunc(2*time.Minute, func() { f.cmd.Process.Kill() })
	s.t.Cleanup(func() { guard.Stop() })
	return f
}

// wait returns what the command printed and its exit status.
func (f *following) wait() (out, errs string, status int) {
	f.s.t.Helper()
	err := f.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.s.t.Fatalf("naru %s: %v", f.args, err)
	}
	return f.out.String(), f.errs.String(), f.cmd.ProcessState.ExitCode()
}

// ask sends a request to the API and returns the status and the body of the answer.
func (s *stand) ask(method, path, body string) (int, string) {
	s.t.Helper()
	q, err := http.NewRequest(method, "http://"+s.admin+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.logs())
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, string(text)
}

// wants asks the API for an error of a status and a code, with words in its message.
func (s *stand) wants(status int, code engine.Code, words, method, path, body string) {
	s.t.Helper()
	got, text := s.ask(method, path, body)
	var e struct {
		Error struct {
			Code    engine.Code
			Message string
		}
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || got != status || e.Error.Code != code || !strings.Contains(e.Error.Message, words) {
		s.t.Errorf("%s %s: %d %s, want %d, code %s and %q in the message", method, path, got, text, status, code, words)
	}
}

// at waits until the open rollout of a service is at a step, counted from 1, and in a phase.
func (s *stand) at(service string, step int, phase deploy.Phase) (v engine.Status) {
	s.t.Helper()
	s.until(30*time.Second, fmt.Sprintf("step %d, %s", step, phase), func() error {
		v = s.status(service)
		if r := v.Rollout; r == nil || r.Step != step || r.Phase != phase {
			return fmt.Errorf("the rollout is %+v", v.Rollout)
		}
		return nil
	})
	return v
}

// rest waits until no rollout of a service is open and what is left of it has gone: so many instances of a version, all
// of them healthy and enabled.
func (s *stand) rest(service, version string, instances int) (v engine.Status) {
	s.t.Helper()
	s.until(60*time.Second, "at rest with "+version, func() error {
		v = s.status(service)
		if v.Rollout != nil || v.Canary != nil || v.Stable == nil || v.Stable.Version != version || len(v.Instances) != instances {
			return fmt.Errorf("stable %+v, rollout %+v, instances %+v", v.Stable, v.Rollout, v.Instances)
		}
		for _, i := range v.Instances {
			if i.Version != version || !i.Healthy || !i.Enabled {
				return fmt.Errorf("instance %+v", i)
			}
		}
		return nil
	})
	return v
}

// last is the last rollout's receipt.
func (s *stand) last(service string) deploy.Receipt {
	s.t.Helper()
	return s.receipt(s.must(0, "receipt", service, "--json"))
}

// get asks the data plane, on a connection of its own, and returns the status and the version that answered.
func (s *stand) get(host, path string, header ...string) (int, string) {
	s.t.Helper()
	q, err := http.NewRequest("GET", "http://"+s.http+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	q.Close, q.Host = true, host
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		s.t.Fatalf("GET %s: %v\n%s", path, err, s.logs())
	}
	res.Body.Close()
	return res.StatusCode, res.Header.Get("X-Version")
}

// visitors are users with an address and a cookie jar each, who remember which version answered them.
type visitors struct {
	s       *stand
	path    string
	clients []*http.Client
}

func (s *stand) visitors(n int, path string) *visitors {
	v := &visitors{s: s, path: path}
	for i := range n {
		jar, err := cookiejar.New(nil)
		if err != nil {
			s.t.Fatal(err)
		}
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 3, byte(i/250), byte(1+i%250))}}
		transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
		v.clients = append(v.clients, &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second})
	}
	return v
}

// visit lets every user ask once and returns the version that each was answered by. No answer may be a failure.
func (v *visitors) visit() []string {
	v.s.t.Helper()
	versions := make([]string, len(v.clients))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, c := range v.clients {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			res, err := c.Get("http://" + v.s.http + v.path)
			if err != nil {
				v.s.t.Errorf("user %d: %v", i, err)
				return
			}
			res.Body.Close()
			if res.StatusCode != 200 {
				v.s.t.Errorf("user %d: %s", i, res.Status)
			}
			versions[i] = res.Header.Get("X-Version")
		})
	}
	wg.Wait()
	return versions
}

// count says how many users were answered by a version.
func count(versions []string, version string) (n int) {
	for _, v := range versions {
		if v == version {
			n++
		}
	}
	return n
}

// users begins a load of reads by users who keep their cookies, for a service whose every path may be asked for.
func (s *stand) users(rate int, host string, paths ...string) *traffic.Running {
	return traffic.Load{URL: "http://" + s.http, Host: host, Rate: rate, Sources: 60, Fresh: 0.25, Cookies: true, Request: traffic.Get(paths...)}.Start(s.t.Context())
}

// served waits until a load has been answered so many times by a version.
func (s *stand) served(load *traffic.Running, version string, n int) {
	s.t.Helper()
	before := load.Report().Versions[version]
	s.until(30*time.Second, version+" answers", func() error {
		if got := load.Report().Versions[version] - before; got < n {
			return fmt.Errorf("%s has answered %d", version, got)
		}
		return nil
	})
}
