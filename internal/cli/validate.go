package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/secret"
)

func validateCommand(s *shell) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Say everything that is wrong with a naru.yaml",
		Long: `Read a naru.yaml and say everything that is wrong with it, each as file:line:column with the line.
Warnings are what can be carried out but is probably not meant. Nothing is changed and no
server is needed.

Exit status: 0 when it can be used, warnings or not; 1 when it cannot.`,
		Example: `  naru validate
  naru validate -f examples/chat/naru.yaml --json`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			f, err := config.Load(file)
			if s.json {
				return s.validity(f, err)
			}
			if err != nil {
				return err
			}
			for _, w := range warnings(f) {
				fmt.Fprintf(s.out, "warning: %v\n", w)
			}
			s.say("%s can be used: %s", file, plural(len(f.Services), "service"))
			return nil
		},
	}
	fileFlag(cmd, &file)
	return cmd
}

// warnings adds what only the machine knows that naru serves on: certificates and tokens that cannot be read here, and secrets
// that everybody can. Secrets that are not here are no matter, because this need not be that machine.
func warnings(f *config.File) []config.Error {
	list := f.Warnings()
	var missing config.Errors
	if errors.As(f.CheckFiles(), &missing) {
		list = append(list, missing...)
	}
	for _, name := range f.Order {
		for _, p := range secret.Public(f.Services[name]) {
			list = append(list, f.Place(name, p))
		}
	}
	return list
}

// fault is an error of the file with --json.
type fault struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

func faults(errs []config.Error) []fault {
	out := []fault{}
	for _, e := range errs {
		out = append(out, fault{e.File, e.Line, e.Column, e.Path, e.Message})
	}
	return out
}

// validity prints one object; what is wrong with the file stands in it and nowhere else.
func (s *shell) validity(f *config.File, err error) error {
	var found config.Errors
	if err != nil && !errors.As(err, &found) {
		return err
	}
	var warned []config.Error
	if err == nil {
		warned = warnings(f)
	}
	if err := s.object(map[string]any{"valid": err == nil, "errors": faults(found), "warnings": faults(warned)}); err != nil {
		return err
	}
	if err != nil {
		return &exit{status: refused}
	}
	return nil
}
