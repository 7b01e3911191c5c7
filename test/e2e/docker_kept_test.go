package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
)

// ours counts containers of a stand, ended ones as well, and the tags by which it keeps images.
func (c containers) ours() (all, tags int) {
	c.t.Helper()
	listed, err := c.api.ContainerList(c.t.Context(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label",
		"naru.state-folder="+filepath.Join(c.dir, ".naru", "docker"))})
	if err != nil {
		c.t.Fatal(err)
	}
	images, err := c.api.ImageList(c.t.Context(), client.ImageListOptions{Filters: make(client.Filters).Add("reference", "naru-kept/*")})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, i := range images.Items {
		for _, tag := range i.RepoTags {
			if strings.HasPrefix(tag, "naru-kept/chat-") {
				tags++
			}
		}
	}
	return len(listed.Items), tags
}

// Containers and images of revisions that are kept no longer go; a drill runs in a container that goes, too, also when its
// server is killed in the middle. NARU_CONTAINER_DEPLOYS is the number of deploys.
func TestContainersAreKeptAndRemoved(t *testing.T) {
	deploys := max(4, number(t, "NARU_CONTAINER_DEPLOYS", 5))
	c := containersOf(t, deploys+1)
	_, before := c.ours() // of other stands on an engine that is not the tests' own
	file := func(change string) string {
		return strings.ReplaceAll(chatImage(2, quickly), "start_timeout: 20s", "start_timeout: "+change) + "    keep: {revisions: 2}\n"
	}
	c.write(file("20s"))
	c.deploy(0, "chat", "3.0")
	load := c.load(50)
	for i := range deploys {
		whole(t, c.deploy(0, "chat", fmt.Sprintf("3.%d", i+1)), deploy.Promoted)
		c.until(20*time.Second, "two containers and two images are kept", func() error {
			if all, tags := c.ours(); all != 2 || tags != before+2 {
				return fmt.Errorf("%d containers, %d kept images", all, tags-before)
			}
			return nil
		})
	}
	if r := c.drill(0); !r.Passed || r.Healthy <= 0 || r.Version != fmt.Sprintf("3.%d", deploys-1) {
		t.Errorf("%+v", r)
	}
	if all, _ := c.ours(); all != 2 {
		t.Errorf("%d containers after a drill", all)
	}
	whole(t, c.receipt(c.must(0, "rollback", "chat", "--json")), deploy.Promoted)

	// A drill that nobody ends: the health check asks for what is not there.
	c.write(strings.ReplaceAll(file("60s"), "/healthz", "/no-such-path"))
	c.must(0, "deploy", "chat", "3.0", "--detach")
	c.must(0, "rollback", "chat")
	id := c.history("chat").Rollouts
	failed := id[len(id)-1].To
	drill := c.command("rollback", "chat", failed, "--drill")
	if err := drill.Start(); err != nil {
		t.Fatal(err)
	}
	c.until(20*time.Second, "the drill has begun", func() error {
		if all, _ := c.ours(); all != 3 {
			return fmt.Errorf("%d containers", all)
		}
		return nil
	})
	c.kill()
	_ = drill.Wait()
	if all, _ := c.ours(); all != 3 {
		t.Errorf("%d containers: this shows nothing", all)
	}
	c.begin()
	c.until(20*time.Second, "what the drill has left is gone", func() error {
		if all, _ := c.ours(); all != 2 {
			return fmt.Errorf("%d containers", all)
		}
		return nil
	})
	clean(t, load.Stop())
}
