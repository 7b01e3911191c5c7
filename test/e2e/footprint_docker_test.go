package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform/docker/dockertest"
)

// pulled is the chat example in containers whose images come from a registry, three revisions of it kept.
func pulled(registry, strategy string) string {
	return fmt.Sprintf(`  chat:
    instances: 2
    keep: {revisions: 3}
    docker: {image: "%s/team/chat:${VERSION}", port: 8080, command: [--version, "${VERSION}", --listen, "0.0.0.0:${PORT}"]}
    health: {http: /healthz, interval: 200ms, timeout: 1s, start_timeout: 20s}
    drain_timeout: 1s
    stop_timeout: 3s
    deadline: 60s
    analysis: {enabled: false}
    strategy: %s
`, registry, strategy)
}

// takes adds what the stand has at the engine: its containers, and everything there whoever has it.
func (c containers) takes(f footprint) footprint {
	c.t.Helper()
	ctx := c.t.Context()
	ours := make(client.Filters).Add("label", "naru.state-folder="+filepath.Join(c.dir, ".naru", "docker"))
	boxes, err := c.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		c.t.Fatal(err)
	}
	images, err := c.api.ImageList(ctx, client.ImageListOptions{All: true})
	if err != nil {
		c.t.Fatal(err)
	}
	tags := 0
	for _, i := range images.Items {
		tags += len(i.RepoTags)
	}
	volumes, err := c.api.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	networks, err := c.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	f["containers"], f["images"], f["tags of images"] = float64(len(boxes.Items)), float64(len(images.Items)), float64(tags)
	f["volumes"], f["networks"] = float64(len(volumes.Items)), float64(len(networks.Items))
	return f
}

// The same with containers, each version an image that naru pulls and each container with a volume of its own: neither naru nor the
// engine keeps anything. NARU_CONTAINER_SOAK is the number of deploys; make soak asks for 100.
func TestManyContainersLeaveNothing(t *testing.T) {
	deploys := number(t, "NARU_CONTAINER_SOAK", 6)
	c := containersOf(t, 1)
	program, err := dockertest.Build(t.TempDir(), "../../examples/chat")
	if err != nil {
		t.Fatal(err)
	}
	registry := dockertest.NewRegistry()
	t.Cleanup(registry.Close)
	push := func(version string) string {
		if err := registry.Push(version, dockertest.RegistryImage{Word: version, Program: program, Volume: "/scratch"}); err != nil {
			t.Fatal(err)
		}
		return version
	}
	strategy := map[int]string{0: `{rolling: {max_surge: 2, bake: 1ms}}`, 1: `{canary: {steps: [50%, 100%], bake: 1ms}}`, 2: `{blue_green: {bake: 1ms}}`}
	c.write(pulled(registry.Name, strategy[0]))
	c.deploy(0, "chat", push("3.0"))
	load := c.load(30)
	proxy, began := c.proxyPID(), time.Now()
	var run []footprint
	over := func() { // a rollout, good or bad
		t.Helper()
		c.until(20*time.Second, "the rollout is over", func() error {
			if v := c.status("chat"); len(v.Instances) != 2 || v.Rollout != nil {
				return fmt.Errorf("%+v", v)
			}
			if n := len(c.history("chat").Revisions); n > 4 { // and the last failure
				return fmt.Errorf("%d revisions", n)
			}
			if n := c.takes(footprint{})["containers"]; n != 2 {
				return fmt.Errorf("%.0f containers", n)
			}
			return nil
		})
		run = append(run, c.takes(c.footprint(proxy)))
	}
	for i := range deploys {
		c.write(pulled(registry.Name, strategy[i%3]))
		c.must(0, "deploy", "chat", push(fmt.Sprintf("3.%d", i+1)), "--json")
		over()
		switch {
		case i%10 == 1:
			c.must(2, "deploy", "chat", fmt.Sprintf("never-pushed-%d", i), "--json")
			over()
		case i%10 == 3:
			c.must(2, "deploy", "chat", push(fmt.Sprintf("3.%d-crash", i)), "--json")
			over()
		case i%10 == 5:
			c.must(0, "rollback", "chat", "--json")
			over()
		case i%10 == 7:
			c.must(0, "rollback", "chat", "--drill", "--json")
		}
	}
	report := load.Stop()
	clean(t, report)
	last := len(run) - 1
	t.Logf("%d deploys of containers, %d rollouts, in %s, %d requests:\n%s", deploys, len(run), time.Since(began).Round(time.Second), report.Sent, table(run, 0, last/4, last/2, 3*last/4, last))
	for _, name := range []string{"containers", "volumes"} {
		if n := run[last][name]; n != 2 && c.engine.Own() {
			t.Errorf("%.0f %s of two instances", n, name)
		}
	}
	if len(run) < 24 {
		return // too few to see what grows
	}
	for _, g := range grows(run) {
		t.Error(g)
	}
}
