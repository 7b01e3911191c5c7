package deploy

import (
	"strconv"
	"time"
)

// Phase is what an open rollout is doing.
type Phase string

const (
	Starting    Phase = "starting"
	Tasking     Phase = "tasks"
	Baking      Phase = "baking"
	Analysing   Phase = "analysing"
	Approval    Phase = "approval"
	Paused      Phase = "paused"
	RollingBack Phase = "rolling_back"
	Draining    Phase = "draining"
	Ended       Phase = "ended"
)

// Result is how a rollout ended; empty while it is open.
type Result string

const (
	Promoted   Result = "promoted"
	RolledBack Result = "rolled_back"
	Aborted    Result = "aborted"
)

// Rollout is the move from one revision to another. It is a value: Advance and Apply return a changed copy.
type Rollout struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	From    string `json:"from"` // empty for the first deploy of a service
	To      string `json:"to"`
	By      string `json:"by,omitempty"` // the command that began it: deploy, rollback, retry

	Straight bool `json:"straight,omitempty"` // to a revision that is known to be good, without its strategy's steps

	Forth []Step  `json:"forth,omitempty"`
	Back  []Step  `json:"back,omitempty"`
	Start Picture `json:"start,omitzero"` // how the traffic stood when it began
	Rest  Picture `json:"rest,omitzero"`  // held after promotion
	Home  Picture `json:"home,omitzero"`  // held after the way back

	Owed []Obligation `json:"owed,omitempty"` // what the service owes once it is promoted

	At        int      `json:"at,omitempty"`
	Phase     Phase    `json:"phase,omitempty"`
	Returning bool     `json:"returning,omitempty"`
	Passed    bool     `json:"passed,omitempty"` // the last gate has passed: only the drain is left
	Result    Result   `json:"result,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Waiting   string   `json:"waiting,omitempty"` // what it waits for, for people
	Notes     []string `json:"notes,omitempty"`   // what the receipt must say aloud
	Figures   []Figure `json:"figures,omitempty"` // what the analysis says now

	Judged      []Judgement `json:"judged,omitempty"`       // what the analysis has said of the steps, in the order in which they were left
	Asked       bool        `json:"asked,omitempty"`        // the last of Judged is about the present stay in this step
	SteppedBack bool        `json:"stepped_back,omitempty"` // a step was taken back because stable suffered: it is not done twice
	FrozenAt    time.Time   `json:"frozen_at,omitzero"`     // since when the analysis lets nothing be promoted; zero: it does

	Created time.Time `json:"created"`
	Entered time.Time `json:"entered,omitzero"` // since when the present picture has not been true: the deadline runs from here
	Reached time.Time `json:"reached,omitzero"` // since when it has been true: the bake runs from here
	Watched time.Time `json:"watched,omitzero"` // since when this controller has been watching: no start counts from before
	Closed  time.Time `json:"closed,omitzero"`

	Tasks    map[string]TaskResult `json:"tasks,omitempty"`
	Skip     bool                  `json:"skip,omitempty"`     // promote: bake, approval and missing evidence of this gate count as passed
	SkipAll  bool                  `json:"skip_all,omitempty"` // promote --full
	PausedAt time.Time             `json:"paused_at,omitzero"` // zero: not paused
	Giving   bool                  `json:"giving,omitempty"`   // a person said abort: the outcome is aborted, not rolled back
	Sick     time.Time             `json:"sick,omitzero"`      // since when the serving canary has had no healthy instance
	Served   bool                  `json:"served,omitempty"`   // the canary has served healthily in this step

	Held        time.Duration `json:"held,omitempty"`         // how long requests have been held for it
	Return      time.Duration `json:"return,omitempty"`       // what stable takes to start, measured, where it must end before the candidate starts
	StopTimeout time.Duration `json:"stop_timeout,omitempty"` // how long the candidate may take to end, likewise

	StartTimeout  time.Duration `json:"start_timeout,omitempty"`  // until a new instance must be healthy
	ProbeInterval time.Duration `json:"probe_interval,omitempty"` // three of them without a healthy canary are a failing verdict
}

// Open reports whether the rollout is still under way.
func (r Rollout) Open() bool { return r.Result == "" }

// Step returns the step that the rollout is in; on the way back, the step of the way back.
func (r Rollout) Step() Step {
	if r.Returning {
		return r.Back[r.At]
	}
	return r.Forth[r.At]
}

// Picture is what the rollout wants of the world now.
func (r Rollout) Picture() Picture {
	p := r.picture()
	p.Rollout = r.ID
	return p
}

func (r Rollout) picture() Picture {
	switch {
	case r.Passed && r.Returning:
		return r.Home
	case r.Passed:
		return r.Rest
	case r.Returning || r.tasksDone():
		return r.Step().Picture
	case r.At > 0:
		return r.Step().Picture.withShares(r.Forth[r.At-1].Picture)
	}
	p := r.Step().Picture.withShares(r.Start)
	if r.From == "" { // nobody takes over what nobody answers before the first version has passed its tests
		p.Stable = ""
	}
	return p
}

// TaskKey names a task of a rollout, the same over restarts of the controller.
func (r Rollout) TaskKey(step, task int) string {
	return r.ID + "/" + strconv.Itoa(step) + "/" + strconv.Itoa(task)
}

// tasksDone reports whether the picture's traffic may be given: no task is left that could say no.
func (r Rollout) tasksDone() bool {
	for i := range r.Step().Gate.Tasks {
		if r.Tasks[r.TaskKey(r.At, i)].State != TaskPassed {
			return false
		}
	}
	return true
}

// Weight is the canary's part of the random traffic that the present picture gives it.
func (r Rollout) Weight() Share {
	if r.Returning {
		return 0
	}
	return r.Picture().Share(r.To)
}

// thaw moves the clocks of bake and deadline by a time that does not count.
func (r Rollout) thaw(d time.Duration) Rollout {
	r.Entered = r.Entered.Add(d)
	if !r.Reached.IsZero() {
		r.Reached = r.Reached.Add(d)
	}
	if !r.FrozenAt.IsZero() {
		r.FrozenAt = r.FrozenAt.Add(d)
	}
	return r
}

// Resumed returns the rollout as a controller finds it that has just been started. What happened while nobody watched
// is held against nobody: the deadline and the time to start begin anew, and so does the judgement of a canary's health.
// Bake time goes on where the picture is still true.
func (r Rollout) Resumed(now time.Time) Rollout {
	if !r.Open() {
		return r
	}
	if !r.PausedAt.IsZero() {
		r = r.thaw(now.Sub(r.PausedAt))
		r.PausedAt = now
	}
	r.Entered, r.Watched = now, now
	r.Served, r.Sick = false, time.Time{}
	return r
}

// turnBack sends the rollout where it came from. It happens once: a way back is never itself rolled back.
func (r Rollout) turnBack(now time.Time, reason string) Rollout {
	r.Returning, r.At, r.Reason = true, 0, reason
	r.Entered, r.Reached, r.PausedAt, r.FrozenAt = now, time.Time{}, time.Time{}, time.Time{}
	r.Phase, r.Waiting = RollingBack, "stable to take everything back"
	return r
}

// enter begins a step of the way forth.
func (r Rollout) enter(at int, now time.Time) Rollout {
	r.At, r.Entered, r.Reached = at, now, time.Time{}
	r.Skip, r.Served, r.Asked, r.Sick, r.FrozenAt = false, false, false, time.Time{}, time.Time{}
	r.Phase, r.Waiting = Starting, ""
	return r
}
