package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/client"
)

// offerAge is how long a registry's word holds: readiness is looked at all the time, and registries count questions.
const offerAge = 10 * time.Minute

// offer is what a registry said of an image that is gone from here.
type offer struct {
	at  time.Time
	err error // nil: it has it
}

// offered reports whether the registry still has an image, without fetching it.
func (p *Platform) offered(ctx context.Context, name string) error {
	p.mu.Lock()
	last, known := p.offers[name]
	p.mu.Unlock()
	if known && time.Since(last.at) < offerAge {
		return last.err
	}
	err := p.askRegistry(ctx, name)
	if ctx.Err() != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for other, o := range p.offers {
		if time.Since(o.at) >= offerAge {
			delete(p.offers, other)
		}
	}
	p.offers[name] = offer{time.Now(), err}
	return err
}

func (p *Platform) askRegistry(ctx context.Context, name string) error {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return fmt.Errorf("%q is no image: %w", name, err)
	}
	registry := reference.Domain(ref)
	auth, err := credentials(ctx, registry)
	if err != nil {
		return err
	}
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	if _, err := api.DistributionInspect(ctx, name, client.DistributionInspectOptions{EncodedRegistryAuth: auth}); err != nil {
		return fmt.Errorf("and it could not be pulled again: %w", refused(err, registry, auth != ""))
	}
	return nil
}
