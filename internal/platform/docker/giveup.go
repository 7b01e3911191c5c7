package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform"
)

// giveUp ends the keeping of a revision's image and removes its record: the tag that kept it goes, and the engine deletes an image
// with its last tag. An image that naru has pulled loses the name that it came by as well, as long as no other revision and no
// container has it.
func (p *Platform) giveUp(ctx context.Context, service, revision string, r record) error {
	unlock, err := p.claimImage(ctx, r.ID)
	if err != nil {
		return err
	}
	defer unlock()
	names := []string{p.keepTag(service, revision)}
	if r.Pulled {
		alone, err := p.alone(ctx, service, revision, r)
		if err != nil {
			return err
		}
		if alone {
			names = append([]string{r.Image, r.Digest}, names...) // the kept tag last: until then it is kept
		}
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		if now, err := p.image(ctx, name); err != nil {
			return err
		} else if now == nil || r.ID != "" && now.id != r.ID {
			continue // it is gone, or the name has moved to another image
		}
		if err := p.untag(ctx, name); err != nil && !errors.Is(err, errUsed) { // that one a sweep takes when it can
			return err
		}
	}
	// While the image is claimed: of two revisions that go at once, one must see that it is the last.
	if err := os.Remove(p.recordFile(service, revision)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// errUsed is why a name of an image stays: it is the last one, and a container is made of the image.
var errUsed = errors.New("a container uses it")

// untag removes a name of an image, and the image with its last name. One that a container uses stays, which is errUsed.
func (p *Platform) untag(ctx context.Context, name string) error {
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	_, err = api.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
	switch {
	case err == nil || errdefs.IsNotFound(err):
		return nil
	case !errdefs.IsConflict(err):
		return explain(err)
	}
	if found, err := p.image(ctx, name); err != nil || found == nil { // the name went, and the image has others
		return err
	}
	return errUsed
}

// alone reports whether a revision is the only one with its image, and no container of anybody is made of it.
func (p *Platform) alone(ctx context.Context, service, revision string, r record) (bool, error) {
	for dir, other := range p.records() {
		if other.ID == r.ID && dir != p.revision(service, revision) {
			return false, nil
		}
	}
	users, _, err := p.users(ctx, r.ID)
	return len(users) == 0, err
}

// users names the containers, of whomever, that are made of an image; ours: one of them is this server's.
func (p *Platform) users(ctx context.Context, image string) (names []string, ours bool, err error) {
	api, err := p.engine.api()
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	listed, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("ancestor", image)})
	if err != nil {
		return nil, false, explain(err)
	}
	for _, c := range listed.Items {
		names = append(names, containerName(c))
		ours = ours || c.Labels[labelServer] == p.server
	}
	slices.Sort(names)
	return names, ours, nil
}

// containerName is the name by which people know a container; its ID when it has none.
func containerName(c container.Summary) string {
	if len(c.Names) == 0 {
		return fmt.Sprintf("%.12s", c.ID)
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

// records returns what is recorded of all revisions, by folder.
func (p *Platform) records() map[string]record {
	out := make(map[string]record)
	files, _ := filepath.Glob(filepath.Join(p.dir, "revisions", "*", "*", "record.json"))
	for _, file := range files {
		var r record
		if platform.ReadJSON(file, &r) == nil {
			out[filepath.Dir(file)] = r
		}
	}
	return out
}
