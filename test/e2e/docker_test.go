package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
	"github.com/naru-deploy/naru/internal/traffic"
)

// chatImage is the chat example in containers under a strategy.
func chatImage(instances int, strategy string) string {
	return fmt.Sprintf(`  chat:
    instances: %d
    docker: {image: "naru-e2e/chat:${VERSION}", port: 8080, pull: never, command: [--version, "${VERSION}", --listen, "0.0.0.0:${PORT}"]}
    health: {http: /healthz, interval: 200ms, timeout: 1s, start_timeout: 20s}
    drain_timeout: 3s
    stop_timeout: 3s
    deadline: 60s
    strategy: %s
`, instances, calm(strategy))
}

// containers are what one engine has, with the steps of these tests.
type containers struct {
	*stand
	engine *dockertest.Engine
	api    *client.Client
}

// containersOf finds an engine, tags the chat example as so many versions, and starts naru with it.
func containersOf(t *testing.T, versions int) containers {
	t.Helper()
	engine, err := dockertest.Find()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(engine.Stop)
	t.Setenv("DOCKER_HOST", engine.Host)
	program, err := dockertest.Build(t.TempDir(), "../../examples/chat")
	if err != nil {
		t.Fatal(err)
	}
	api, err := engine.API()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	if err := engine.Image(t.Context(), version(0), program, `ENTRYPOINT ["/chat"]`); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < versions; n++ {
		if _, err := api.ImageTag(t.Context(), client.ImageTagOptions{Source: version(0), Target: version(n)}); err != nil {
			t.Fatal(err)
		}
	}
	return containers{start(t, chatImage(3, strategies["rolling"])), engine, api}
}

func version(n int) string { return fmt.Sprintf("naru-e2e/chat:3.%d", n) }

// container is the container of an instance.
func (c containers) container(instance string) string {
	c.t.Helper()
	found, err := c.api.ContainerList(c.t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label",
		"naru.instance="+instance, "naru.state-folder="+filepath.Join(c.dir, ".naru", "docker"))})
	if err != nil || len(found.Items) != 1 {
		c.t.Fatalf("%d containers of %s, %v", len(found.Items), instance, err)
	}
	return found.Items[0].ID
}

// healthy waits until every instance is healthy.
func (c containers) healthy(n int) {
	c.t.Helper()
	c.until(30*time.Second, "all instances are healthy", func() error {
		v := c.status("chat")
		for _, i := range v.Instances {
			if !i.Healthy {
				return fmt.Errorf("%+v", i)
			}
		}
		if len(v.Instances) != n {
			return fmt.Errorf("%d instances", len(v.Instances))
		}
		return nil
	})
}

// Containers are deployed by every strategy under load, adopted by the next serve when this one is killed, and started again
// when somebody kills or removes one: no request fails. NARU_CONTAINER_DEPLOYS is the number of deploys.
func TestContainers(t *testing.T) {
	deploys, rate := number(t, "NARU_CONTAINER_DEPLOYS", 3), number(t, "NARU_CONTAINER_RATE", 150)
	c := containersOf(t, deploys+2)
	c.deploy(0, "chat", "3.0")
	order := []string{"canary", "rolling", "blue_green"}
	load := c.load(rate)
	var total deploy.Requests
	for i := range deploys {
		c.write(chatImage(3, strategies[order[i%len(order)]]))
		r := c.deploy(0, "chat", fmt.Sprintf("3.%d", i+1))
		whole(t, r, deploy.Promoted)
		total.Total += r.Requests.Total
		total.Retried += r.Requests.Retried
		total.Held += r.Requests.Held
	}
	back := c.receipt(c.must(0, "rollback", "chat", "--json"))
	whole(t, back, deploy.Promoted)
	c.healthy(3)
	before := c.status("chat")
	c.kill()
	c.begin()
	c.sameProcesses(before)
	whole(t, c.deploy(0, "chat", fmt.Sprintf("3.%d", deploys+1)), deploy.Promoted)
	clean(t, load.Stop())
	t.Logf("%d deploys at %d/s: receipts account for %d requests, 0 failed, %d retried, %d held", deploys, rate, total.Total, total.Retried, total.Held)

	// Reads can be repeated, so they survive even the death of the container that they are in.
	reads := traffic.Load{URL: "http://" + c.http, Rate: 80, Sources: 40, Fresh: .5, Request: traffic.Get("/version")}.Start(t.Context())
	victim := c.status("chat").Instances[0]
	if _, err := c.api.ContainerKill(t.Context(), c.container(victim.ID), client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	c.replaced(victim.ID, victim.PID)
	victim = c.status("chat").Instances[1]
	if _, err := c.api.ContainerRemove(t.Context(), c.container(victim.ID), client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	c.replaced(victim.ID, victim.PID)

	r := c.deploy(2, "chat", "no-such-tag")
	contains(t, "the reason is", r.Reason, "naru-e2e/chat:no-such-tag is not on this machine, and docker.pull is never")
	clean(t, reads.Stop())

	c.must(0, "down", "-f", "naru.yaml")
	left, err := c.api.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label",
		"naru.state-folder="+filepath.Join(c.dir, ".naru", "docker"))})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("containers that are left after naru down: %v, %v", left.Items, err)
	}
}

// replaced waits until an instance runs again, in another container.
func (c containers) replaced(id string, pid int) {
	c.t.Helper()
	c.until(20*time.Second, id+" runs again", func() error {
		for _, i := range c.status("chat").Instances {
			if i.ID == id && i.Healthy && i.PID != pid {
				return nil
			}
		}
		return fmt.Errorf("%+v", c.status("chat").Instances)
	})
	c.healthy(3)
}

// The engine is restarted in the middle of a rollout: the instances go on, the rollout waits, and naru finds the engine again. No
// request fails.
func TestEngineRestartsDuringARollout(t *testing.T) {
	c := containersOf(t, 2)
	if !c.engine.Own() {
		t.Skip("the engine is not the tests' own, so it is not restarted")
	}
	c.write(chatImage(2, `{canary: {steps: [{weight: 50%, bake: 3s}, 100%], bake: 300ms}}`))
	c.deploy(0, "chat", "3.0")
	// Reads: the engine's own proxy ends with it, and cuts what is in flight. What can be repeated is held until it is back.
	load := traffic.Load{URL: "http://" + c.http, Rate: 80, Sources: 40, Fresh: .5, Request: traffic.Get("/version")}.Start(t.Context())
	c.must(0, "deploy", "chat", "3.1", "--detach")
	before := c.at("chat", 1, deploy.Baking)
	if err := c.engine.Down(); err != nil {
		t.Fatal(err)
	}
	c.until(20*time.Second, "naru has noticed", func() error {
		if !strings.Contains(c.logs(), "the Docker engine has gone") {
			return errors.New("it has said nothing")
		}
		return nil
	})
	c.until(20*time.Second, "status says so", func() error {
		if p := c.status("chat").Problem; !strings.Contains(p, "nothing is decided while this lasts") || !strings.Contains(p, "the Docker engine does not answer") || !strings.Contains(p, "systemctl start docker") {
			return fmt.Errorf("the problem is %q", p)
		}
		return nil
	})
	if err := c.engine.Up(); err != nil {
		t.Fatal(err)
	}
	c.until(20*time.Second, "naru has found it again", func() error {
		if !strings.Contains(c.logs(), "the Docker engine is back") {
			return errors.New("it has said nothing")
		}
		return nil
	})
	c.rest("chat", "3.1", 2)
	after := c.status("chat")
	if after.Problem != "" {
		t.Errorf("the problem is still %q", after.Problem)
	}
	for _, i := range after.Instances {
		for _, was := range before.Instances {
			if i.ID == was.ID && i.PID != was.PID {
				t.Errorf("%s was restarted: process %d and now %d", i.ID, was.PID, i.PID)
			}
		}
	}
	whole(t, c.last("chat"), deploy.Promoted)
	clean(t, load.Stop())
}

// The engine goes while a rollout is under way, and stays away: who follows the rollout is told, status shows what is wanted all the
// same, nothing new begins, and an abort is carried out when the engine is back. No request fails.
func TestEngineStaysAway(t *testing.T) {
	c := containersOf(t, 3)
	if !c.engine.Own() {
		t.Skip("the engine is not the tests' own, so it is not restarted")
	}
	c.write(chatImage(2, `{canary: {steps: [{weight: 50%, bake: 5m}, 100%], bake: 300ms}}`))
	c.deploy(0, "chat", "3.0")
	load := traffic.Load{URL: "http://" + c.http, Rate: 80, Sources: 40, Fresh: .5, Request: traffic.Get("/version")}.Start(t.Context())
	followed := c.follow("deploy", "chat", "3.1")
	c.at("chat", 1, deploy.Baking)
	if err := c.engine.Down(); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	const remedy = "the Docker engine does not answer"
	c.until(20*time.Second, "status says what the rollout waits for", func() error {
		v := c.status("chat")
		if v.Rollout == nil || v.Wanted != 2 || !strings.Contains(v.Rollout.Waiting, "the platform to answer: ") || !strings.Contains(v.Rollout.Waiting, remedy) {
			return fmt.Errorf("%+v; %d are wanted", v.Rollout, v.Wanted)
		}
		return nil
	})
	_, errs, status := c.said("deploy", "chat", "3.2")
	if status != 1 {
		t.Errorf("a deploy that nobody can see: exit %d", status)
	}
	contains(t, "it says", words(errs), "nothing has begun", remedy, "systemctl start docker")
	if status, body := c.ask("POST", "/v1/services/chat/abort", "{}"); status != 200 {
		t.Errorf("abort: %d %s", status, body)
	}
	c.until(20*time.Second, "status knows of the abort", func() error {
		if p := c.status("chat").Rollout.Phase; p != deploy.RollingBack {
			return fmt.Errorf("the phase is %s", p)
		}
		return nil
	})
	c.until(20*time.Second, "it has lasted long enough to be told", func() error {
		if since := time.Since(gone); since < 5*time.Second {
			return fmt.Errorf("only %s", since)
		}
		return nil
	})
	if err := c.engine.Up(); err != nil {
		t.Fatal(err)
	}
	out, _, status := followed.wait()
	if status != 2 {
		t.Errorf("exit %d", status)
	}
	contains(t, "who follows reads", words(out), "it waits, and its clocks stand still", "the platform to answer: ", remedy, "systemctl start docker",
		"it stood still for", "aborted by hand")
	c.rest("chat", "3.0", 2)
	_, errs, status = c.said("rollback", "chat")
	if status != 1 || !strings.Contains(errs, "no earlier revision") {
		t.Errorf("a rollback after that: exit %d, %s", status, errs)
	}
	clean(t, load.Stop())
}

// A tag that names another image by now is a new revision of the same version, and one that does not is nothing to do.
func TestMovedTag(t *testing.T) {
	c := containersOf(t, 2)
	c.write(chatImage(1, "{rolling: {bake: 100ms}}\n    analysis: {enabled: false}"))
	c.deploy(0, "chat", "3.0")
	contains(t, "the same again says", c.must(0, "deploy", "chat", "3.0"), "nothing to do")
	program, err := dockertest.Build(t.TempDir(), "../../examples/chat")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.engine.Image(t.Context(), version(0), program, `ENTRYPOINT ["/chat"]`, "ENV BUILT=again"); err != nil {
		t.Fatal(err)
	}
	if r := c.deploy(0, "chat", "3.0"); r.To != "r2" || r.Outcome != deploy.Promoted {
		t.Errorf("%+v", r)
	}
	contains(t, "history says", c.must(0, "history", "chat"), "changed since r1:", "docker.image")
	contains(t, "the same again says", c.must(0, "deploy", "chat", "3.0"), "nothing to do")
}

// A version that needs more memory than it may have is taken back, and the reason says so.
func TestContainerOutOfMemory(t *testing.T) {
	c := containersOf(t, 1)
	program, err := dockertest.Build(t.TempDir(), "../../internal/platform/docker/dockertest/program")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.engine.Image(t.Context(), "naru-e2e/eater:1", program, `ENTRYPOINT ["/program", "eat"]`); err != nil {
		t.Fatal(err)
	}
	c.write(`  eater:
    port: none
    docker: {image: "naru-e2e/eater:${VERSION}", memory: 32MiB, pull: never}
`)
	r := c.deploy(2, "eater", "1")
	contains(t, "the reason is", r.Reason, "ran out of memory: docker.memory allows 32MiB")
}

// An engine that does not answer fails the deploy in words, and no other service notices.
func TestNoEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
	s := start(t, chat(1, strategies["rolling"])+`  box:
    hosts: [box.test]
    docker: {image: "box:${VERSION}", port: 80}
`)
	s.deploy(0, "chat", "3.0")
	load := s.load(50)
	r := s.deploy(2, "box", "1")
	contains(t, "the reason is", r.Reason, "the Docker engine does not answer", "/no/such/docker.sock")
	whole(t, s.deploy(0, "chat", "3.1"), deploy.Promoted)
	clean(t, load.Stop())
}
