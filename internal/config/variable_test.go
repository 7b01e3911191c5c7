package config

import (
	"path/filepath"
	"strings"
	"testing"
)

const programWith = "services:\n  a:\n    process:\n      command: [./a, \"${VERSION}\"]\n      env:\n"

func TestVariables(t *testing.T) {
	f, err := Parse(filepath.Join(t.TempDir(), "naru.yaml"), []byte(programWith+"        A: text\n        B: {file: secrets/b}\n        C: {command: [pass, show, c]}\n        D: ''\n        E: {file: /e}\n"))
	if err != nil {
		t.Fatal(err)
	}
	env := f.Services["a"].Process.Env
	if b := env["B"].File; !filepath.IsAbs(b) || !strings.HasSuffix(b, "/secrets/b") {
		t.Errorf("B is of %s", b)
	}
	if env["A"].Text != "text" || len(env["C"].Command) != 3 || env["D"].Secret() || env["E"].File != "/e" {
		t.Errorf("%+v", env)
	}
}

// No message about a file repeats the value of a variable, however it is written, and none hides more than that.
func TestFaultsDoNotRepeatValues(t *testing.T) {
	const password = "hunter2"
	for _, test := range []struct{ env, says, shows string }{
		{`        A: {fil: x}`, `:6:13: services.a.process.env.A.fil: unknown key "fil"; did you mean "file"?`, "{fil: x}"},
		{`        A: {env: B}`, `unknown key "env"; write the text ${env:NAME} for the variable NAME of naru serve`, "{env: B}"},
		{`        A: {}`, ":6:12: services.a.process.env.A: has no value: write a text, {file: PATH} or {command", "A: {}"},
		{`        A: {file: x, command: [y]}`, "file and command are both given", "command: [y]"},
		{`        A: 1234567`, "services.a.process.env.A: must be text: put it in quotes", "A: *******"},
		{`        A: [hunter2]`, "must be a text, {file: PATH} or", "A: *********"},
		{`        A-B: hunter2 # why`, `"A-B" is no name for an environment variable`, "A-B: ******* # why"},
		{`        A-B: "hunter2, hunter2" # why`, `"A-B" is no name`, "A-B: ****************** # why"},
		{`        A-B: 'hunter2'`, `"A-B" is no name`, "A-B: *********"},
		{`        A: "${env:hunter2"`, "${env: is not followed", "A: ***"},
		{`        {A: hunter2, B: "hunter2", C-D: x}`, `"C-D" is no name`, "{A: *******, B: *********, C-D: *}"},
	} {
		_, err := Parse("naru.yaml", []byte(programWith+test.env+"\n"))
		if err == nil {
			t.Errorf("%s: accepted", test.env)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, test.says) || !strings.Contains(text, test.shows) {
			t.Errorf("%s:\n%s", test.env, text)
		}
		if strings.Contains(text, password) || strings.Contains(text, "1234567") {
			t.Errorf("a value is repeated:\n%s", text)
		}
	}
	_, problems := ParseService([]byte(`{"process": {"command": ["a"], "env": {"A": 1234567, "B": true, "C": null}}}`))
	for _, p := range problems {
		if strings.Contains(p.Message, "1234567") || !strings.HasPrefix(p.Path, "process.env.") {
			t.Errorf("%+v", p)
		}
	}
	if len(problems) != 3 {
		t.Errorf("%d problems: %v", len(problems), problems)
	}
}

func TestSchemaOfVariables(t *testing.T) {
	schema := schemaOf(t)
	for value, right := range map[string]bool{
		"text": true, "{file: x}": true, "{command: [x, y]}": true, "'1'": true,
		"1": false, "[x]": false, "{file: x, command: [y]}": false, "{command: x}": false, "{env: X}": false,
	} {
		for _, platform := range []string{"process: {command: [x]", "docker: {image: x"} {
			src := "services: {a: {" + platform + ", env: {A: " + value + "}}}}"
			if err := checkSchema(schema, []byte(src)); (err == nil) != right {
				t.Errorf("%s: %v", src, err)
			}
		}
	}
}
