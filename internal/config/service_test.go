package config_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
)

// failer is what *testing.T and *rapid.T have in common here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// throughJSON sends settings the way that deploy sends them to the server, and stores them as the server does.
func throughJSON(t failer, s deploy.Service) {
	t.Helper()
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatalf("marshal %+v: %v", s, err)
	}
	got, problems := config.ParseService(body)
	if len(problems) > 0 {
		t.Fatalf("own JSON refused: %v\n%s", problems, body)
	}
	if !reflect.DeepEqual(got, s) {
		t.Fatalf("changed on the way through JSON (-sent +read):\n%s\n%s", cmp.Diff(s, got), body)
	}
	var stored deploy.Service
	if err := json.Unmarshal(body, &stored); err != nil || !reflect.DeepEqual(stored, s) {
		t.Fatalf("changed on the way through the store: %v\n%s", err, cmp.Diff(s, stored))
	}
}

func TestServiceThroughJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := validService(t).Normalise()
		if problems := s.Validate(); len(problems) > 0 {
			t.Fatalf("the generator made a wrong service: %v", problems)
		}
		throughJSON(t, s)
	})
}

func TestParseServiceFaults(t *testing.T) {
	const process = `"process":{"command":["./a"]}`
	cases := []struct{ name, body, path, says string }{
		{"not JSON", `{`, "", "not JSON"},
		{"nothing", ``, "", "not JSON"},
		{"more than one", `{} {}`, "", "follows the end"},
		{"a list", `[]`, "", "must be a mapping"},
		{"too deep", strings.Repeat("[", 1000), "", "levels deep"},
		{"not UTF-8", "{\"path\":\"\xff\"}", "", "UTF-8"},
		{"unknown key", `{` + process + `,"instnaces":2}`, "instnaces", `did you mean "instances"?`},
		{"unknown key of a step", `{` + process + `,"strategy":{"canary":{"steps":[{"weight":"100%","wait":"1s"}]}}}`, "strategy.canary.steps[0].wait", "unknown key"},
		{"not yet", `{` + process + `,"rescue":true}`, "rescue", `"rescue" is not supported yet by this version of naru; remove it`},
		{"key twice", `{` + process + `,"path":"/a","path":"/b"}`, "path", "twice"},
		{"null", `{` + process + `,"instances":null}`, "instances", "has no value"},
		{"number as text", `{` + process + `,"instances":"2"}`, "instances", "remove the quotes"},
		{"bad duration", `{` + process + `,"deadline":"soon"}`, "deadline", "is not a duration"},
		{"a part that cannot be read", `{` + process + `,"strategy":{"canary":{"steps":[{"weight":"100%","match":[{"header":5}]}]}}}`, "strategy.canary.steps[0].match[0].header", "must be text"},
		{"no process", `{}`, "process", "is missing"},
		{"zero would be the default", `{` + process + `,"hold_timeout":"0s"}`, "hold_timeout", "the default, 10s"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, problems := config.ParseService([]byte(c.body))
			if len(problems) != 1 || problems[0].Path != c.path || !strings.Contains(problems[0].Message, c.says) {
				t.Errorf("got %v, want %s: … %s", problems, c.path, c.says)
			}
			if !reflect.DeepEqual(s, deploy.Service{}) {
				t.Error("settings were answered together with problems")
			}
		})
	}
}

func TestParseServiceFindsEverything(t *testing.T) {
	_, problems := config.ParseService([]byte(`{"hosts":["A"],"instances":-1,"foo":1,"process":{"command":[]}}`))
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	if diff := cmp.Diff([]string{"foo", "hosts[0]", "instances", "process.command"}, paths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAbsolute(t *testing.T) {
	s := deploy.Service{Process: &deploy.Process{Command: []string{"bin/a"}, Dir: "x", Artifact: "/y"}}
	got := config.Absolute(s, "/srv")
	if got.Process.Dir != "/srv/x" || got.Process.Artifact != "/y" || got.Process.Command[0] != "bin/a" || s.Process.Dir != "x" {
		t.Errorf("got %+v, and the argument is now %+v", got.Process, s.Process)
	}
	d := deploy.Service{Docker: &deploy.Docker{EnvFile: "x/env", Volumes: []string{"./data:/data", "data:/cache:ro"}}}
	in := config.Absolute(d.Normalise(), "/srv").Docker
	if in.Dir != "/srv" || in.EnvFile != "/srv/x/env" || in.Volumes[0] != "/srv/data:/data" || in.Volumes[1] != "data:/cache:ro" || d.Docker.Volumes[0] != "./data:/data" {
		t.Errorf("got %+v, and the argument is now %+v", in, d.Docker)
	}
}
