package deploy

import (
	"strconv"
	"time"
)

// eye is a proxy.
type eye struct {
	ID       string
	epoch    int
	routing  Routing
	queue    []Routing // on its way
	lag      int
	stuck    int // ticks in which it takes over nothing
	inFlight map[string]int
	endless  map[string]bool      // instances with a request that never ends
	probed   map[string]time.Time // address: when its first probe has ended
}

// restart empties a proxy: it knows nothing until it is told, and nobody's health until it has probed.
func (p *eye) restart() {
	p.epoch++
	p.routing, p.queue, p.inFlight, p.endless, p.probed = Routing{}, nil, map[string]int{}, map[string]bool{}, map[string]time.Time{}
}

// see is what a proxy says at this moment.
func (w *world) see(p *eye) ProxyState {
	s := ProxyState{ID: p.ID, Epoch: strconv.Itoa(p.epoch), Version: p.routing.Version, Backends: make(map[string]BackendState, len(p.routing.Members))}
	for _, m := range p.routing.Members {
		b := BackendState{Address: m.Address, Health: Unhealthy, InFlight: p.inFlight[m.ID]}
		switch {
		case w.now.Before(p.probed[m.Address]):
			b.Health = Unknown
		case w.well(m.ID, m.Address):
			b.Health = Healthy
		}
		s.Backends[m.ID] = b
	}
	return s
}

// serve lets a proxy take over what has reached it, and its requests begin and end. One in fifty never ends.
func (w *world) serve(p *eye) {
	if p.stuck > 0 {
		p.stuck--
	} else if len(p.queue) > 0 && (p.lag == 0 || w.rnd.IntN(p.lag) == 0) {
		w.takeOver(p, p.queue[len(p.queue)-1])
		p.queue = nil
	}
	for _, m := range p.routing.Members {
		n, well := p.inFlight[m.ID], w.well(m.ID, m.Address)
		if n > 0 && (!p.endless[m.ID] || !well) {
			n--
		}
		if m.Enabled && well && p.routing.Share(m.Revision) > 0 {
			n = min(9, n+w.rnd.IntN(3))
			if w.rnd.IntN(50) == 0 {
				p.endless[m.ID] = true
			}
		}
		p.inFlight[m.ID] = n
	}
}

func (w *world) takeOver(p *eye, r Routing) {
	p.routing = r
	for _, m := range r.Members {
		if _, known := p.probed[m.Address]; !known {
			p.probed[m.Address] = w.now.Add(time.Duration(w.rnd.IntN(3)) * tick)
		}
	}
}
