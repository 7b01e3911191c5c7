// Package house holds the code to what docs/architecture.md says of it: who may know whom, what the pure core may use,
// how files are named. A rule that is only written down is broken by the next hurried change; one that is tested is
// changed on purpose, here and in the document.
package house

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/naru-deploy/naru/"

// source is one Go file.
type source struct {
	path    string // seen from the top of the repository
	syntax  *ast.File
	imports []string
}

// room is a folder with its Go files.
type room struct {
	folder      string // internal/deploy
	code, tests []source
}

// imports lists what the code of a room imports; its tests may know more.
func (r room) imports() (out []string) {
	for _, s := range r.code {
		out = append(out, s.imports...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// neighbours are the rooms among them.
func (r room) neighbours() (out []string) {
	for _, name := range r.imports() {
		if folder, ours := strings.CutPrefix(name, module); ours {
			out = append(out, folder)
		}
	}
	return out
}

// house reads every package of the repository.
func house(t *testing.T) map[string]room {
	t.Helper()
	rooms := map[string]room{}
	for _, top := range []string{"cmd", "internal", "examples", "bench", "test"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" {
				return err
			}
			s, err := read(file)
			if err != nil {
				return err
			}
			folder := path.Dir(s.path)
			r := rooms[folder]
			r.folder = folder
			if strings.HasSuffix(file, "_test.go") {
				r.tests = append(r.tests, s)
			} else {
				r.code = append(r.code, s)
			}
			rooms[folder] = r
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return rooms
}

func read(file string) (source, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	s := source{path: strings.TrimPrefix(filepath.ToSlash(file), "../"), syntax: syntax}
	for _, spec := range syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, name)
	}
	return s, nil
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// plan is the table of rooms in docs/architecture.md: what each may know.
func plan(t *testing.T) map[string][]string {
	t.Helper()
	_, table, begun := strings.Cut(document(t, "docs/architecture.md"), "<!-- rooms -->")
	table, _, ended := strings.Cut(table, "<!-- end -->")
	if !begun || !ended {
		t.Fatal("docs/architecture.md has lost its table of rooms")
	}
	name := regexp.MustCompile("`([^`]+)`")
	out := map[string][]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !name.MatchString(cells[1]) {
			continue // head and rule of the table
		}
		folder := name.FindStringSubmatch(cells[1])[1]
		out[folder] = []string{}
		for _, known := range name.FindAllStringSubmatch(cells[3], -1) {
			out[folder] = append(out[folder], known[1])
		}
	}
	return out
}

func TestRoomsKnowOnlyWhomThePlanSays(t *testing.T) {
	rooms, allowed := house(t), plan(t)
	for folder, r := range rooms {
		known, planned := allowed[folder]
		if !planned {
			t.Errorf("%s has no row in docs/architecture.md: say what it is for and whom it may know", folder)
			continue
		}
		for _, other := range r.neighbours() {
			if !slices.Contains(known, other) {
				t.Errorf("%s imports %s, which docs/architecture.md does not allow", folder, other)
			}
		}
	}
	for folder, known := range allowed {
		if _, there := rooms[folder]; !there {
			t.Errorf("docs/architecture.md names %s, which does not exist", folder)
		}
		for _, other := range known {
			if _, there := rooms[other]; !there {
				t.Errorf("docs/architecture.md lets %s know %s, which does not exist", folder, other)
			}
		}
	}
}

// What follows is not up to the table: with any of these broken it would be another house.

func TestGroundFloorsNeverMeet(t *testing.T) {
	rooms := house(t)
	for folder, r := range rooms {
		under := func(top string) bool { return folder == top || strings.HasPrefix(folder, top+"/") }
		for _, other := range r.neighbours() {
			if under("internal/deploy") {
				t.Errorf("%s imports %s: the core knows nobody", folder, other)
			}
			if under("internal/proxy") && !strings.HasPrefix(other, "internal/proxy") {
				t.Errorf("%s imports %s: the data plane knows only itself", folder, other)
			}
			if other == "internal/cli" && folder != "cmd/naru" {
				t.Errorf("%s imports internal/cli: nobody but main does", folder)
			}
		}
		both := slices.Contains(r.neighbours(), "internal/deploy") && slices.Contains(r.neighbours(), "internal/proxy")
		if both && folder != "internal/engine" && folder != "internal/cli" {
			t.Errorf("%s imports both deploy and proxy: translating one into the other is the engine's", folder)
		}
	}
}

// impure are the packages of the standard library by which code reaches the world, or another goroutine.
var impure = []string{"context", "crypto", "database", "io", "log", "math/rand", "net", "os", "plugin", "runtime", "sync", "syscall", "testing", "unsafe"}

// clocks are the functions of package time that read the clock or wait for it.
var clocks = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}

func TestCoreIsPure(t *testing.T) {
	for _, s := range house(t)["internal/deploy"].code {
		for _, name := range s.imports {
			top, _, _ := strings.Cut(name, "/")
			if strings.Contains(top, ".") {
				t.Errorf("%s imports %s: the core uses the standard library alone", s.path, name)
			}
			if slices.ContainsFunc(impure, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") }) {
				t.Errorf("%s imports %s: the core has no clock, goroutine or I/O", s.path, name)
			}
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
				t.Errorf("%s uses a goroutine or a channel: the core decides and does nothing", s.path)
			case *ast.SelectorExpr:
				if of, ok := n.X.(*ast.Ident); ok && of.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
					t.Errorf("%s uses time.%s: time comes in as Observation.Now", s.path, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// junk are names of files and folders that say nothing of what is in them, so that anything ends up there.
var junk = regexp.MustCompile(`^(util|utils|common|helper|helpers|types|manager|misc|base)(_.*)?$`)

func TestNamesSayWhatIsInside(t *testing.T) {
	for folder, r := range house(t) {
		if junk.MatchString(path.Base(folder)) {
			t.Errorf("%s: name the folder for the noun that it holds", folder)
		}
		for _, s := range slices.Concat(r.code, r.tests) {
			if junk.MatchString(strings.TrimSuffix(path.Base(s.path), ".go")) {
				t.Errorf("%s: name the file for the noun or verb that it holds", s.path)
			}
		}
	}
}

func TestEveryPackageIntroducesItself(t *testing.T) {
	for folder, r := range house(t) {
		if !strings.HasPrefix(folder, "internal/") || len(r.code) == 0 {
			continue
		}
		if !slices.ContainsFunc(r.code, func(s source) bool { return s.syntax.Doc.Text() != "" }) {
			t.Errorf("%s has no package comment", folder)
		}
	}
}

// required are the modules of go.mod with their versions, and those of the example that is a module of its own.
func required(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(document(t, "examples/notes/go.mod") + document(t, "go.mod")) {
		if f := strings.Fields(strings.TrimPrefix(line, "require ")); len(f) >= 2 && strings.HasPrefix(f[1], "v") {
			out[f[0]] = f[1]
		}
	}
	return out
}

// owner is the module that a package of somebody else belongs to: the longest name in go.mod that it begins with.
func owner(modules map[string]string, name string) string {
	candidates := slices.DeleteFunc(slices.Collect(maps.Keys(modules)), func(m string) bool { return name != m && !strings.HasPrefix(name, m+"/") })
	if len(candidates) == 0 {
		return ""
	}
	return slices.MaxFunc(candidates, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

// Every library that is used stands in docs/decisions/README.md, in the version that go.mod asks for.
func TestLibrariesAreAccountedFor(t *testing.T) {
	modules, listed := required(t), map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v[^ ]+) \\|")
	for _, cells := range row.FindAllStringSubmatch(document(t, "docs/decisions/README.md"), -1) {
		listed[cells[1]] = cells[2]
	}
	for name, version := range listed {
		if modules[name] != version {
			t.Errorf("docs/decisions/README.md lists %s %s, go.mod asks for %q", name, version, modules[name])
		}
	}
	for _, r := range house(t) {
		for _, s := range slices.Concat(r.code, r.tests) {
			for _, name := range s.imports {
				top, _, _ := strings.Cut(name, "/")
				if !strings.Contains(top, ".") || strings.HasPrefix(name, module) {
					continue
				}
				if m := owner(modules, name); listed[m] == "" {
					t.Errorf("%s imports %s, and docs/decisions/README.md has no line for module %q", s.path, name, m)
				}
			}
		}
	}
}

// Links between documents lead somewhere, and every decision is listed.
func TestDocumentsHoldTogether(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	pages := []string{"README.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join("..", "docs"), func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(file) == ".md" {
			pages = append(pages, strings.TrimPrefix(filepath.ToSlash(file), "../"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, to := range link.FindAllStringSubmatch(document(t, page), -1) {
			if _, err := os.Stat(filepath.Join("..", path.Dir(page), to[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, to[1])
			}
		}
	}
	index := document(t, "docs/decisions/README.md")
	for _, page := range pages {
		name := path.Base(page)
		if path.Dir(page) == "docs/decisions" && name != "README.md" && !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/decisions/README.md does not list %s", name)
		}
	}
}
