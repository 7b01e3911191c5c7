package config_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/naru-deploy/naru/internal/deploy"
)

// The generators below make settings that are right, with any part left out.

var (
	word     = rapid.StringMatching(`[ -~é]{1,8}`)
	commands = rapid.SliceOfN(rapid.SliceOfN(word, 1, 3), 0, 2)
	shares   = rapid.Map(rapid.IntRange(0, int(deploy.Whole)), func(n int) deploy.Share { return deploy.Share(n) })
	bakes    = rapid.Map(rapid.IntRange(0, 1e9), func(n int) deploy.Duration { return deploy.Duration(n) * deploy.Duration(time.Microsecond) })
	seconds  = rapid.Map(rapid.IntRange(0, 100), func(n int) deploy.Duration { return deploy.Duration(time.Duration(n) * time.Second) })
)

func validService(t *rapid.T) deploy.Service {
	s := deploy.Service{
		Instances:    rapid.IntRange(0, 1000).Draw(t, "instances"),
		Process:      &deploy.Process{Command: rapid.SliceOfN(word, 1, 3).Draw(t, "command"), Dir: rapid.SampledFrom([]string{"", "/srv", "x"}).Draw(t, "dir")},
		DrainTimeout: seconds.Draw(t, "drain"),
		HoldTimeout:  bakes.Draw(t, "hold"),
		MaxOverload:  rapid.SampledFrom([]float64{0, 1, 1.1, 2, 1e21}).Draw(t, "overload"),
		Balance:      rapid.SampledFrom([]string{"", "least_request", "round_robin", "random"}).Draw(t, "balance"),
		Retries:      deploy.Retries{Attempts: rapid.Ptr(rapid.IntRange(0, 10), true).Draw(t, "attempts"), Budget: rapid.Ptr(shares, true).Draw(t, "budget")},
		Keep:         deploy.Keep{Revisions: rapid.SampledFrom([]int{0, 2, 1000}).Draw(t, "kept"), Age: seconds.Draw(t, "age")},
		Limits:       deploy.Limits{Body: deploy.Size(rapid.Int64Range(0, 1<<40).Draw(t, "body"))},
	}
	s.Process.Env = environment.Draw(t, "env")
	if rapid.Bool().Draw(t, "docker") {
		s.Process, s.Docker = nil, new(docker.Draw(t, "docker"))
	}
	if rapid.Bool().Draw(t, "worker") {
		if s.Docker != nil {
			s.Docker.Port = 0
		}
		s.Port = "none"
		s.Strategy.Rolling = rapid.Ptr(rolling, true).Draw(t, "rolling")
		return s
	}
	s.Hosts = rapid.SliceOfNDistinct(rapid.StringMatching(`(\*\.)?[a-z]{1,5}\.test`), 0, 3, rapid.ID[string]).Draw(t, "hosts")
	s.Path = rapid.SampledFrom([]string{"", "/", "/a", "/a/b.c"}).Draw(t, "path")
	s.Health = rapid.SampledFrom([]deploy.Health{{}, {TCP: true}, {HTTP: "/h?x=é"[:5]}, {GRPC: new("")}, {GRPC: new("shop")}, {Command: []string{"./ok"}}}).Draw(t, "health")
	s.Affinity = rapid.SampledFrom([]deploy.Affinity{{}, {By: "cookie"}, {By: "client_ip", Sticky: true}, {By: "header X-User"}}).Draw(t, "affinity")
	s.Strategy = strategy(t)
	s.Analysis = analysis(t)
	return s
}

var environment = rapid.MapOfN(rapid.StringMatching(`[A-Za-z_]{1,3}[0-9]`), rapid.Custom(func(t *rapid.T) deploy.Variable {
	switch rapid.SampledFrom([]string{"text", "reference", "file", "command"}).Draw(t, "form") {
	case "reference":
		return deploy.Variable{Text: "${VERSION}-${env:HOME}-$${env:x}"}
	case "file":
		return deploy.Variable{File: rapid.SampledFrom([]string{"/run/secrets/db", "db", "é $x"}).Draw(t, "file")}
	case "command":
		return deploy.Variable{Command: rapid.SliceOfN(word, 1, 3).Draw(t, "command")}
	}
	return deploy.Variable{Text: rapid.String().Filter(noNUL).Draw(t, "text")}
}), 0, 3)

var docker = rapid.Custom(func(t *rapid.T) deploy.Docker {
	return deploy.Docker{
		Image:   rapid.SampledFrom([]string{"a", "r.test:5000/a/b:${VERSION}", "a@sha256:0"}).Draw(t, "image"),
		Port:    rapid.IntRange(1, 65535).Draw(t, "port"),
		Command: rapid.SliceOfN(word, 0, 3).Draw(t, "command"),
		Env:     environment.Draw(t, "env"),
		EnvFile: rapid.SampledFrom([]string{"", "/srv/env", "x"}).Draw(t, "env_file"),
		Volumes: rapid.SampledFrom([][]string{nil, {"./a:/a"}, {"data:/a:ro", "/b:/b"}}).Draw(t, "volumes"),
		Memory:  deploy.Size(rapid.SampledFrom([]int64{0, 6 << 20, 1e9}).Draw(t, "memory")),
		CPUs:    rapid.SampledFrom([]float64{0, 0.01, 2}).Draw(t, "cpus"),
		User:    rapid.SampledFrom([]string{"", "1000:1000"}).Draw(t, "user"),
		Labels:  rapid.MapOfN(rapid.StringMatching(`[a-z]{1,5}`), rapid.String(), 0, 2).Draw(t, "labels"),
		Pull:    rapid.SampledFrom([]string{"", "missing", "always", "never"}).Draw(t, "pull"),
	}
})

func noNUL(s string) bool {
	for _, r := range s {
		if r == 0 {
			return false
		}
	}
	return true
}

var rolling = rapid.Custom(func(t *rapid.T) deploy.RollingOptions {
	return deploy.RollingOptions{MaxSurge: rapid.Ptr(rapid.IntRange(1, 9), true).Draw(t, "surge"), Bake: rapid.Ptr(bakes, true).Draw(t, "bake")}
})

func analysis(t *rapid.T) deploy.Analysis {
	part := func(least, most int) *rapid.Generator[*deploy.Share] {
		return rapid.Ptr(rapid.Map(rapid.IntRange(least, most), func(n int) deploy.Share { return deploy.Share(n) }), true)
	}
	a := deploy.Analysis{
		Enabled:      rapid.Ptr(rapid.Bool(), true).Draw(t, "enabled"),
		Alpha:        part(1, 5000).Draw(t, "alpha"),
		Margins:      deploy.Margins{Errors: part(1, 10000).Draw(t, "margin"), Latency: part(0, 10000).Draw(t, "slower")},
		Objectives:   deploy.Objectives{Errors: part(1, 9999).Draw(t, "errors"), P99: rapid.SampledFrom([]deploy.Duration{0, 100_000, 250_000_000}).Draw(t, "p99")},
		Streams:      rapid.Permutation(deploy.Streams).Draw(t, "streams")[rapid.IntRange(0, 2).Draw(t, "off"):],
		HangDeadline: seconds.Draw(t, "hang") / 2,
	}
	if rapid.Bool().Draw(t, "all streams") {
		a.Streams = nil
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z한]{1,4} [0-9]`), 0, 3, rapid.ID[string]).Draw(t, "sources") {
		a.Sources = append(a.Sources, source(t, name))
	}
	return a
}

func source(t *rapid.T, name string) deploy.Source {
	number := rapid.Ptr(rapid.Float64(), true)
	s := deploy.Source{Name: name, Interval: seconds.Draw(t, "interval"), Timeout: seconds.Draw(t, "timeout"),
		Breaches: rapid.IntRange(0, 9).Draw(t, "breaches"), Required: rapid.Ptr(rapid.Bool(), true).Draw(t, "required"),
		Max: number.Draw(t, "max"), MaxRatio: rapid.Ptr(rapid.Float64Range(1e-9, 1e9), true).Draw(t, "max_ratio")}
	if s.Max == nil && s.MaxRatio == nil {
		s.Min = new(rapid.Float64().Draw(t, "min"))
	}
	switch rapid.SampledFrom([]string{"prometheus", "webhook", "command"}).Draw(t, "kind") {
	case "prometheus":
		s.Prometheus = &deploy.PrometheusQuery{URL: "https://u:p@[::1]:9090/x?y=é", Query: "up{a=\"${VERSION}\"}" + word.Draw(t, "query")}
	case "webhook":
		s.Webhook = &deploy.Webhook{URL: "http://a.test", Headers: rapid.MapOfN(rapid.StringMatching(`x-[a-z]{1,3}`), word, 0, 2).Draw(t, "headers")}
	default:
		s.Command = rapid.SliceOfN(word, 1, 3).Draw(t, "command")
	}
	return s
}

func strategy(t *rapid.T) deploy.Strategy {
	switch rapid.SampledFrom([]string{"none", "rolling", "blue_green", "canary"}).Draw(t, "strategy") {
	case "rolling":
		return deploy.Strategy{Rolling: new(rolling.Draw(t, "rolling"))}
	case "blue_green":
		b := deploy.BlueGreenOptions{Tests: commands.Draw(t, "tests"), Bake: rapid.Ptr(bakes, true).Draw(t, "bake"), ScaleDownDelay: seconds.Draw(t, "delay"),
			Standby: rapid.SampledFrom([]string{"", "stop", "update"}).Draw(t, "standby"), Approve: rapid.Bool().Draw(t, "approve")}
		if rapid.Bool().Draw(t, "load") {
			b.LoadTest = &deploy.LoadTest{Rate: rapid.IntRange(1, 100000).Draw(t, "rate"), Duration: 1 + seconds.Draw(t, "duration"), Errors: rapid.Ptr(shares, true).Draw(t, "errors")}
		}
		return deploy.Strategy{BlueGreen: &b}
	case "canary":
		return deploy.Strategy{Canary: &deploy.CanaryOptions{Steps: steps(t), Bake: rapid.Ptr(bakes, true).Draw(t, "bake")}}
	}
	return deploy.Strategy{}
}

func steps(t *rapid.T) []deploy.CanaryStep {
	var all []deploy.CanaryStep
	for weight := 0; weight < int(deploy.Whole); {
		weight = rapid.IntRange(max(weight, 1), int(deploy.Whole)).Draw(t, "weight")
		if len(all) == 5 {
			weight = int(deploy.Whole)
		}
		all = append(all, deploy.CanaryStep{Weight: deploy.Share(weight), Bake: rapid.Ptr(bakes, true).Draw(t, "bake"), Approve: rapid.Bool().Draw(t, "approve"),
			Tests: commands.Draw(t, "tests"), Match: rapid.SampledFrom([][]deploy.Match{nil, {{Header: "X-A", Value: "1"}, {Cookie: "b"}}}).Draw(t, "match")})
	}
	return all
}
