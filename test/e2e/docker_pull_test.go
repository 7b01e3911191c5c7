package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
)

// output is what a program has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Who waits for a deploy sees how far the pull of its image has come: in the lines of naru deploy, and in naru status, also
// with --json.
func TestPullIsSeen(t *testing.T) {
	c := containersOf(t, 1)
	program, err := dockertest.Build(t.TempDir(), "../../examples/chat")
	if err != nil {
		t.Fatal(err)
	}
	registry := dockertest.NewRegistry()
	t.Cleanup(registry.Close)
	registry.Gate = make(chan struct{})
	open := sync.OnceFunc(func() { close(registry.Gate) })
	t.Cleanup(open)
	// Its own bytes, or the engine has the layer already.
	if err := registry.Push("3.0", dockertest.RegistryImage{Word: fmt.Sprint(time.Now().UnixNano()), Program: program, Volume: "/scratch"}); err != nil {
		t.Fatal(err)
	}
	c.write(pulled(registry.Name, `{rolling: {bake: 1ms}}`))
	var said output
	watch := c.command("deploy", "chat", "3.0")
	watch.Stdout = &said
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	want := `r1 to be ready to start \(pulling image ` + regexp.QuoteMeta(registry.Name) + `/team/chat:3\.0: \d+\.\d of \d+\.\d MB\)`
	step := func() { // a tenth of the layer
		select {
		case registry.Gate <- struct{}{}:
		case <-time.After(5 * time.Second):
		}
	}
	step()
	c.until(20*time.Second, "the status shows the pull", func() error {
		if v := c.status("chat"); v.Rollout == nil || !regexp.MustCompile(want).MatchString(v.Rollout.Waiting) || v.Rollout.Reason != v.Rollout.Waiting {
			return fmt.Errorf("%+v", v.Rollout)
		}
		return nil
	})
	oneLine := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	contains(t, "naru status says", oneLine(c.must(0, "status", "chat")), "waits for: r1 to be ready to start (pulling image ")
	c.until(20*time.Second, "the lines of naru deploy show the pull", func() error {
		if !regexp.MustCompile(`starting: ` + want).MatchString(oneLine(said.String())) {
			return errors.New(said.String())
		}
		return nil
	})
	open()
	if err := watch.Wait(); err != nil {
		t.Errorf("%v: %s", err, said.String())
	}
}
