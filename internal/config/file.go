package config

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// File is a naru.yaml without fault.
type File struct {
	Path     string                    // as it was given
	Server   Server                    // with its defaults
	Services map[string]deploy.Service // normalised, valid, paths absolute
	Order    []string                  // the names of the services, as the file has them

	source source
}

// layout is the file as the decoder and the schema see it.
type layout struct {
	Server   Server                    `json:"server,omitzero" jsonschema_description:"naru itself: where it listens and keeps its state."`
	Services map[string]deploy.Service `json:"services,omitempty" jsonschema_description:"The services by name: letters a to z, digits and -, at most 41."`
}

// Load reads a file; see Parse.
func Load(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the configuration: %w; name another file with -f", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1)) // one more than Parse takes, so that it refuses
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return Parse(path, src)
}

// Parse reads the text of a file called name, whose folder relative paths start from. It looks at no other
// file. The error is of type Errors and holds everything that is wrong.
func Parse(name string, src []byte) (*File, error) {
	folder, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("find the folder of %s: %w", name, err)
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff")) // the byte order mark that some editors write
	root, faults := readYAML(src)
	f := &File{Path: name, source: source{name: name, root: root, lines: strings.Split(string(src), "\n")}}
	if root == nil {
		return nil, f.source.errors(faults, nil)
	}
	d := decoder{faults: faults}
	var l layout
	d.value(root, reflect.ValueOf(&l).Elem(), "")
	f.adopt(l, folder)
	if errs := f.source.errors(d.faults, f.validate()); errs != nil {
		return nil, errs
	}
	return f, nil
}

// adopt fills in what the file leaves out.
func (f *File) adopt(l layout, folder string) {
	f.Server = l.Server.normalise(folder)
	f.Services = make(map[string]deploy.Service, len(l.Services))
	for name, s := range l.Services {
		f.Services[name] = Absolute(s.Normalise(), folder)
	}
	if services, ok := f.source.root.key("services"); ok {
		for _, e := range services.value.entries {
			f.Order = append(f.Order, e.name)
		}
	}
}

// Absolute makes the paths of settings absolute, seen from folder. The first word of a command stays: it is
// looked for in process.dir.
func Absolute(s deploy.Service, folder string) deploy.Service {
	if s.Process != nil {
		p := *s.Process
		p.Dir, p.Artifact = below(folder, p.Dir), below(folder, p.Artifact)
		p.Env = absoluteFiles(p.Env, folder)
		s.Process = &p
	}
	if s.Docker != nil {
		d := *s.Docker
		d.Dir, d.EnvFile = below(folder, d.Dir), below(folder, d.EnvFile)
		d.Env = absoluteFiles(d.Env, folder)
		d.Volumes = slices.Clone(d.Volumes)
		for i, text := range d.Volumes {
			if v, ok := deploy.ParseVolume(text); ok && !v.Named() {
				v.Source = below(folder, v.Source)
				d.Volumes[i] = v.String()
			}
		}
		s.Docker = &d
	}
	return s
}

func absoluteFiles(env map[string]deploy.Variable, folder string) map[string]deploy.Variable {
	env = maps.Clone(env)
	for name, v := range env {
		v.File = below(folder, v.File)
		env[name] = v
	}
	return env
}

// source is the text of a file and the tree that was read from it.
type source struct {
	name  string
	root  *node // nil when it could not be read
	lines []string
}

// errors joins what decoding and validating found; nil when that is nothing. A problem that touches a value
// which could not be read is only a consequence, and is left out.
func (s source) errors(faults []fault, problems []deploy.Problem) error {
	var errs Errors
	for _, f := range faults {
		errs = append(errs, s.locate(f))
	}
	for _, p := range problems {
		if !consequence(p.Path, faults) {
			errs = append(errs, s.locate(fault{s.root.find(p.Path), p.Path, p.Message}))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return Errors(sorted(errs))
}

// consequence reports whether a fault lies at the problem's place, around it, or in one of its direct parts.
func consequence(path string, faults []fault) bool {
	for _, f := range faults {
		if f.path == "" { // the whole file or body is not what it should be
			return true
		}
		part, inside := strings.CutPrefix(f.path, path)
		if within(path, f.path) || inside && within(f.path, path) && strings.Count(part, ".")+strings.Count(part, "[") == 1 {
			return true
		}
	}
	return false
}

// within reports whether path is that place or one below it.
func within(path, place string) bool {
	rest, ok := strings.CutPrefix(path, place)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (s source) locate(f fault) Error {
	e := Error{File: s.name, Line: f.at.line, Column: f.at.column, Path: f.path, Message: f.message}
	if e.Line > 0 && e.Line <= len(s.lines) {
		e.Source = s.veiled(e.Line, strings.TrimSuffix(s.lines[e.Line-1], "\r"))
	}
	return e
}
