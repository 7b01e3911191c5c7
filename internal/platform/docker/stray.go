package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// strays returns an error for each earlier name of this state folder under which the engine still has containers: the file that held the name
// was lost, so nobody attends to them, and they run for ever. They are only told of. Another naru in a container of its own may call its
// folder the same, and the file may come back from a backup.
func (p *Platform) strays(ctx context.Context) (told []error, err error) {
	api, err := p.engine.api()
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	listed, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelFolder+"="+p.dir)})
	if err != nil {
		return nil, explain(err)
	}
	of := make(map[string][]string)
	for _, c := range listed.Items {
		if server := c.Labels[labelServer]; server != p.server && server != "" {
			of[server] = append(of[server], containerName(c))
		}
	}
	for _, server := range slices.Sorted(maps.Keys(of)) {
		tags, err := p.tagsOf(ctx, server)
		if err != nil {
			return nil, err
		}
		told = append(told, p.stray(server, of[server], tags))
	}
	return told, nil
}

// stray says what there is of an earlier name of the folder, and what to do about it.
func (p *Platform) stray(server string, containers, tags []string) error {
	slices.Sort(containers)
	remove := "docker rm -f " + strings.Join(containers, " ")
	if len(tags) > 0 {
		slices.Sort(tags)
		remove += " && docker image rm " + strings.Join(tags, " ")
	}
	return fmt.Errorf("containers that nobody attends to were started from this state folder when %s/server was %q: %s; bring that file back from a backup, "+
		"or, unless another naru calls its folder the same, remove them: %s", p.dir, server, strings.Join(containers, ", "), remove)
}

// tagsOf are the tags by which a server of that name keeps images.
func (p *Platform) tagsOf(ctx context.Context, server string) (tags []string, err error) {
	if len(server) < 8 {
		return nil, nil
	}
	api, err := p.engine.api()
	if err != nil {
		return nil, err
	}
	images, err := api.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", "naru-kept/*-"+server[:8])})
	if err != nil {
		return nil, explain(err)
	}
	for _, i := range images.Items {
		for _, tag := range i.RepoTags {
			if name, _, _ := strings.Cut(tag, ":"); strings.HasPrefix(name, "naru-kept/") && strings.HasSuffix(name, "-"+server[:8]) {
				tags = append(tags, tag)
			}
		}
	}
	return tags, nil
}
