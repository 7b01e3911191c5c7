package deploy_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/naru-deploy/naru/internal/deploy"
)

// anyService makes settings without regard to what makes sense.
var anyService = rapid.Make[deploy.Service]()

func TestNormaliseTwiceIsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := anyService.Draw(t, "service").Normalise()
		if twice := once.Normalise(); !reflect.DeepEqual(once, twice) {
			t.Fatalf("(-once +twice):\n%s", cmp.Diff(once, twice))
		}
		once.Validate() // nothing is wrong enough to panic
		once.Warnings()
	})
}

func TestNormaliseSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyService.Draw(t, "service")
		before := addresses(reflect.ValueOf(s), "", nil)
		for at, path := range addresses(reflect.ValueOf(s.Normalise()), "", nil) {
			if was, shared := before[at]; shared {
				t.Fatalf("%s of the copy is %s of the original", path, was)
			}
		}
	})
}

// addresses collects what v refers to: pointers, maps and the arrays of slices that are not empty.
func addresses(v reflect.Value, path string, into map[uintptr]string) map[uintptr]string {
	if into == nil {
		into = make(map[uintptr]string)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			into[v.Pointer()] = path
			addresses(v.Elem(), path, into)
		}
	case reflect.Map:
		if v.Len() > 0 {
			into[v.Pointer()] = path
		}
	case reflect.Slice:
		for i := range v.Len() {
			into[v.Pointer()] = path
			addresses(v.Index(i), path+"[]", into)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			addresses(v.Field(i), path+"."+v.Type().Field(i).Name, into)
		}
	}
	return into
}

func TestNormaliseDefaults(t *testing.T) {
	s := deploy.Service{Process: &deploy.Process{Command: []string{"./a"}}}.Normalise()
	seconds := func(n int) deploy.Duration { return deploy.Duration(time.Duration(n) * time.Second) }
	want := deploy.Service{
		Path: "/", Instances: 1, Process: &deploy.Process{Command: []string{"./a"}, Dir: "."},
		Health:       deploy.Health{TCP: true, Interval: seconds(1), Timeout: seconds(1), StartTimeout: seconds(30)},
		DrainTimeout: seconds(30), StopTimeout: seconds(10), HoldTimeout: seconds(10), Deadline: seconds(600), MaxOverload: 2, Balance: "least_request",
		Affinity: deploy.Affinity{By: "none"}, Retries: deploy.Retries{Attempts: new(2), Budget: new(deploy.Share(2000))},
		Limits:   deploy.Limits{ResponseTimeout: seconds(60)},
		Keep:     deploy.Keep{Revisions: 10, Age: 90 * day},
		Strategy: deploy.Strategy{Rolling: &deploy.RollingOptions{MaxSurge: new(1), Bake: new(seconds(5))}},
		Analysis: deploy.Analysis{Enabled: new(true), Objectives: deploy.Objectives{Errors: new(deploy.Share(100))}, Alpha: new(deploy.Share(100)),
			Margins: deploy.Margins{Errors: new(deploy.Share(5)), Latency: new(deploy.Share(250))}, Streams: []string{"errors", "latency", "guardrail"}, OnInsufficient: "promote"},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if problems := s.Validate(); len(problems) > 0 {
		t.Errorf("the defaults are refused: %v", problems)
	}
}

func TestNormaliseStrategies(t *testing.T) {
	s := deploy.Service{Strategy: deploy.Strategy{
		BlueGreen: &deploy.BlueGreenOptions{LoadTest: &deploy.LoadTest{}},
		Canary:    &deploy.CanaryOptions{Bake: new(deploy.Duration(0))},
	}}.Normalise()
	b, c := s.Strategy.BlueGreen, s.Strategy.Canary
	if s.Strategy.Rolling != nil {
		t.Error("a strategy is added to those that are given")
	}
	if b.Bake.D() != time.Minute || b.Standby != "stop" || b.TestTimeout.D() != 5*time.Minute || b.LoadTest.Path != "/" || *b.LoadTest.Errors != 0 {
		t.Errorf("blue-green: %+v", b)
	}
	if *c.Bake != 0 || c.TestTimeout.D() != 5*time.Minute {
		t.Errorf("canary: %+v; a bake of 0 is a choice", c)
	}
}

func TestNormaliseAnalysis(t *testing.T) {
	a := deploy.Service{Analysis: deploy.Analysis{Streams: []string{"latency"}, Sources: []deploy.Source{{Name: "orders", Command: []string{"./orders"}, Max: new(0.0)}}}}.Normalise().Analysis
	if a.Objectives != (deploy.Objectives{}) || a.HangDeadline != 0 {
		t.Errorf("objectives %+v, hang deadline %s: without the guardrail there is none, and 0 is derived later", a.Objectives, a.HangDeadline)
	}
	want := deploy.Source{Name: "orders", Command: []string{"./orders"}, Max: new(0.0), Interval: deploy.Duration(10 * time.Second),
		Timeout: deploy.Duration(5 * time.Second), Breaches: 3, Required: new(true)}
	if diff := cmp.Diff([]deploy.Source{want}, a.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	off := deploy.Service{Analysis: deploy.Analysis{Streams: []string{"errors"}, Objectives: deploy.Objectives{Errors: new(deploy.Share(7))}}}.Normalise().Analysis
	if off.Objectives.Errors == nil || *off.Objectives.Errors != 7 {
		t.Errorf("an objective that was written is gone: %+v", off.Objectives)
	}
	if none := (deploy.Service{Analysis: deploy.Analysis{Streams: []string{}}}).Normalise().Analysis; len(none.Streams) > 0 {
		t.Errorf("no stream at all is what was written, got %v", none.Streams)
	}
}

func TestNormaliseWorker(t *testing.T) {
	s := deploy.Service{Port: "none", Process: &deploy.Process{Command: []string{"./a"}}}.Normalise()
	if h := s.Health; h.TCP || h.HTTP != "" || h.GRPC != nil || h.Command != nil {
		t.Errorf("a worker is probed: %+v", h)
	}
	if s.Path != "" || s.Analysis.On() {
		t.Errorf("a worker has path %q, analysis %v", s.Path, s.Analysis.On())
	}
	if problems := s.Validate(); len(problems) > 0 {
		t.Errorf("refused: %v", problems)
	}
}

func TestCanaryStepForms(t *testing.T) {
	cases := []struct {
		json, fault string
		want        deploy.CanaryStep
	}{
		{json: `"5%"`, want: deploy.CanaryStep{Weight: 500}},
		{json: ` "0.25%" `, want: deploy.CanaryStep{Weight: 25}},
		{json: `{"weight":"5%","instances":2,"bake":"10s","tests":[["./a"]]}`,
			want: deploy.CanaryStep{Weight: 500, Instances: 2, Bake: new(deploy.Duration(10 * time.Second)), Tests: [][]string{{"./a"}}}},
		{json: `"5"`, fault: "not a share"},
		{json: `"0.125%"`, fault: "two decimals"},
		{json: `5`, fault: "canary step"},
		{json: `{"weight":"5%","wait":"1s"}`, fault: "wait"},
	}
	for _, c := range cases {
		var got deploy.CanaryStep
		err := json.Unmarshal([]byte(c.json), &got)
		switch {
		case c.fault == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%s: got %+v, %v", c.json, got, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: got error %v, want … %s", c.json, err, c.fault)
		}
	}
}
