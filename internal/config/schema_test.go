package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/naru-deploy/naru/internal/deploy"
)

// object is a struct that the file has as a mapping, under the path that leads to it.
type object struct {
	path string // "services.NAME.strategy.canary.steps[]"; empty for the file
	kind reflect.Type
}

// objects lists every mapping with fixed keys, from the file down.
func objects(path string, t reflect.Type) []object {
	switch t.Kind() {
	case reflect.Pointer:
		return objects(path, t.Elem())
	case reflect.Slice:
		return objects(path+"[]", t.Elem())
	case reflect.Map:
		return objects(join(path, "NAME"), t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	if t == reflect.TypeFor[TLS]() {
		t = reflect.TypeFor[KeyPair]()
	}
	if len(fieldsOf(t)) == 0 || written(t) != nil {
		return nil
	}
	all := []object{{path, t}}
	for _, f := range fieldsOf(t) {
		all = append(all, objects(join(path, f.name), t.Field(f.index).Type)...)
	}
	return all
}

func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	src, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(src, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// definition finds the schema of a struct.
func definition(t *testing.T, schema map[string]any, o object) map[string]any {
	t.Helper()
	if o.path == "" {
		return schema
	}
	defs := schema["$defs"].(map[string]any)
	if o.kind == reflect.TypeFor[KeyPair]() {
		tls := defs["Server"].(map[string]any)["properties"].(map[string]any)["tls"].(map[string]any)
		return tls["oneOf"].([]any)[0].(map[string]any)
	}
	def, ok := defs[o.kind.Name()].(map[string]any)
	if !ok {
		t.Fatalf("%s has no definition", o.kind)
	}
	if forms, ok := def["oneOf"].([]any); ok {
		def = forms[1].(map[string]any)
	}
	return def
}

func TestSchemaHasTheDecodersKeys(t *testing.T) {
	schema := schemaOf(t)
	for _, o := range objects("", reflect.TypeFor[layout]()) {
		def := definition(t, schema, o)
		if def["additionalProperties"] != false {
			t.Errorf("%s: unknown keys are not refused", o.path)
		}
		var want, got []string
		for _, f := range fieldsOf(o.kind) {
			want = append(want, f.name)
			property, _ := def["properties"].(map[string]any)[f.name].(map[string]any)
			if property["description"] == nil {
				t.Errorf("%s.%s has no description", o.path, f.name)
			}
			given := ""
			if d, ok := property["default"]; ok {
				given = asWritten(d)
			}
			if given != f.preset {
				t.Errorf("%s.%s: the schema's default is %q, the tag's %q", o.path, f.name, given, f.preset)
			}
		}
		for name := range def["properties"].(map[string]any) {
			got = append(got, name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("keys of %q (-decoder +schema):\n%s", o.path, diff)
		}
	}
}

// asWritten puts a default of the schema as its tag does: the parts of a list with commas between them.
func asWritten(preset any) string {
	list, ok := preset.([]any)
	if !ok {
		return fmt.Sprint(preset)
	}
	var parts []string
	for _, part := range list {
		parts = append(parts, fmt.Sprint(part))
	}
	return strings.Join(parts, ", ")
}

// TestDefaultsAreWhatNormaliseGives compares every default that schema and reference promise with what happens.
func TestDefaultsAreWhatNormaliseGives(t *testing.T) {
	all := deploy.Strategy{Rolling: &deploy.RollingOptions{}, BlueGreen: &deploy.BlueGreenOptions{LoadTest: &deploy.LoadTest{}}, Canary: &deploy.CanaryOptions{}}
	s := deploy.Service{Process: &deploy.Process{}, Docker: &deploy.Docker{}, Strategy: all, Analysis: deploy.Analysis{Sources: []deploy.Source{{}}}}.Normalise()
	seen := compareDefaults(t, "service", reflect.ValueOf(s)) + compareDefaults(t, "server", reflect.ValueOf(Server{}.normalise("")))
	promised := 0
	for _, o := range objects("", reflect.TypeFor[layout]()) {
		for _, f := range fieldsOf(o.kind) {
			if f.preset != "" {
				promised++
			}
		}
	}
	if seen != promised {
		t.Errorf("%d defaults compared, %d are promised", seen, promised)
	}
}

func compareDefaults(t *testing.T, path string, v reflect.Value) (seen int) {
	for _, f := range fieldsOf(v.Type()) {
		got := reflect.Indirect(v.Field(f.index))
		if f.preset != "" {
			seen++
			want := reflect.New(v.Type().Field(f.index).Type).Elem()
			d := decoder{}
			d.value(literal(f.preset, want.Type()), want, path)
			if want = reflect.Indirect(want); len(d.faults) > 0 || !got.IsValid() || !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Errorf("%s.%s: Normalise gives %v, the tag says %s %v", path, f.name, got, f.preset, d.faults)
			}
		}
		if got.Kind() == reflect.Slice && got.Len() > 0 && got.Index(0).Kind() == reflect.Struct { // one stands for all
			got = got.Index(0)
		}
		if got.Kind() == reflect.Struct && written(got.Type()) == nil {
			seen += compareDefaults(t, path+"."+f.name, got)
		}
	}
	return seen
}

// literal is a default as a file would have it.
func literal(s string, t reflect.Type) *node {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	n := &node{kind: text, text: s}
	switch {
	case t.Kind() == reflect.Slice:
		n.kind = list
		for part := range strings.SplitSeq(s, ", ") {
			n.items = append(n.items, &node{kind: text, text: part})
		}
	case t.Kind() == reflect.Bool:
		n.kind = boolean
	case t == reflect.TypeFor[int]() || t == reflect.TypeFor[float64]():
		n.kind = number
	}
	return n
}

func TestSchemaAcceptsGoodFiles(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/naru.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema := schemaOf(t)
	for _, path := range append(files, "testdata/full.yaml") {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSchema(schema, src); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSchemaAccepts(t *testing.T) {
	schema := schemaOf(t)
	for _, src := range []string{
		"{}",
		"services: {a: {strategy: {canary: {steps: [{weight: 100%, bake: 0}]}}}}",
		"services: {a: {limits: {body: 4096}, strategy: {rolling: {bake: 0}}}}",
		"services: {a: {analysis: {streams: [latency], hang_deadline: 0, sources: [{name: a, command: [a], max: 1.5, min: -2, timeout: 1s}]}}}",
	} {
		if err := checkSchema(schema, []byte(src)); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	schema := schemaOf(t)
	for _, src := range []string{
		"servers: {}",
		"services: {A: {}}",
		"services: {a: {instances: '2'}}",
		"services: {a: {instances: 0}}",
		"services: {a: {deadline: 10}}",
		"services: {a: {balance: best}}",
		"services: {a: {process: {comand: [x]}}}",
		"services: {a: {process: {}}}",
		"services: {a: {strategy: {rolling: {}, canary: {steps: [100%]}}}}",
		"services: {a: {strategy: {canary: {steps: [101%]}}}}",
		"services: {a: {strategy: {canary: {steps: [{instances: 1}]}}}}",
		"services: {a: {strategy: {canary: {steps: [{weight: 5%, mirror: 5%}]}}}}",
		"services: {a: {analysis: {streams: [error]}}}",
		"services: {a: {analysis: {alpha: 0.01}}}",
		"services: {a: {analysis: {sources: [{command: [a], max: 1}]}}}",
		"services: {a: {analysis: {sources: [{name: a, prometheus: {url: x}}]}}}",
		"services: {a: {analysis: {sources: [{name: a, webhook: {url: x, headers: {A: 1}}}]}}}",
		"services: {a: {analysis: {sources: [{name: a, breaches: 0}]}}}",
		"server: {tls: {cert: a}}",
		"server: {ports: 1}",
	} {
		if err := checkSchema(schema, []byte(src)); err == nil {
			t.Errorf("accepted: %s", src)
		}
	}
}

// TestPatterns: what a pattern of the schema allows can be read, and what is written can be read by the pattern.
func TestPatterns(t *testing.T) {
	type both interface {
		UnmarshalText([]byte) error
		String() string
	}
	cases := map[string]func() both{
		// Bounded, because a pattern cannot say that a sum of numbers is too large for its type.
		strings.ReplaceAll(strings.ReplaceAll(durationPattern, "]+", "]{1,3}"), ")+", "){1,3}"): func() both { return new(deploy.Duration) },
		sharePattern: func() both { return new(deploy.Share) },
		strings.ReplaceAll(sizePattern, "]+", "]{1,3}"): func() both { return new(deploy.Size) },
	}
	for pattern, fresh := range cases {
		rapid.Check(t, func(t *rapid.T) {
			s, v := rapid.StringMatching(pattern).Draw(t, "text"), fresh()
			if err := v.UnmarshalText([]byte(s)); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			if out := v.String(); !regexp.MustCompile(written(reflect.TypeOf(v).Elem()).Pattern).MatchString(out) {
				t.Fatalf("%q is written as %q, which the schema refuses", s, out)
			}
		})
	}
}
