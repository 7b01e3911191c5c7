package simulate

import (
	"slices"
	"strconv"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Revisions by the names that the simulation gives them.
const (
	old   = "r1"
	fresh = "r2"
)

// taskTime is how long a test takes; all of them pass.
const taskTime = 5 * time.Second

// zero is when the rollout begins. Nothing depends on the date.
var zero = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

func at(now time.Duration) time.Time { return zero.Add(now) }

// world is a make-believe platform and one proxy, which follows at once.
type world struct {
	start     time.Duration
	instances []deploy.Instance // sorted by name
	routing   deploy.Routing
	tasks     map[string]time.Duration // when they end
	results   map[string]deploy.TaskResult
	given     int

	seen  deploy.Observation // as long as nothing has changed
	known bool
	next  time.Duration // when something changes by itself
}

func newWorld(start time.Duration) *world {
	return &world{start: start, tasks: map[string]time.Duration{}, results: map[string]deploy.TaskResult{}}
}

// observe is what the core may know. inFlight is the number of unanswered requests of both revisions.
func (w *world) observe(now time.Duration, inFlight [2]int) deploy.Observation {
	if !w.known || now >= w.next {
		w.look(now)
	}
	o := w.seen
	o.Now = at(now)
	for _, i := range o.Instances { // all of a revision's are with its first instance: a drain waits for the last one anyway
		if i.Slot == 1 {
			b := o.Proxies[0].Backends[i.ID]
			b.InFlight = inFlight[side(i.Revision)]
			o.Proxies[0].Backends[i.ID] = b
		}
	}
	return o
}

// changes reports whether something will have changed by itself until then, or has without anybody having looked.
func (w *world) changes(until time.Duration) bool { return !w.known || w.next <= until }

func side(revision string) int {
	if revision == fresh {
		return canary
	}
	return stable
}

// look takes note of everything, and of when it will have to do so again.
func (w *world) look(now time.Duration) {
	w.known, w.next = true, time.Duration(1<<62)
	w.seen = deploy.Observation{Instances: slices.Clone(w.instances), Prepared: map[string]deploy.Prepared{old: {Ready: true}, fresh: {Ready: true}},
		Tasks: map[string]deploy.TaskResult{}}
	p := deploy.ProxyState{ID: "p", Epoch: "1", Version: w.routing.Version, Backends: map[string]deploy.BackendState{}}
	for _, i := range w.instances {
		b := deploy.BackendState{Address: i.Address, Health: deploy.Healthy}
		if ready := i.Started.Add(w.start).Sub(zero); now < ready {
			b.Health = deploy.Unhealthy
			w.next = min(w.next, ready)
		}
		p.Backends[i.ID] = b
	}
	for key, ends := range w.tasks {
		result := deploy.TaskResult{State: deploy.TaskPassed}
		if now < ends {
			result.State = deploy.TaskRunning
			w.next = min(w.next, ends)
		}
		w.seen.Tasks[key] = result
	}
	w.seen.Proxies = []deploy.ProxyState{p}
}

// do carries out what the core has decided.
func (w *world) do(now time.Duration, a deploy.Action) {
	switch a := a.(type) {
	case deploy.Start:
		w.given++
		w.instances = append(w.instances, deploy.Instance{ID: a.ID, Revision: a.Revision, Slot: a.Slot, State: deploy.Running,
			Address: "a" + strconv.Itoa(w.given), Started: at(now)})
		slices.SortFunc(w.instances, func(a, b deploy.Instance) int {
			return deploy.Number(a.Revision)*1000 + a.Slot - deploy.Number(b.Revision)*1000 - b.Slot
		})
	case deploy.Stop:
		w.instances = slices.DeleteFunc(w.instances, func(i deploy.Instance) bool { return i.ID == a.ID })
	case deploy.Publish:
		w.routing = a.Routing
	case deploy.Run:
		if _, begun := w.tasks[a.Key]; !begun {
			w.tasks[a.Key] = now + w.length(a.Task)
		}
	default:
		return
	}
	w.known = false
}

func (w *world) length(t deploy.Task) time.Duration {
	if t.Load != nil {
		return t.Load.Duration.D()
	}
	return taskTime
}

// share is the part of the traffic, from 0 to 1, that a revision answers now.
func (w *world) share(revision string) float64 {
	if !w.routing.Proportional {
		return float64(w.routing.Share(revision)) / float64(deploy.Whole)
	}
	n, all := 0, 0
	for _, m := range w.routing.Members {
		if m.Enabled {
			all++
			if m.Revision == revision {
				n++
			}
		}
	}
	return float64(n) / float64(max(1, all))
}
