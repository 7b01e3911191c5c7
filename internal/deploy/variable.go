package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Variable is the value of an environment variable: a text, or the place where the server finds it each time an instance
// starts. Settings hold the place and never what is found there.
type Variable struct {
	Text    string   `json:"-"` // the short form; ${env:NAME} in it is of the server's own environment
	File    string   `json:"file,omitempty" jsonschema_description:"File of the machine that naru serves on. Its content is the value, without the line break at its end."`
	Command []string `json:"command,omitempty" jsonschema_description:"Program and arguments, run by naru serve in the folder dir without a shell. What it prints within 10s is the value, without the line break at its end."`
}

// Secret reports whether the value is found elsewhere, so that nobody but the program may see it.
func (v Variable) Secret() bool {
	return v.File != "" || v.Command != nil || len(References(v.Text)) > 0
}

// From says where the value comes from, and nothing of the value.
func (v Variable) From() string {
	switch {
	case v.File != "":
		return "file " + v.File
	case len(v.Command) > 0:
		return "command " + v.Command[0] // arguments may be worth hiding as well
	}
	var names []string
	for _, name := range References(v.Text) {
		names = append(names, "${env:"+name+"}")
	}
	return strings.Join(names, " and ")
}

// reference is ${env:NAME}; with a second $ before it, it stands for itself.
var reference = regexp.MustCompile(`\$?\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}`)

// References are the names of the server's variables that a text wants, each once.
func References(text string) (names []string) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[0], "$$") && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// UnmarshalText reads the short form.
func (v *Variable) UnmarshalText(text []byte) error {
	*v = Variable{Text: string(text)}
	return nil
}

// MarshalJSON writes the short form of a text.
func (v Variable) MarshalJSON() ([]byte, error) {
	if v.File == "" && v.Command == nil {
		return json.Marshal(v.Text)
	}
	type object Variable // without this method, so that the encoder does not come back here
	return json.Marshal(object(v))
}

// UnmarshalJSON reads both forms: "text" and {"file": …} or {"command": […]}. An unknown key is an error.
func (v *Variable) UnmarshalJSON(data []byte) error {
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '"' {
		*v = Variable{}
		return json.Unmarshal(trimmed, &v.Text)
	}
	type object Variable
	var o object
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return fmt.Errorf("decode the value of an environment variable: %w", err)
	}
	if o.File == "" && o.Command == nil {
		return errors.New("decode the value of an environment variable: neither a text nor file nor command is given")
	}
	*v = Variable(o)
	return nil
}

// Environment are the variables that the program is given beside naru's own, by name, and the place in the settings where they
// stand.
func (s Service) Environment() (env map[string]Variable, at string) {
	switch {
	case s.Process != nil:
		return s.Process.Env, "process.env"
	case s.Docker != nil:
		return s.Docker.Env, "docker.env"
	}
	return nil, ""
}

// copyVariables makes no difference between an empty environment and none. An empty command stays: it names a kind of
// source, a wrong one, and must not turn into a text.
func copyVariables(env map[string]Variable) map[string]Variable {
	if len(env) == 0 {
		return nil
	}
	env = maps.Clone(env)
	for name, v := range env {
		v.Command = slices.Clone(v.Command)
		env[name] = v
	}
	return env
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables checks names and values of an environment. No message repeats a value.
func (p *problems) variables(at string, env map[string]Variable) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		path := at + "." + name
		switch {
		case !variableName.MatchString(name):
			p.add(path, "%q is no name for an environment variable: use letters, digits and _, and no digit first", name)
		case name == "PORT" || strings.HasPrefix(name, "NARU_"):
			p.add(path, "%s is set by naru for each instance; choose another name", name)
		default:
			p.variable(path, env[name])
		}
	}
}

func (p *problems) variable(path string, v Variable) {
	if v.File != "" && v.Command != nil {
		p.add(path, "file and command are both given: keep the one that has the value")
		return
	}
	switch {
	case strings.ContainsRune(v.Text, 0):
		p.add(path, "holds a NUL character, which no program can be given")
	case strings.Contains(reference.ReplaceAllString(v.Text, ""), "${env:"):
		p.add(path, "${env: is not followed by the name of a variable and }: write ${env:NAME}, or $${env:NAME} for the text itself")
	case strings.ContainsRune(v.File, 0):
		p.add(path+".file", "holds a NUL character, which no path can")
	case strings.Contains(v.File, "${"):
		p.add(path+".file", "${…} is not filled in here: write the path out")
	case v.Command != nil:
		p.command(path+".command", v.Command)
	}
}

// exposed finds ${env:NAME} where its value would be seen by everybody: in the list of processes, in names and paths.
func (p *problems) exposed(uses []filled) {
	for _, use := range uses {
		if len(References(use.text)) > 0 {
			p.add(use.path, "${env:…} is filled in under env alone, because others can see this: let the program read the variable")
		}
	}
}

// tellTale are names whose values are better not written down.
var tellTale = regexp.MustCompile(`(?i)(passw(or)?d|passphrase|secret|token|api_?key|private_?key)$`)

// warnSecrets finds values that stand in clear and were probably meant to be secret.
func (s Service) warnSecrets(p *problems) {
	env, at := s.Environment()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if v := env[name]; tellTale.MatchString(name) && v.Text != "" && !v.Secret() {
			p.add(at+"."+name, "looks like a secret, and stands in clear here, in naru's store and in answers of its API: write {file: …}, {command: […]} or ${env:NAME}")
		}
	}
}
