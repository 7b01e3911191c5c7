//go:build linux

package process

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// List returns the instances of a service, or of all when service is empty, ordered by service, revision and slot.
func (p *Platform) List(ctx context.Context, service string) ([]deploy.Instance, error) {
	p.reap()
	folders, err := p.folders()
	if err != nil {
		return nil, err
	}
	var instances []deploy.Instance
	for _, f := range folders {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v := p.observe(ctx, f)
		if !v.exists() || service != "" && v.launch.Spec.Service != service {
			continue
		}
		i := v.instance()
		if i.Live() {
			p.usage.fill(&i, v)
		}
		instances = append(instances, i)
	}
	platform.Sort(instances)
	return instances, nil
}

// folders returns the folders of all instances.
func (p *Platform) folders() ([]folder, error) {
	entries, err := os.ReadDir(p.instances())
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	var folders []folder
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			f, err := p.folder(e.Name())
			if err != nil {
				return nil, err
			}
			folders = append(folders, f)
		}
	}
	return folders, nil
}
