package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/naru-deploy/naru/internal/simulate"
)

// scenarioFile is a scenario as it stands in a file.
type scenarioFile struct {
	path string
	tree *ast.File
}

// maxScenario bounds the file in bytes.
const maxScenario = 1 << 20

// readScenario reads a file into s, which keeps what the file leaves out. Without a path there is no file.
func readScenario(path string, s *simulate.Scenario) (*scenarioFile, error) {
	if path == "" {
		return nil, nil
	}
	src, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	f := &scenarioFile{path: path}
	if f.tree, err = parser.ParseBytes(src, 0); err != nil {
		return nil, f.located(err)
	}
	if len(f.tree.Docs) != 1 || f.tree.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: a scenario is one YAML document with keys such as rate and regressions", path)
	}
	var refused refusal
	if ast.Walk(&refused, f.tree.Docs[0].Body); refused.why != "" {
		return nil, fmt.Errorf("%s%s", f.at(refused.at), refused.why)
	}
	if err := yaml.NodeToValue(f.tree.Docs[0].Body, s, yaml.Strict()); err != nil {
		return nil, f.located(err)
	}
	return f, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the scenario: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(src) > maxScenario {
		return nil, fmt.Errorf("%s is too large for a scenario: %d bytes are the most", path, maxScenario)
	}
	return src, nil
}

// refusal looks for what could be read in more than one way, as a naru.yaml is read.
type refusal struct {
	at  *token.Token
	why string
}

// whole are the keys that take whole numbers; the library would cut others off.
var whole = regexp.MustCompile(`^(seed|retries|stuck)$`)

func (r *refusal) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.MappingValueNode:
		if _, broken := n.Value.(*ast.FloatNode); broken && whole.MatchString(n.Key.String()) {
			r.at, r.why = n.Value.GetToken(), n.Key.String()+": must be a whole number"
		}
		if _, empty := n.Value.(*ast.NullNode); empty {
			r.at, r.why = n.Key.GetToken(), n.Key.String()+": has no value: give it one, or remove the key"
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		r.at, r.why = n.GetToken(), "anchors, aliases, tags and merge keys are not read here: write the value out"
	}
	return r
}

// located puts the library's words for a fault where it is.
func (f *scenarioFile) located(err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf("%s%s", f.at(e.GetToken()), plainly(e.GetMessage()))
	}
	// What reads itself, as a duration does, says what it was given and not where.
	var found finder
	if quoted := regexp.MustCompile(`^"([^"]*)"`).FindStringSubmatch(err.Error()); quoted != nil {
		found.value = quoted[1]
		ast.Walk(&found, f.tree.Docs[0].Body)
	}
	return fmt.Errorf("%s%w", f.at(found.at), err)
}

// plainly leaves out the names that only a programmer knows.
func plainly(message string) string {
	message = regexp.MustCompile(`Go struct field \w+\.`).ReplaceAllString(message, "")
	message = regexp.MustCompile(` of type (float64|int)$`).ReplaceAllString(message, ", which is a number")
	return strings.Replace(message, "cannot unmarshal", "cannot put", 1)
}

// numbers are the paths of plain numbers: what stands there does not read itself.
var numbers = regexp.MustCompile(`\.(rate|seed|latency|times|retries|stuck)$|^\$\.drift\.errors$`)

// finder looks for the first value that is written so and reads itself.
type finder struct {
	value string
	at    *token.Token
}

func (f *finder) Visit(n ast.Node) ast.Visitor {
	if v, ok := n.(*ast.MappingValueNode); ok && f.at == nil && v.Value.GetToken().Value == f.value && !numbers.MatchString(v.Value.GetPath()) {
		f.at = v.Value.GetToken()
	}
	return f
}

func (f *scenarioFile) at(t *token.Token) string {
	if t == nil || t.Position == nil {
		return f.path + ": "
	}
	return f.path + ":" + strconv.Itoa(t.Position.Line) + ":" + strconv.Itoa(t.Position.Column) + ": "
}

// place is where a path of the scenario stands, or the nearest part of it that does.
func (f *scenarioFile) place(path string) string {
	for path != "" {
		if p, err := yaml.PathString("$." + path); err == nil {
			if n, err := p.FilterFile(f.tree); err == nil && n != nil {
				return f.at(n.GetToken())
			}
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return f.path + ": "
}
