package docker

import (
	"context"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// world is what the engine said last of all our containers, by instance. It holds for as long as the stream of events is
// open and has brought nothing since: naru looks many times a second, and almost always nothing has happened.
type world struct {
	mu       sync.Mutex
	watching bool // the stream is open
	age      int  // grows with every change
	taken    int  // age at which all was asked for; valid when it equals age
	all      map[string]*seen
	starved  map[string]bool // containers of which an event said that they ran out of memory

	asking sync.Mutex // one question at a time: those who wait for it take its answer
}

// forget lets go of what was said.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.age++
}

// watch notes whether the stream of events is open.
func (w *world) watch(open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = open
	w.age++
}

// starve notes that a container ran out of memory. The engine's own record of it is lost when the program's end comes to its
// ears first, the event is not.
func (w *world) starve(container string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.starved == nil {
		w.starved = make(map[string]bool)
	}
	w.starved[container] = true
}

// bury forgets a container that is gone.
func (w *world) bury(container string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.starved, container)
}

func (w *world) hasStarved(container string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starved[container]
}

// known returns what was said, if it still holds, and the present age.
func (w *world) known() (all map[string]*seen, age int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watching && w.all != nil && w.taken == w.age {
		return w.all, w.age
	}
	return nil, w.age
}

// look returns all our containers by instance. Nobody may change them.
func (p *Platform) look(ctx context.Context) (map[string]*seen, error) {
	if all, _ := p.world.known(); all != nil {
		return all, nil
	}
	p.world.asking.Lock()
	defer p.world.asking.Unlock()
	all, age := p.world.known()
	if all != nil {
		return all, nil
	}
	all, err := p.ask(ctx)
	if err != nil {
		return nil, err
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.world.all, p.world.taken = all, age
	return all, nil
}

// ask lists the containers with our label and looks at each.
func (p *Platform) ask(ctx context.Context) (map[string]*seen, error) {
	api, err := p.engine.api()
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	listed, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: p.ours()})
	if err != nil {
		return nil, explain(err)
	}
	p.world.mu.Lock()
	before := p.world.all
	p.world.mu.Unlock()
	all := make(map[string]*seen, len(listed.Items))
	for _, item := range listed.Items {
		result, err := api.ContainerInspect(ctx, item.ID, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			continue // it was removed just now
		}
		if err != nil {
			return nil, explain(err)
		}
		if result.Container.Config == nil || result.Container.State == nil {
			continue
		}
		s := p.describe(result.Container)
		p.lastWords(ctx, s, before[s.instance])
		all[s.instance] = s
	}
	return all, nil
}

// ours chooses the containers of this server.
func (p *Platform) ours() client.Filters {
	return make(client.Filters).Add("label", labelServer+"="+p.server)
}
