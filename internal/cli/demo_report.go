//go:build linux

package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
	"github.com/naru-deploy/naru/internal/traffic"
)

// demoResult is how a scenario went.
type demoResult struct {
	Scenario string        `json:"scenario"`
	Strategy string        `json:"strategy"`
	Rollouts []demoRollout `json:"rollouts"`
	Problems []string      `json:"problems"` // empty: everything was as it should be
}

// demoRollout is one rollout, as naru and as its users saw it.
type demoRollout struct {
	From    string         `json:"from"` // version
	To      string         `json:"to"`
	Exit    int            `json:"exit"` // of naru deploy
	Receipt deploy.Receipt `json:"receipt"`
	Users   demoUsers      `json:"users"`

	load    traffic.Report
	members *traffic.SocketReport
}

// add takes a rollout over and finds out what should not have happened.
func (r *demoResult) add(one demoRollout, a act) {
	r.Rollouts = append(r.Rollouts, one)
	for _, p := range faultsOf(one, a) {
		r.Problems = append(r.Problems, fmt.Sprintf("%s %s to %s: %s", r.Scenario, one.From, one.To, p))
	}
}

// faultsOf compares a rollout with what was promised.
func faultsOf(r demoRollout, a act) (found []string) {
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	status := done
	if a.outcome != deploy.Promoted {
		status = undone
	}
	switch {
	case r.Exit != status || r.Receipt.Outcome != a.outcome:
		add("it was %s (exit %d), and should have been %s: %s", cmp.Or(words(r.Receipt.Outcome), "left open"), r.Exit, words(a.outcome), r.Receipt.Reason)
	case a.outcome == deploy.Promoted && r.load.Versions[a.version] == 0:
		add("no user was answered by %s", a.version)
	}
	if !r.Receipt.Complete {
		add("the receipt does not account for every request")
	}
	if n := r.Receipt.Requests.ByNaru; n > 0 {
		add("%d requests failed because of naru", n)
	}
	if r.members != nil {
		if err := r.members.Err(); err != nil {
			add("%v", err)
		}
	}
	return append(found, failuresOf(r, a)...)
}

// failuresOf says which user requests failed that should not have. What a bad version has itself answered is the price of
// finding it out; nothing else may fail.
func failuresOf(r demoRollout, a act) (found []string) {
	allowed, price := 0, func(traffic.Failure) bool { return false }
	if a.outcome != deploy.Promoted {
		allowed, price = int(r.Receipt.Requests.ByApp), func(f traffic.Failure) bool { return f.Version == a.version }
	}
	if r.load.Failed > allowed {
		found = append(found, fmt.Sprintf("%d of %d user requests failed, and no more than %d should have", r.load.Failed, r.load.Sent, allowed))
	}
	strange := slices.DeleteFunc(slices.Clone(r.load.Failures), price)
	for _, f := range strange[:min(len(strange), 3)] {
		found = append(found, fmt.Sprintf("a user saw: %v", f))
	}
	if n := r.load.Overflow; n > 0 {
		found = append(found, fmt.Sprintf("%d user requests were not sent, because too many waited for an answer", n))
	}
	return found
}

// rows are the lines of the table at the end.
func (r demoResult) rows() (rows [][]string) {
	for _, one := range r.Rollouts {
		failed := figure.Count(uint64(one.Users.Failed))
		switch q := one.Receipt.Requests; {
		case q.ByNaru > 0:
			failed += fmt.Sprintf(", %s by naru", figure.Count(q.ByNaru))
		case one.Receipt.Outcome == deploy.RolledBack && uint64(one.Users.Failed) == q.ByApp:
			failed += ", all answered by " + one.To
		case one.Users.WebSockets != nil:
			failed += fmt.Sprintf(", %s dropped", plural(one.Users.WebSockets.Dropped, "WebSocket"))
		}
		rows = append(rows, []string{r.Scenario, r.Strategy, one.From + " to " + one.To, words(one.Receipt.Outcome), figure.Count(uint64(one.Users.Requests)), failed})
	}
	return rows
}

// price is how many requests the bad versions have failed before they were found out.
func (r demoResult) price() (n uint64) {
	for _, one := range r.Rollouts {
		n += one.Receipt.Requests.ByApp
	}
	return n
}

// problems joins those of all scenarios.
func problems(results []demoResult) error {
	var all []error
	for _, r := range results {
		for _, p := range r.Problems {
			all = append(all, errors.New(p))
		}
	}
	return fmt.Errorf("the demo did not go as it should:\n%w", errors.Join(all...))
}
