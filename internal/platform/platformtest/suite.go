// Package platformtest is the suite that every platform passes: what the port promises, tried on real programs.
package platformtest

import (
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// Setup is a platform under test, with no instance on it.
type Setup struct {
	Platform platform.Platform
	// Again returns the platform as a controller that was just restarted sees it.
	Again func() platform.Platform
	// Service returns settings that run a program with arguments. ${…} in these is filled in by the platform.
	Service func(p Program, args ...string) deploy.Service
	// Ports is the range that instances may use.
	Ports deploy.PortSpan
	// Dir is the folder in which the platform keeps its files.
	Dir string
}

// Run runs the suite; each test gets a Setup of its own from make, which ends whatever the test leaves.
func Run(t *testing.T, make func(*testing.T) Setup) {
	tests := []struct {
		name string
		run  func(*world)
	}{
		{"a started instance is listed and serves, a stopped one is gone", startAndStop},
		{"starting twice is starting once", startTwice},
		{"an exit is listed with its last words and counted", exit},
		{"a stop forgets the exits", stopForgets},
		{"a program that does not exist is refused in words", missing},
		{"an instance that ignores the signal is stopped by force", force},
		{"stopping what does not exist, or many times at once, is no error", stopTwice},
		{"a stop that meets a start leaves nothing running", stopMeetsStart},
		{"a list is of one service or of all", listService},
		{"instances started at the same time have different addresses", addresses},
		{"a worker has no address", worker},
		{"placeholders and variables are filled in", placeholders},
		{"a log is read whole, in part, and after the end", logs},
		{"a log is followed", follow},
		{"a log that nobody kept is an error", noLog},
		{"a revision is removed when nothing runs of it", remove},
		{"what is kept of a revision is listed until it is removed", holdings},
		{"a sweep takes nothing that anybody uses, and old logs", sweep},
		{"a restarted controller finds every instance", adopt},
		{"a context that has ended ends the waiting", cancelled},
		{"secrets reach the program and nobody else", secrets},
		{"a secret that is missing is refused before anything starts", missingSecret},
		{"a secret that was changed is told of, and used by the next start", changedSecret},
		{"no reason repeats a secret", redacted},
		{"who only looks at secrets runs no command", glance},
		{"a command is asked at Prepare for the start that follows", early},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(&world{T: t, Setup: make(t)}) })
	}
}
