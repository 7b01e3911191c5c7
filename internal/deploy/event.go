package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Event is something that has happened to a service, in words for people.
type Event struct {
	Time     time.Time `json:"time"`
	Service  string    `json:"service"`
	Rollout  string    `json:"rollout,omitempty"`
	Revision string    `json:"revision,omitempty"` // that it is about
	Step     int       `json:"step,omitempty"`     // counted from 1; 0 outside of steps
	Kind     EventKind `json:"kind"`
	Message  string    `json:"message"`
}

// EventKind names what has happened, for programs.
type EventKind string

const (
	EventBegun      EventKind = "begun"       // a rollout has begun
	EventStep       EventKind = "step"        // it goes to a step
	EventReached    EventKind = "reached"     // the step's picture is true
	EventTask       EventKind = "task"        // a task has begun
	EventPassed     EventKind = "passed"      // a task has passed
	EventFailed     EventKind = "failed"      // a task has failed
	EventPaused     EventKind = "paused"      // by hand, or for want of evidence
	EventResumed    EventKind = "resumed"     // the clocks go on
	EventApproval   EventKind = "approval"    // a person must agree
	EventNote       EventKind = "note"        // what the receipt will say aloud
	EventBack       EventKind = "back"        // the way back has begun
	EventDraining   EventKind = "draining"    // only what is left has to finish
	EventPromoted   EventKind = "promoted"    // how a rollout has ended
	EventRolledBack EventKind = "rolled_back" // likewise
	EventAborted    EventKind = "aborted"     // likewise
	EventOwed       EventKind = "owed"        // an obligation has been carried out
	EventServing    EventKind = "serving"     // an instance has proved healthy and is given requests
	EventRetired    EventKind = "retired"     // an instance is given no more
	EventDied       EventKind = "died"        // an instance that served has ended by itself
	EventHeld       EventKind = "held"        // requests wait from now on
	EventReleased   EventKind = "released"    // they are answered again
	EventScaled     EventKind = "scaled"      // another number of instances is wanted
	EventRemoved    EventKind = "removed"     // the service drains for good
	EventPinned     EventKind = "pinned"      // a revision is kept for good
	EventUnpinned   EventKind = "unpinned"    // it is kept no longer than others
	EventCleaned    EventKind = "cleaned"     // a revision that nobody needs was deleted
	EventDrilled    EventKind = "drilled"     // a rollback was tried out, without traffic
	EventBlind      EventKind = "blind"       // the platform cannot be asked, so the rollout waits
)

// Events says what has happened from one state of a service to the next: after a turn of the engine, or after a command.
func Events(before, after State, now time.Time) []Event {
	c := change{before: before, after: after, now: now}
	c.rollouts()
	c.members()
	c.holds()
	c.service()
	return c.events
}

// change collects the events between two states.
type change struct {
	before, after State
	now           time.Time
	events        []Event
}

// say adds an event; r is nil where no rollout has a part in it.
func (c *change) say(r *Rollout, kind EventKind, format string, a ...any) *Event {
	e := Event{Time: c.now, Service: c.after.Service, Kind: kind, Message: fmt.Sprintf(format, a...)}
	if r != nil {
		e.Rollout, e.Revision = r.ID, r.To
		if !r.Returning && r.Open() {
			e.Step = r.At + 1
		}
	}
	c.events = append(c.events, e)
	return &c.events[len(c.events)-1]
}

func (c *change) rollouts() {
	was, now := c.before.Rollout, c.after.Rollout
	switch {
	case now == nil:
	case was != nil && was.ID == now.ID:
		c.progress(*was, *now)
	default:
		if was != nil && was.Open() {
			c.say(was, EventAborted, "superseded by %s", now.To)
		}
		c.say(now, EventBegun, "from %s to %s, in %s", orNothing(now.From), now.To, plural(len(now.Forth), "step"))
		c.step(*now)
	}
}

// progress compares a rollout with itself.
func (c *change) progress(was, now Rollout) {
	if !was.Open() {
		return
	}
	for _, note := range now.Notes[min(len(was.Notes), len(now.Notes)):] {
		c.say(&now, EventNote, "%s", note)
	}
	c.tasks(was, now)
	switch {
	case now.Returning && !was.Returning:
		c.say(&now, EventBack, "back to %s: %s", orNothing(now.From), now.Reason)
	case !now.Returning && was.At != now.At:
		c.step(now)
	case !now.Returning && was.Reached.IsZero() && !now.Reached.IsZero() && !now.Passed:
		c.say(&now, EventReached, "step %s is reached: %s", now.Step().Name, traffic(c.after.Routing))
	}
	c.waits(was, now)
	if now.Passed && !was.Passed {
		c.say(&now, EventDraining, "waits for %s", now.Waiting)
	}
	if !now.Open() {
		c.end(now)
	}
}

// step announces the step that a rollout goes to.
func (c *change) step(r Rollout) {
	s := r.Step()
	var parts []string
	for _, g := range s.Picture.Groups {
		part := fmt.Sprintf("%s of %s", plural(g.Instances, "instance"), g.Revision)
		if g.Share != Proportional {
			part += " with " + g.Share.String()
		}
		parts = append(parts, part)
	}
	c.say(&r, EventStep, "step %d of %d (%s): %s", r.At+1, len(r.Forth), s.Name, strings.Join(parts, ", "))
}

func (c *change) tasks(was, now Rollout) {
	for at, step := range now.Forth {
		for i, task := range step.Gate.Tasks {
			key := now.TaskKey(at, i)
			result := now.Tasks[key]
			if result.State == was.Tasks[key].State {
				continue
			}
			switch result.State {
			case TaskRunning:
				c.say(&now, EventTask, "%s begins", task.Name)
			case TaskPassed:
				c.say(&now, EventPassed, "%s has passed", task.Name)
			case TaskFailed, TaskInterrupted:
				c.say(&now, EventFailed, "%s has failed: %s", task.Name, orElse(result.Reason, "it was interrupted"))
			}
		}
	}
}

// waits announces what only people can end.
func (c *change) waits(was, now Rollout) {
	switch paused, pausing := !was.PausedAt.IsZero(), !now.PausedAt.IsZero(); {
	case pausing && !paused:
		c.say(&now, EventPaused, "%s", now.Waiting)
	case paused && !pausing && !now.Returning:
		c.say(&now, EventResumed, "goes on")
	case now.Phase == Approval && was.Phase != Approval:
		c.say(&now, EventApproval, "waits for %s", now.Waiting)
	}
}

func (c *change) end(r Rollout) {
	switch r.Result {
	case Promoted:
		c.say(&r, EventPromoted, "%s serves", r.To)
	case RolledBack:
		c.say(&r, EventRolledBack, "%s serves: %s", orNothing(r.From), r.Reason)
	case Aborted:
		c.say(&r, EventAborted, "%s", r.Reason)
	}
}

// members compares who is given requests. Naru stops nothing that is: an enabled member that is gone has ended by itself.
func (c *change) members() {
	r := c.after.Rollout
	if r != nil && !r.Open() && (c.before.Rollout == nil || c.before.Rollout.Result == r.Result) {
		r = nil
	}
	say := func(m Member, kind EventKind, text string) { c.say(r, kind, "%s %s", m.ID, text).Revision = m.Revision }
	for _, m := range c.before.Routing.Members {
		switch now, there := c.after.Routing.Member(m.ID); {
		case !m.Enabled:
		case !there:
			say(m, EventDied, "has ended by itself")
		case now.Address != m.Address:
			say(m, EventDied, "has ended by itself and was started again")
		case !now.Enabled:
			say(m, EventRetired, "is given no more requests")
		}
	}
	for _, m := range c.after.Routing.Members {
		if was, _ := c.before.Routing.Member(m.ID); m.Enabled && !(was.Enabled && was.Address == m.Address) {
			say(m, EventServing, "is healthy and may be given requests")
		}
	}
}

// service compares what belongs to no rollout.
func (c *change) service() {
	for _, owed := range c.before.Obligations {
		if slices.ContainsFunc(c.after.Obligations, func(o Obligation) bool { return o.Kind == owed.Kind && o.Revision == owed.Revision }) {
			continue
		}
		text := "is no longer kept warm"
		if owed.Kind == UpdateStandby {
			text += fmt.Sprintf("; %s of %s", plural(owed.Instances, "instance"), orNothing(c.after.Stable))
		}
		c.say(nil, EventOwed, "%s %s", owed.Revision, text).Revision = owed.Revision
	}
	if c.after.Removed && !c.before.Removed {
		c.say(nil, EventRemoved, "drains for good")
	}
	for _, id := range c.after.Pins {
		if !slices.Contains(c.before.Pins, id) {
			c.say(nil, EventPinned, "%s is kept for good", id).Revision = id
		}
	}
	for _, id := range c.before.Pins {
		if !slices.Contains(c.after.Pins, id) && !c.after.Gone {
			c.say(nil, EventUnpinned, "%s is kept no longer than others", id).Revision = id
		}
	}
	_, open := c.after.Open()
	if !open && c.before.Stable == c.after.Stable && c.before.Instances != c.after.Instances {
		c.say(nil, EventScaled, "from %d to %s", c.before.Instances, plural(c.after.Instances, "instance"))
	}
}

// traffic writes the shares down as they are published.
func traffic(r Routing) string {
	var parts []string
	for _, s := range r.Splits {
		parts = append(parts, s.Revision+" "+s.Share.String())
	}
	return strings.Join(parts, ", ")
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
