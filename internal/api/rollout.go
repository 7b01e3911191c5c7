package api

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
	"github.com/naru-deploy/naru/internal/store"
)

// Rollout is a rollout, open or ended, as history and commands show it.
type Rollout struct {
	ID      string        `json:"id"`
	Service string        `json:"service"`
	From    string        `json:"from" doc:"Revision; empty for the first deploy of a service."`
	To      string        `json:"to" doc:"Revision."`
	Version string        `json:"version" doc:"Of the revision that it goes to."`
	By      string        `json:"by,omitempty" doc:"The command that began it: deploy, rollback or retry."`
	Message string        `json:"message,omitempty"`
	Who     string        `json:"who,omitempty" doc:"Who asked for it, as far as is known."`
	Phase   deploy.Phase  `json:"phase"`
	Step    int           `json:"step" doc:"Counted from 1; on the way back, of the way back."`
	Steps   int           `json:"steps"`
	Name    string        `json:"name" doc:"Of the step."`
	Weight  float64       `json:"weight" doc:"Percent of the traffic that the new revision is meant to get."`
	Outcome deploy.Result `json:"outcome,omitempty" doc:"promoted, rolled_back or aborted; absent while it is open."`
	Reason  string        `json:"reason" doc:"Why it went back."`
	Waiting string        `json:"waiting,omitempty"`
	Started time.Time     `json:"started"`
	Ended   time.Time     `json:"ended,omitzero"`
	Nothing bool          `json:"nothing,omitempty" doc:"There was nothing to do: the service is there already."`
	Receipt bool          `json:"receipt" doc:"Its receipt is there."`
	Kept    bool          `json:"kept" doc:"The revision that it goes to is kept, so one can roll back to it; false: it is gone."`
	Pinned  bool          `json:"pinned,omitempty" doc:"That revision is kept for good."`
}

// Open reports whether the rollout is under way.
func (r Rollout) Open() bool { return r.Outcome == "" && !r.Nothing }

func rollout(r deploy.Rollout, version, message string) Rollout {
	out := Rollout{ID: r.ID, Service: r.Service, From: r.From, To: r.To, Version: version, By: r.By, Message: message, Phase: r.Phase,
		Outcome: r.Result, Reason: r.Reason, Waiting: r.Waiting, Started: r.Created, Ended: r.Closed, Steps: len(r.Forth)}
	if r.Returning {
		out.Steps = len(r.Back)
	}
	if r.At < out.Steps {
		out.Step, out.Name, out.Weight = r.At+1, r.Step().Name, max(0, r.Weight()).Percent()
	}
	return out
}

// answered is what a command that begins a rollout says.
func answered(service string, a engine.Answer, message string) Rollout {
	if a.Nothing {
		return Rollout{Service: service, Version: a.Version, Nothing: true}
	}
	return rollout(a.Rollout, a.Version, message)
}

// Deployment asks for a version of a service.
type Deployment struct {
	Version string          `json:"version" doc:"What ${VERSION} stands for."`
	Service json.RawMessage `json:"service" doc:"The settings of the service, as naru.yaml has them; naru schema describes them."`
	Message string          `json:"message,omitempty" doc:"Kept in history."`
}

// Scaling asks for a number of instances.
type Scaling struct {
	Instances int `json:"instances"`
}

// Promotion says how much counts as passed.
type Promotion struct {
	Full bool `json:"full,omitempty" doc:"All remaining steps, not only the present one."`
}

// Word is what may be said along with an abort.
type Word struct {
	Reason string `json:"reason,omitempty" doc:"Why, for the receipt."`
}

// Return asks for an earlier revision.
type Return struct {
	Revision string `json:"revision,omitempty" doc:"Where to go; by default back from the open rollout, or to the revision before the present one."`
	Canary   bool   `json:"canary,omitempty" doc:"By the steps of the revision's strategy and judged; by default straight, since it was judged once."`
	Message  string `json:"message,omitempty" doc:"Kept in history."`
}

// Which names a revision.
type Which struct {
	Revision string `json:"revision,omitempty" doc:"Such as r7; for a drill it may be left out: where naru rollback would go."`
}

// Pins are the revisions that are kept for good.
type Pins struct {
	Service string   `json:"service"`
	Pinned  []string `json:"pinned"`
}

// Ending asks for the end of everything.
type Ending struct {
	Now bool `json:"now,omitempty" doc:"Do not wait for requests in flight."`
}

// Lists, as objects, so that something can be added to them.
type (
	services struct {
		Services []engine.Status `json:"services"`
	}
	revisions struct {
		Revisions []engine.KeptRevision `json:"revisions"`
	}
	rollouts struct {
		Rollouts []Rollout `json:"rollouts"`
	}
)

// history shows a stored rollout; the open one as it stands now.
func history(r store.Record, state deploy.State, kept []deploy.Revision) Rollout {
	of := r.Rollout
	if now := state.Rollout; now != nil && now.ID == r.Rollout.ID {
		of = *now
	}
	out := rollout(of, r.Version, r.Message)
	out.Who, out.Receipt = r.Who, r.Receipt != nil
	out.Kept = slices.ContainsFunc(kept, func(rev deploy.Revision) bool { return rev.ID == of.To })
	out.Pinned = slices.Contains(state.Pins, of.To)
	return out
}
