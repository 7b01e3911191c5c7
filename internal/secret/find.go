package secret

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// Ask is a question for the values of an environment.
type Ask struct {
	Service string
	At      string // of the environment in the settings, such as process.env: problems begin with it
	Env     map[string]deploy.Variable
	Dir     string            // where commands run
	Fill    map[string]string // names for ${…} in texts
	Early   map[string]string // what commands have printed a moment ago: these are not run again
	Glance  bool              // run no command, only look whether it is there: for who asks time and again
}

// longest is what Linux lets one variable take, its name, the = and a closing NUL included (MAX_ARG_STRLEN).
const longest = 128 << 10

// Find looks for every value that is not written out in the settings. What cannot be found, or given to a program, is a
// problem that names the place in the settings and never a value. Commands run at the same time, each for at most the shorter of
// 10 s and the context. A glance finds no values of commands.
func Find(ctx context.Context, a Ask) (Set, []deploy.Problem) {
	names := slices.Sorted(maps.Keys(a.Env))
	found := make([]finding, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		if v := a.Env[name]; v.Secret() {
			asking.Go(func() { found[i] = find(ctx, a, name, v) })
		}
	}
	asking.Wait()
	var s Set
	var problems []deploy.Problem
	for i, f := range found {
		switch {
		case !a.Env[names[i]].Secret(), f.unasked:
		case f.fault != "":
			problems = append(problems, deploy.Problem{Path: a.At + "." + names[i] + f.part, Message: f.fault})
		default:
			s.add(names[i], f.value, f.hide...)
			if f.warning != "" {
				s.Warnings = append(s.Warnings, deploy.Problem{Path: a.At + "." + names[i] + f.part, Message: f.warning})
			}
		}
	}
	return s, problems
}

// finding is one value, or why there is none.
type finding struct {
	value string
	hide  []string // what of the value must not be seen; none: all of it
	part  string   // of the variable that the rest speaks of, such as .file
	fault string

	warning string
	unasked bool // it is there, and was not run
}

func find(ctx context.Context, a Ask, name string, v deploy.Variable) (f finding) {
	switch {
	case v.File != "":
		f = readFile(v.File)
		f.part = ".file"
	case v.Command != nil && a.Early[name] != "":
		f.value = a.Early[name]
	case v.Command != nil:
		if f.fault = absent(a, v.Command[0]); f.fault == "" && a.Glance {
			return finding{unasked: true}
		} else if f.fault == "" {
			f = run(ctx, a, name, v.Command)
		}
		f.part = ".command"
	default:
		f = fill(a, v.Text)
	}
	if f.fault != "" {
		return f
	}
	switch {
	case f.value == "":
		f.fault = "is empty: a program that is given nothing fails in ways that are hard to understand"
	case strings.ContainsRune(f.value, 0):
		f.fault = "holds a NUL character, which no program can be given: store it as text, such as by base64"
	case len(name)+len(f.value)+2 > longest:
		f.fault = fmt.Sprintf("is %d bytes long, and Linux gives a program at most %d in one variable: let the program read the file itself", len(f.value), longest-len(name)-2)
	}
	return f
}

// fill takes ${env:NAME} from the environment of this process, and the instance's own names, in one go: a value that
// happens to look like ${…} stays what it is.
func fill(a Ask, text string) (f finding) {
	names := maps.Clone(a.Fill)
	if names == nil {
		names = make(map[string]string)
	}
	for _, name := range deploy.References(text) {
		value, given := os.LookupEnv(name)
		switch {
		case !given:
			f.fault = fmt.Sprintf("%s is not in the environment of naru serve: set it there (in a unit: Environment or EnvironmentFile) and start serve again", name)
		case value == "":
			f.fault = fmt.Sprintf("%s is empty in the environment of naru serve: set it there and start serve again", name)
		}
		if f.fault != "" {
			return f
		}
		names["env:"+name] = value
		f.hide = append(f.hide, value)
	}
	f.value = platform.Expand(text, names)
	return f
}

// Err joins problems to one error; nil for none. Whoever wants to tell it from others, or to show the problems one by one,
// finds them by its method Problems.
func Err(problems []deploy.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return missing(problems)
}

// missing is an error that values which settings point to are not to be had.
type missing []deploy.Problem

func (m missing) Problems() []deploy.Problem { return m }

func (m missing) Error() string {
	lines := make([]string, len(m))
	for i, p := range m {
		lines[i] = p.Path + ": " + p.Message
	}
	return strings.Join(lines, "; ")
}
