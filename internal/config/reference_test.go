package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const reference = "../../docs/reference/file.md"

// typeNames are the names of types in the reference.
var typeNames = map[string]string{
	"string": "text", "int": "whole number", "float64": "number", "bool": "true or false",
	"deploy.Duration": "duration", "deploy.Share": "percentage", "deploy.Size": "size",
	"[]string": "list of text", "[][]string": "list of commands", "map[string]string": "text by name", "map[string]deploy.Variable": "values by name",
	"deploy.PortSpan": "range of ports", "deploy.Port": "none or a port", "[]netip.Prefix": "list of networks", "config.TLS": "mapping",
}

func typeName(t *testing.T, typ reflect.Type) string {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if name, ok := typeNames[typ.String()]; ok {
		return name
	}
	switch typ.Kind() {
	case reflect.Struct:
		return "mapping"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "mappings by name"
	}
	t.Fatalf("the reference has no name for %s", typ)
	return ""
}

// table writes the keys of a mapping as the reference has them.
func table(t *testing.T, o object) string {
	var b strings.Builder
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for i := range o.kind.NumField() {
		f := o.kind.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		preset := preset(f.Tag.Get("jsonschema"))
		switch {
		case preset != "":
			preset = "`" + preset + "`"
		case options == "":
			preset = "required"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, typeName(t, f.Type), preset, f.Tag.Get("jsonschema_description"))
	}
	return b.String()
}

var tablePattern = regexp.MustCompile(`(?s)<!-- keys of (.*?) -->\n(.*?)<!-- end -->\n`)

// TestReference: docs/reference/file.md has every key of every mapping with its type and default, and no other.
func TestReference(t *testing.T) {
	src, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for _, o := range objects("", reflect.TypeFor[layout]()) {
		want[strings.TrimPrefix(o.path, "services.NAME.")] = table(t, o)
	}
	updating := flag.Lookup("update").Value.String() == "true"
	got := make(map[string]bool)
	page := tablePattern.ReplaceAllStringFunc(string(src), func(block string) string {
		m := tablePattern.FindStringSubmatch(block)
		path := strings.TrimPrefix(m[1], "the file")
		if got[path] = true; want[path] == "" {
			t.Errorf("the reference describes %q, which is no mapping", m[1])
		} else if m[2] != want[path] && !updating {
			t.Errorf("keys of %q in the reference:\n%s\nin the types (write them with go test -update):\n%s", m[1], m[2], want[path])
		}
		return fmt.Sprintf("<!-- keys of %s -->\n%s<!-- end -->\n", m[1], want[path])
	})
	for path := range want {
		if !got[path] {
			t.Errorf("the reference has no table for %q", path)
		}
	}
	if updating {
		if err := os.WriteFile(reference, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestReferenceExamples reads every example of the reference. One that shows a part of a service is put into a
// service first.
func TestReferenceExamples(t *testing.T) {
	src, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	schema := schemaOf(t)
	blocks := yamlBlock.FindAllStringSubmatch(string(src), -1)
	for _, m := range blocks {
		example := m[1]
		if !strings.HasPrefix(example, "server:") && !strings.HasPrefix(example, "services:") {
			example = strings.ReplaceAll("\n"+strings.TrimSuffix(example, "\n"), "\n", "\n    ")
			if !strings.Contains(example, "\n    process:") && !strings.Contains(example, "\n    docker:") {
				example += "\n    process: {command: [./demo, \"${VERSION}\"]}"
			}
			example = "services:\n  demo:" + example + "\n"
		}
		f, err := Parse("example.yaml", []byte(example))
		if err != nil {
			t.Errorf("%v\n%s", err, example)
			continue
		}
		if w := f.Warnings(); len(w) > 0 && len(f.Services) > 0 {
			t.Errorf("%v", w)
		}
		if err := checkSchema(schema, []byte(example)); err != nil {
			t.Errorf("%v\n%s", err, example)
		}
	}
	if len(blocks) < 10 {
		t.Errorf("only %d examples found", len(blocks))
	}
}
