package platform

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// CheckNames refuses names that cannot be the name of a file.
func CheckNames(names ...string) error {
	for _, name := range names {
		if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00") {
			return fmt.Errorf("%q cannot be the name of a service, revision or instance: it would not be a file name", name)
		}
	}
	return nil
}

// Sort orders instances as every List does: by service, revision and slot.
func Sort(instances []deploy.Instance) {
	slices.SortFunc(instances, func(a, b deploy.Instance) int {
		return cmp.Or(
			cmp.Compare(a.Service, b.Service),
			cmp.Compare(deploy.Number(a.Revision), deploy.Number(b.Revision)),
			cmp.Compare(a.Slot, b.Slot),
			cmp.Compare(a.ID, b.ID),
		)
	})
}

// Vacate forgets the instances of a revision that is to be removed. It refuses while one of them runs, before any is forgotten.
func Vacate(ctx context.Context, p interface {
	List(ctx context.Context, service string) ([]deploy.Instance, error)
	Stop(ctx context.Context, id string, grace time.Duration) error
}, rev deploy.Revision) error {
	instances, err := p.List(ctx, rev.Service)
	if err != nil {
		return err
	}
	instances = slices.DeleteFunc(instances, func(i deploy.Instance) bool { return i.Revision != rev.ID })
	for _, i := range instances {
		if i.Live() {
			return fmt.Errorf("remove %s %s: instance %s is %s; stop it first", rev.Service, rev.ID, i.ID, i.State)
		}
	}
	for _, i := range instances {
		if err := p.Stop(ctx, i.ID, 0); err != nil {
			return err
		}
	}
	return nil
}
