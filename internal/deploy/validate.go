package deploy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Problem is something wrong in the settings of a service.
type Problem struct {
	Path    string `json:"path"`    // where, from the service down: "strategy.canary.steps[2].weight"
	Message string `json:"message"` // what is wrong, and what would be right
}

// Bounds that keep a slip of the keyboard from becoming a surprise.
const (
	maxInstances = 1000
	maxDuration  = Duration(365 * 24 * time.Hour)
	maxBody      = Size(1 << 40)
)

// Validate returns everything that is wrong with normalised settings, in the order of the file's reference;
// nothing when they can be carried out.
func (s Service) Validate() []Problem {
	var p problems
	s.validateRoute(&p)
	switch {
	case s.Instances < 1 || s.Instances > maxInstances:
		p.add("instances", "%d instances: the number must be from 1 to %d", s.Instances, maxInstances)
	case s.Exclusive && s.Instances != 1:
		p.add("instances", "%d instances of a program that cannot run twice (exclusive: true): leave it out, there is 1", s.Instances)
	}
	s.validateProgram(&p)
	s.Health.validate(&p, s.Worker())
	s.validateRequests(&p)
	s.Keep.validate(&p)
	s.validateStrategy(&p)
	s.validateAnalysis(&p)
	return p
}

// problems collects what is wrong; a method that finds fault goes on looking.
type problems []Problem

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// positive wants a duration of more than nothing.
func (p *problems) positive(path string, d Duration) {
	if d <= 0 {
		p.add(path, "must be more than 0")
		return
	}
	p.bounded(path, d)
}

// bounded allows 0. The upper bound leaves room for sums and multiples of durations without overflow.
func (p *problems) bounded(path string, d Duration) {
	if d < 0 {
		p.add(path, "must not be negative")
	}
	if d > maxDuration {
		p.add(path, "%s is longer than a year", d)
	}
}

func (p *problems) share(path string, s *Share) {
	if s != nil && (*s < 0 || *s > Whole) {
		p.add(path, "must be a percentage from 0%% to 100%%")
	}
}

func (p *problems) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add(path, "%q is not known here: write one of %s", value, strings.Join(allowed, ", "))
	}
}

// command wants a program first. No argument may hold a NUL byte: the system would cut it there.
func (p *problems) command(path string, command []string) {
	if len(command) == 0 || command[0] == "" {
		p.add(path, "the command is empty: write the program and its arguments, such as [./check.sh, --quick]")
		return
	}
	for i, word := range command {
		at := fmt.Sprintf("%s[%d]", path, i)
		if strings.ContainsRune(word, 0) {
			p.add(at, "holds a NUL character, which no program can be given")
		}
		p.exposed([]filled{{at, word}})
	}
}

func (p *problems) commands(path string, commands [][]string) {
	for i, c := range commands {
		p.command(fmt.Sprintf("%s[%d]", path, i), c)
	}
}

func (h Health) validate(p *problems, worker bool) {
	switch n := h.kinds(); {
	case n > 1:
		p.add("health", "%d kinds of check are given: keep one of http, tcp, grpc and command", n)
	case n == 0 && !worker:
		p.add("health", "no check is given: write one of http, tcp, grpc and command")
	case worker && n == 1 && h.Command == nil:
		p.add("health", "a worker (port: none) cannot be reached by http, tcp or grpc: write a command, or leave it out to watch that the process stays alive")
	}
	if h.HTTP != "" {
		p.target("health.http", h.HTTP)
	}
	if h.Command != nil {
		p.command("health.command", h.Command)
	}
	p.positive("health.interval", h.Interval)
	p.positive("health.timeout", h.Timeout)
	p.positive("health.start_timeout", h.StartTimeout)
}
