package deploy

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Normalise returns a copy of s in which everything left out has its default; s and the copy share no memory.
// It repairs nothing: what is wrong stays wrong and is found by Validate. Normalising twice changes nothing more.
//
// A worker (port: none) is probed only when it says how: without a command its Health names no probe, which
// means that an instance counts as healthy for as long as it stays alive. It has no path, and its analysis is
// off, because there is no request to judge by.
func (s Service) Normalise() Service {
	s.Hosts = copyList(s.Hosts)
	if !s.Worker() {
		s.Path = cmp.Or(s.Path, "/")
	}
	s.Instances = cmp.Or(s.Instances, 1)
	if s.Process != nil {
		s.Process = new(s.Process.normalise())
	}
	if s.Docker != nil {
		s.Docker = new(s.Docker.normalise())
	}
	s.Health = s.Health.normalise(s.Worker())
	s.DrainTimeout = cmp.Or(s.DrainTimeout, Duration(30*time.Second))
	s.StopTimeout = cmp.Or(s.StopTimeout, Duration(10*time.Second))
	s.HoldTimeout = cmp.Or(s.HoldTimeout, Duration(10*time.Second))
	s.Deadline = cmp.Or(s.Deadline, Duration(10*time.Minute))
	s.MaxOverload = cmp.Or(s.MaxOverload, 2)
	s.Balance = cmp.Or(s.Balance, "least_request")
	s.Affinity.By = cmp.Or(s.Affinity.By, "none")
	s.Retries = Retries{Attempts: given(s.Retries.Attempts, 2), Budget: given(s.Retries.Budget, 20*Whole/100)}
	s.Limits.ResponseTimeout = cmp.Or(s.Limits.ResponseTimeout, Duration(time.Minute))
	s.Keep = s.Keep.normalise()
	if s.Bake = copied(s.Bake); s.Exclusive {
		s.Bake = given(s.Bake, exclusiveBake)
	}
	if !s.Exclusive || s.Strategy != (Strategy{}) {
		s.Strategy = s.Strategy.normalise()
	}
	s.Analysis = s.Analysis.normalise(s.Worker())
	return s
}

func (p Process) normalise() Process {
	p.Command = copyList(p.Command)
	p.Dir = cmp.Or(p.Dir, ".")
	p.Env = copyVariables(p.Env)
	return p
}

// normalise keeps an empty command: it names a kind of check, a wrong one, and must not turn into the default.
func (h Health) normalise(worker bool) Health {
	h.Command = slices.Clone(h.Command)
	h.GRPC = copied(h.GRPC)
	if h.kinds() == 0 && !worker {
		h.TCP = true
	}
	h.Interval = cmp.Or(h.Interval, Duration(time.Second))
	h.Timeout = cmp.Or(h.Timeout, Duration(time.Second))
	h.StartTimeout = cmp.Or(h.StartTimeout, Duration(30*time.Second))
	return h
}

// kinds counts the ways in which h wants to be probed; one is right.
func (h Health) kinds() int {
	n := 0
	for _, given := range []bool{h.HTTP != "", h.TCP, h.GRPC != nil, h.Command != nil} {
		if given {
			n++
		}
	}
	return n
}

func (s Strategy) normalise() Strategy {
	if s == (Strategy{}) {
		s.Rolling = &RollingOptions{}
	}
	if s.Rolling != nil {
		s.Rolling = new(s.Rolling.normalise())
	}
	if s.BlueGreen != nil {
		s.BlueGreen = new(s.BlueGreen.normalise())
	}
	if s.Canary != nil {
		s.Canary = new(s.Canary.normalise())
	}
	return s
}

func (r RollingOptions) normalise() RollingOptions {
	r.MaxSurge = given(r.MaxSurge, 1)
	r.Bake = given(r.Bake, Duration(5*time.Second))
	return r
}

func (b BlueGreenOptions) normalise() BlueGreenOptions {
	b.Tests = copyLists(b.Tests)
	b.TestTimeout = cmp.Or(b.TestTimeout, Duration(5*time.Minute))
	if b.LoadTest != nil {
		l := *b.LoadTest
		l.Path = cmp.Or(l.Path, "/")
		l.Errors = given(l.Errors, 0)
		b.LoadTest = &l
	}
	b.Bake = given(b.Bake, Duration(time.Minute))
	b.Standby = cmp.Or(b.Standby, "stop")
	return b
}

func (c CanaryOptions) normalise() CanaryOptions {
	c.Steps = copyList(c.Steps)
	for i, step := range c.Steps {
		step.Match = copyList(step.Match)
		step.Tests = copyLists(step.Tests)
		step.Bake = copied(step.Bake)
		c.Steps[i] = step
	}
	c.Bake = given(c.Bake, Duration(30*time.Second))
	c.TestTimeout = cmp.Or(c.TestTimeout, Duration(5*time.Minute))
	return c
}

// normalise keeps an empty list of streams: it asks for something that cannot be done, and must not turn into the default.
func (a Analysis) normalise(worker bool) Analysis {
	a.Enabled = given(a.Enabled, !worker)
	a.Alpha = given(a.Alpha, Whole/100)
	a.Margins = Margins{Errors: given(a.Margins.Errors, Whole/2000), Latency: given(a.Margins.Latency, Whole/40)}
	if a.Streams == nil {
		a.Streams = Streams
	}
	a.Streams = slices.Clone(a.Streams)
	// Without the guardrail nothing is held against the objectives, and an invented one would only puzzle people.
	if a.Objectives.Errors != nil || slices.Contains(a.Streams, StreamGuardrail) {
		a.Objectives.Errors = given(a.Objectives.Errors, Whole/100)
	}
	a.Sources = copyList(a.Sources)
	for i, s := range a.Sources {
		a.Sources[i] = s.normalise()
	}
	a.OnInsufficient = cmp.Or(a.OnInsufficient, "promote")
	return a
}

// normalise keeps an empty command for the same reason as Health does.
func (s Source) normalise() Source {
	s.Prometheus = copied(s.Prometheus)
	if s.Webhook = copied(s.Webhook); s.Webhook != nil {
		s.Webhook.Headers = maps.Clone(s.Webhook.Headers)
		if len(s.Webhook.Headers) == 0 {
			s.Webhook.Headers = nil
		}
	}
	s.Command = slices.Clone(s.Command)
	s.Max, s.Min, s.MaxRatio, s.MinRatio = copied(s.Max), copied(s.Min), copied(s.MaxRatio), copied(s.MinRatio)
	s.Interval = cmp.Or(s.Interval, Duration(10*time.Second))
	s.Timeout = cmp.Or(s.Timeout, Duration(5*time.Second))
	s.Breaches = cmp.Or(s.Breaches, 3)
	s.Required = given(s.Required, true)
	return s
}

// copied returns a fresh pointer to what p points to, or nil.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// given returns a fresh pointer to what p points to, or to fallback when p is nil.
func given[T any](p *T, fallback T) *T {
	if p != nil {
		fallback = *p
	}
	return &fallback
}

// copyList copies a list; an empty one becomes nil, so that settings compare equal after a way through JSON.
func copyList[T any](list []T) []T {
	return append([]T(nil), list...)
}

func copyLists(lists [][]string) [][]string {
	lists = copyList(lists)
	for i := range lists {
		lists[i] = copyList(lists[i])
	}
	return lists
}
