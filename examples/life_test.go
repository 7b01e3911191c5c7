package examples_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestEveryProgramTellsItsHealthAndVersion(t *testing.T) {
	for name, version := range map[string]string{"chat": "3.1", "shop": "1.1", "social": "2.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startReady(t, name, version)
			var answer struct{ Name, Version, Instance string }
			p.askJSON(t, http.DefaultClient, "GET", "/version", "", http.StatusOK, &answer)
			if answer.Name != name || answer.Version != version || answer.Instance == "" {
				t.Errorf("GET /version: %+v", answer)
			}
			for path, want := range map[string]int{"/": 200, "/healthz": 200, "/no-such-page": 404} {
				status, header, _ := p.ask(t, http.DefaultClient, "GET", path, "")
				if status != want || header.Get("X-Version") != version {
					t.Errorf("GET %s: status %d, X-Version %q", path, status, header.Get("X-Version"))
				}
			}
			p.terminate(t)
			if code := p.waitExit(t); code != 0 {
				t.Errorf("exit status %d after SIGTERM", code)
			}
			for _, event := range []string{"listening on 127.0.0.1:", "ready", "stopping", "stopped"} {
				if !strings.Contains(p.log.String(), name+" "+version+": "+event) {
					t.Errorf("the log does not say %q", event)
				}
			}
		})
	}
}

func TestEnvironmentStandsInForFlags(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	cmd, log := command("social")
	cmd.Env = append(cmd.Env, "PORT="+port, "NARU_VERSION=2.0", "NARU_INSTANCE=social-r1-2")
	p := launch(t, cmd, log, address)
	p.waitHealthy(t)
	var answer struct{ Version, Instance string }
	p.askJSON(t, http.DefaultClient, "GET", "/version", "", http.StatusOK, &answer)
	if answer.Version != "2.0" || answer.Instance != "social-r1-2" {
		t.Errorf("got %+v", answer)
	}
}

func TestWithoutAnAddressItSaysWhatToDo(t *testing.T) {
	t.Parallel()
	cmd, log := command("social", "--version", "2.0")
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "--listen") {
		t.Errorf("log: %s", log)
	}
}

func TestPortTakenIsAnError(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cmd, log := command("chat", "--listen", listener.Addr().String())
	p := launch(t, cmd, log, listener.Addr().String())
	if code := p.waitExit(t); code != 1 || !strings.Contains(log.String(), "address already in use") {
		t.Errorf("exit status %d", code)
	}
}

// The heart of a stop that nobody notices: what has begun is finished, and what
// has not is refused at the door.
func TestSIGTERMFinishesASlowRequest(t *testing.T) {
	t.Parallel()
	p := startReady(t, "chat", "3.1")
	body, sender := io.Pipe()
	type outcome struct {
		status int
		text   string
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		response, err := postWhenAsked(p.url+"/upload", body)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		done <- outcome{response.StatusCode, string(text), err}
	}()
	fmt.Fprint(sender, "half of it, ") // returns when the program has asked for the body

	p.terminate(t)
	eventually(t, "the listener is closed", func() bool { return p.health() == 0 })
	select {
	case <-p.exited:
		t.Fatal("it did not wait for the upload")
	case o := <-done:
		t.Fatalf("it did not wait for the upload: %+v", o)
	default:
	}
	fmt.Fprint(sender, "and the rest")
	sender.Close()

	o := <-done
	want := fmt.Sprintf("%x", sha256.Sum256([]byte("half of it, and the rest")))
	if o.err != nil || o.status != http.StatusOK || !strings.Contains(o.text, want) {
		t.Errorf("got %+v, want the digest %s", o, want)
	}
	if code := p.waitExit(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// postWhenAsked sends a body once the server has said 100 Continue, which tells
// that the request has begun.
func postWhenAsked(url string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Expect", "100-continue")
	client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience, DisableKeepAlives: true}}
	return client.Do(request)
}
