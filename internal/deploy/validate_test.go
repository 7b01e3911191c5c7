package deploy_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

const day = deploy.Duration(24 * time.Hour)

// sound is settings without fault, for tests to break.
func sound() deploy.Service {
	return deploy.Service{Instances: 4, Process: &deploy.Process{Command: []string{"./a", "${VERSION}"}}}
}

func canary(steps ...deploy.CanaryStep) deploy.Strategy {
	return deploy.Strategy{Canary: &deploy.CanaryOptions{Steps: steps}}
}

func blueGreen(b deploy.BlueGreenOptions) deploy.Strategy { return deploy.Strategy{BlueGreen: &b} }

func rolling(surge, unavailable int) deploy.Strategy {
	return deploy.Strategy{Rolling: &deploy.RollingOptions{MaxSurge: &surge, MaxUnavailable: unavailable}}
}

// TestValidate breaks one thing at a time; want is "path: part of the message" of the only problem, or empty.
func TestValidate(t *testing.T) {
	type S = deploy.Service
	whole := deploy.CanaryStep{Weight: deploy.Whole}
	cases := []struct {
		name, want string
		breaks     func(*S)
	}{
		{"nothing", "", func(*S) {}},
		{"no instances", "instances: -1 instances", func(s *S) { s.Instances = -1 }},
		{"too many instances", "instances: 1001 instances", func(s *S) { s.Instances = 1001 }},
		{"no process", "process: is missing", func(s *S) { s.Process = nil }},
		{"no command", "process.command: the command is empty", func(s *S) { s.Process.Command = nil }},
		{"no program", "process.command: the command is empty", func(s *S) { s.Process.Command = []string{""} }},
		{"NUL argument", "process.command[1]: holds a NUL", func(s *S) { s.Process.Command = []string{"a", "b\x00"} }},
		{"variable name", `process.env.A-B: "A-B" is no name`, func(s *S) { s.Process.Env = map[string]deploy.Variable{"A-B": {Text: ""}} }},
		{"variable of naru", "process.env.NARU_VERSION: NARU_VERSION is set by naru", func(s *S) { s.Process.Env = map[string]deploy.Variable{"NARU_VERSION": {Text: "1"}} }},
		{"NUL variable", "process.env.A: holds a NUL", func(s *S) { s.Process.Env = map[string]deploy.Variable{"A": {Text: "\x00"}} }},
		{"two sources of a variable", "process.env.A: file and command are both given", func(s *S) {
			s.Process.Env = map[string]deploy.Variable{"A": {File: "a", Command: []string{"a"}}}
		}},
		{"reference without a name", "process.env.A: ${env: is not followed by the name", func(s *S) { s.Process.Env = map[string]deploy.Variable{"A": {Text: "x${env:A B}"}} }},
		{"file with a placeholder", "process.env.A.file: ${…} is not filled in here", func(s *S) { s.Process.Env = map[string]deploy.Variable{"A": {File: "${env:DIR}/a"}} }},
		{"command of nothing", "process.env.A.command: the command is empty", func(s *S) { s.Process.Env = map[string]deploy.Variable{"A": {Command: []string{}}} }},
		{"secret argument", "process.command[1]: ${env:…} is filled in under env alone", func(s *S) { s.Process.Command = []string{"./a", "--password=${env:PASSWORD}"} }},
		{"secret in a test", "strategy.blue_green.tests[0][1]: ${env:…} is filled in under env alone", func(s *S) {
			s.Strategy = blueGreen(deploy.BlueGreenOptions{Tests: [][]string{{"curl", "-H${env:TOKEN}"}}})
		}},
		{"secret of a secret", "process.env.A.command[1]: ${env:…} is filled in under env alone", func(s *S) {
			s.Process.Env = map[string]deploy.Variable{"A": {Command: []string{"vault", "${env:TOKEN}"}}}
		}},
		{"secret header", "analysis.sources[0].webhook.headers.x-token: ${env:…} is not filled in here", func(s *S) {
			s.Analysis.Sources = []deploy.Source{{Name: "a", Max: new(1.0), Webhook: &deploy.Webhook{URL: "http://a.test", Headers: map[string]string{"x-token": "${env:T}"}}}}
		}},
		{"secret folder", "process.dir: ${env:…} is filled in under env alone", func(s *S) { s.Process.Dir = "/${env:HOME}" }},
		{"secret in a check", "health.command[1]: ${env:…} is filled in under env alone", func(s *S) { s.Health = deploy.Health{Command: []string{"./a", "${env:A}"}} }},
		{"artifact that is not there", "process.env.A: uses ${ARTIFACT}", func(s *S) { s.Process.Env = map[string]deploy.Variable{"A": {Text: "${ARTIFACT}/a"}} }},
		{"two checks", "health: 2 kinds", func(s *S) { s.Health = deploy.Health{TCP: true, HTTP: "/"} }},
		{"check path", `health.http: "healthz" does not begin with /`, func(s *S) { s.Health.HTTP = "healthz" }},
		{"check path with space", "health.http: ", func(s *S) { s.Health.HTTP = "/a b" }},
		{"check with query", "", func(s *S) { s.Health.HTTP = "/a?b=c" }},
		{"empty check command", "health.command: the command is empty", func(s *S) { s.Health.Command = []string{} }},
		{"negative interval", "health.interval: must be more than 0", func(s *S) { s.Health.Interval = -1 }},
		{"long timeout", "health.timeout: 8784h is longer than a year", func(s *S) { s.Health.Timeout = 366 * day }},
		{"negative drain", "drain_timeout: must be more than 0", func(s *S) { s.DrainTimeout = -1 }},
		{"overload under 1", "max_overload: 0.5", func(s *S) { s.MaxOverload = 0.5 }},
		{"overload NaN", "max_overload: NaN", func(s *S) { s.MaxOverload = math.NaN() }},
		{"overload without end", "max_overload: +Inf", func(s *S) { s.MaxOverload = math.Inf(1) }},
		{"one kept", "keep.revisions: 1 revisions: the number must be from 2", func(s *S) { s.Keep.Revisions = 1 }},
		{"many kept", "keep.revisions: 1001 revisions", func(s *S) { s.Keep.Revisions = 1001 }},
		{"negative age", "keep.age: must be more than 0", func(s *S) { s.Keep.Age = -1 }},
		{"long age", "keep.age: 8784h is longer than a year", func(s *S) { s.Keep.Age = 366 * day }},
		{"kept for a while", "", func(s *S) { s.Keep = deploy.Keep{Revisions: 2, Age: 1} }},
		{"balance", `balance: "best" is not known`, func(s *S) { s.Balance = "best" }},
		{"affinity", `affinity.by: "user" is not known`, func(s *S) { s.Affinity.By = "user" }},
		{"affinity without header", `affinity.by: "" is no name`, func(s *S) { s.Affinity.By = "header " }},
		{"affinity by header", "", func(s *S) { s.Affinity.By = "header X-User" }},
		{"sticky to nobody", "affinity.sticky: ", func(s *S) { s.Affinity.Sticky = true }},
		{"attempts", "retries.attempts: 11", func(s *S) { s.Retries.Attempts = new(11) }},
		{"budget", "retries.budget: must be a percentage", func(s *S) { s.Retries.Budget = new(deploy.Proportional) }},
		{"body", "limits.body: must be from 0 (no limit) to 1024GiB", func(s *S) { s.Limits.Body = 1<<40 + 1 }},
		{"port", `port: "some" is not known`, func(s *S) { s.Port = "some" }},
		{"port", `port: "08080" is not known`, func(s *S) { s.Port = "08080" }},
		{"port", `port: "65536" is not known`, func(s *S) { s.Port = "65536" }},
		{"port", `port: 8080 is one port, and while a version is replaced two instances would want it`, func(s *S) { s.Port = "8080" }},

		{"two strategies", "strategy: 2 strategies", func(s *S) { s.Strategy = canary(whole); s.Strategy.Rolling = &deploy.RollingOptions{} }},
		{"surge and unavailable 0", "strategy.rolling: max_surge and max_unavailable are both 0", func(s *S) { s.Strategy = rolling(0, 0) }},
		{"negative surge", "strategy.rolling.max_surge: -1", func(s *S) { s.Strategy = rolling(-1, 1) }},
		{"negative unavailable", "strategy.rolling.max_unavailable: -1", func(s *S) { s.Strategy = rolling(1, -1) }},
		{"more unavailable than there are", "strategy.rolling.max_unavailable: 5 is more than the 4", func(s *S) { s.Strategy = rolling(1, 5) }},
		{"negative bake", "strategy.rolling.bake: must not be negative", func(s *S) { s.Strategy.Rolling = &deploy.RollingOptions{Bake: new(deploy.Duration(-1))} }},

		{"empty test", "strategy.blue_green.tests[1]: the command is empty", func(s *S) { s.Strategy = blueGreen(deploy.BlueGreenOptions{Tests: [][]string{{"a"}, {}}}) }},
		{"standby", `strategy.blue_green.standby: "keep"`, func(s *S) { s.Strategy = blueGreen(deploy.BlueGreenOptions{Standby: "keep"}) }},
		{"preview", "strategy.blue_green.preview.host: ", func(s *S) {
			s.Strategy = blueGreen(deploy.BlueGreenOptions{Preview: deploy.Preview{Host: "*.test"}})
		}},
		{"no rate", "strategy.blue_green.load_test.rate: 0 requests", func(s *S) {
			s.Strategy = blueGreen(deploy.BlueGreenOptions{LoadTest: &deploy.LoadTest{Duration: 1}})
		}},
		{"too high a rate", "strategy.blue_green.load_test.rate: 100001 requests", func(s *S) {
			s.Strategy = blueGreen(deploy.BlueGreenOptions{LoadTest: &deploy.LoadTest{Rate: 100001, Duration: 1}})
		}},
		{"no duration", "strategy.blue_green.load_test.duration: must be more than 0", func(s *S) {
			s.Strategy = blueGreen(deploy.BlueGreenOptions{LoadTest: &deploy.LoadTest{Rate: 1}})
		}},
		{"load beyond the deadline", "strategy.blue_green.load_test.duration: 10m does not fit", func(s *S) {
			s.Strategy = blueGreen(deploy.BlueGreenOptions{LoadTest: &deploy.LoadTest{Rate: 1, Duration: deploy.Duration(10 * time.Minute)}})
		}},

		{"no steps", "strategy.canary.steps: there are no steps", func(s *S) { s.Strategy = canary() }},
		{"steps go down", "strategy.canary.steps[1].weight: 5% after 10%", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: 1000}, deploy.CanaryStep{Weight: 500}, whole)
		}},
		{"steps stand still", "", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: 1000}, deploy.CanaryStep{Weight: 1000}, whole)
		}},
		{"last step", "strategy.canary.steps[0].weight: the last step is 50%", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: 5000}) }},
		{"no weight", "strategy.canary.steps[0].weight: must be more than 0%", func(s *S) { s.Strategy = canary(deploy.CanaryStep{}, whole) }},
		{"more than everything", "strategy.canary.steps[0].weight: must be more than 0% and at most 100%", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole + 1}, whole)
		}},
		{"negative step bake", "strategy.canary.steps[0].bake: must not be negative", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Bake: new(deploy.Duration(-1))})
		}},
		{"proportional", "strategy.canary.steps[0].weight: must be more than 0%", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Proportional}, whole) }},
		{"more canaries than instances", "strategy.canary.steps[0].instances: 5: must be from 1 to the 4", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: 500, Instances: 5}, whole) }},
		{"too few canaries", "strategy.canary.steps[0].instances: 60% of the traffic is more than max_overload lets so few canaries have, at most 50%", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: 6000, Instances: 1}, whole) }},
		{"too few for everything", "strategy.canary.steps[0].instances: 3 instances for all", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Instances: 3}) }},
		{"match nothing", "strategy.canary.steps[0].match[0]: exactly one", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Match: []deploy.Match{{Value: "x"}}})
		}},
		{"match both", "strategy.canary.steps[0].match[0]: exactly one", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Match: []deploy.Match{{Header: "a", Cookie: "b"}}})
		}},
		{"match header", `strategy.canary.steps[0].match[0].header: "a b" is no name`, func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Match: []deploy.Match{{Header: "a b"}}})
		}},
		{"empty step test", "strategy.canary.steps[0].tests[0]: the command is empty", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Tests: [][]string{{}}}) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.breaks(&s)
			expect(t, s.Normalise().Validate(), c.want)
		})
	}
}

// expect wants one problem, written "path: beginning of the message", or none.
func expect(t *testing.T, problems []deploy.Problem, want string) {
	t.Helper()
	switch {
	case want == "" && len(problems) > 0:
		t.Errorf("refused: %v", problems)
	case want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].Path+": "+problems[0].Message, want)):
		t.Errorf("got %v, want %s", problems, want)
	}
}

func TestValidateHostsAndPaths(t *testing.T) {
	long := strings.Repeat("a", 64)
	for host, good := range map[string]bool{
		"example.com": true, "*.example.com": true, "localhost": true, "127.0.0.1": true, "xn--bcher-kva.example": true, "my_app.internal": true,
		"": false, "*": false, "a.*.com": false, "*a.com": false, "Example.com": false, "a.com:80": false, "http://a.com": false, "a.com/": false,
		"a..com": false, ".a.com": false, "a.com.": false, "-a.com": false, "a b": false, "bücher.example": false, long + ".com": false, "[::1]": false,
		strings.Repeat("a.", 127) + "com": false,
	} {
		s := sound()
		s.Hosts = []string{host}
		if problems := s.Normalise().Validate(); (len(problems) == 0) != good {
			t.Errorf("host %q: %v", host, problems)
		}
	}
	for path, good := range map[string]bool{
		"/": true, "/api": true, "/api/v1.2/a_b~c": true, "/...": true,
		"api": false, "/api/": false, "//": false, "/a//b": false, "/a/../b": false, "/.": false, "/a?b": false, "/a#b": false, "/a%20b": false, "/a*": false, "/a b": false, "/é": false, `/a\b`: false,
	} {
		s := sound()
		s.Path = path
		if problems := s.Normalise().Validate(); (len(problems) == 0) != good {
			t.Errorf("path %q: %v", path, problems)
		}
	}
	s := sound()
	s.Hosts = []string{"a.test", "b.test", "a.test"}
	expect(t, s.Normalise().Validate(), `hosts[2]: "a.test" stands here twice`)
}

func TestValidateWorker(t *testing.T) {
	type S = deploy.Service
	cases := []struct {
		name, want string
		breaks     func(*S)
	}{
		{"alive is enough", "", func(*S) {}},
		{"command", "", func(s *S) { s.Health.Command = []string{"./ok"} }},
		{"hosts", "hosts: a worker", func(s *S) { s.Hosts = []string{"a.test"} }},
		{"path", "path: a worker", func(s *S) { s.Path = "/" }},
		{"affinity", "affinity: a worker", func(s *S) { s.Affinity.By = "cookie" }},
		{"tcp", "health: a worker", func(s *S) { s.Health.TCP = true }},
		{"grpc", "health: a worker", func(s *S) { s.Health.GRPC = new("") }},
		{"two checks", "health: 2 kinds", func(s *S) { s.Health = deploy.Health{HTTP: "/", Command: []string{"./ok"}} }},
		{"port", "process.command[1]: uses ${PORT}", func(s *S) { s.Process.Command = []string{"./a", "${PORT}"} }},
		{"analysis", "analysis.enabled: a worker", func(s *S) { s.Analysis.Enabled = new(true) }},
		{"canary", "strategy: a worker", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole}) }},
		{"blue-green", "strategy: a worker", func(s *S) { s.Strategy = blueGreen(deploy.BlueGreenOptions{}) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			s.Port = "none"
			c.breaks(&s)
			expect(t, s.Normalise().Validate(), c.want)
		})
	}
}

func TestServiceWarnings(t *testing.T) {
	type S = deploy.Service
	zero := new(deploy.Duration(0))
	cases := []struct {
		name, want string
		breaks     func(*S)
	}{
		{"nothing", "", func(*S) {}},
		{"same program", "process: neither ${VERSION} nor an artifact", func(s *S) { s.Process.Command = []string{"./a"} }},
		{"version in a variable", "", func(s *S) {
			s.Process = &deploy.Process{Command: []string{"a"}, Env: map[string]deploy.Variable{"V": {Text: "${VERSION}"}}}
		}},
		{"password in clear", "process.env.DB_PASSWORD: looks like a secret, and stands in clear", func(s *S) {
			s.Process.Env = map[string]deploy.Variable{"DB_PASSWORD": {Text: "hunter2"}, "TOKEN": {Text: "${env:T}"}, "API_KEY": {File: "k"}, "KEYBOARD": {Text: "us"}}
		}},
		{"version in the folder", "", func(s *S) { s.Process = &deploy.Process{Command: []string{"a"}, Dir: "${VERSION}"} }},
		{"version read by a shell", "", func(s *S) { s.Process.Command = []string{"sh", "-c", "./a-$NARU_VERSION"} }},
		{"artifact", "", func(s *S) { s.Process = &deploy.Process{Command: []string{"a"}, Artifact: "a"} }},
		{"slow probe", "health.timeout: a probe may take longer (2s)", func(s *S) { s.Health.Timeout = deploy.Duration(2 * time.Second) }},
		{"slow start", "health.start_timeout: 11m is longer than the deadline", func(s *S) { s.Health.StartTimeout = deploy.Duration(11 * time.Minute) }},
		{"gap", "strategy.rolling: max_surge is 0", func(s *S) { s.Instances, s.Strategy = 1, rolling(0, 1) }},
		{"no gap", "", func(s *S) { s.Strategy = rolling(0, 3) }},
		{"rolling unwatched", "strategy.rolling.bake: is 0", func(s *S) { s.Strategy.Rolling = &deploy.RollingOptions{Bake: zero} }},
		{"rolling unwatched on purpose", "", func(s *S) {
			s.Analysis.Enabled = new(false)
			s.Strategy.Rolling = &deploy.RollingOptions{Bake: zero}
		}},
		{"exclusive unwatched", "bake: is 0", func(s *S) { s.Exclusive, s.Instances, s.Strategy, s.Bake = true, 1, deploy.Strategy{}, zero }},
		{"blue-green unwatched", "strategy.blue_green.bake: is 0", func(s *S) { s.Strategy = blueGreen(deploy.BlueGreenOptions{Bake: zero}) }},
		{"step unwatched", "strategy.canary.steps[0].bake: is 0", func(s *S) { s.Strategy = canary(deploy.CanaryStep{Weight: deploy.Whole, Bake: zero}) }},
		{"just enough canaries", "", func(s *S) {
			s.Strategy = canary(deploy.CanaryStep{Weight: 5000, Instances: 1}, deploy.CanaryStep{Weight: deploy.Whole})
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := sound()
			c.breaks(&s)
			s = s.Normalise()
			expect(t, s.Validate(), "")
			expect(t, s.Warnings(), c.want)
		})
	}
}
