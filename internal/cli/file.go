package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
)

// fileFlag adds -f to a command.
func fileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "file", "f", "naru.yaml", "`path` of the configuration")
}

// settings reads a file and takes a service out of it by name.
func settings(path, service string) (*config.File, deploy.Service, error) {
	f, err := config.Load(path)
	if err != nil {
		return nil, deploy.Service{}, err
	}
	s, ok := f.Services[service]
	if !ok {
		return nil, s, fmt.Errorf("%s has no service %q%s; it has: %s", path, service, meant(service, f.Order), orNone(f.Order))
	}
	return f, s, nil
}

// deployment is what is posted to begin or to plan a rollout.
func deployment(version string, s deploy.Service, message string) (api.Deployment, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return api.Deployment{}, fmt.Errorf("write the settings: %w", err)
	}
	return api.Deployment{Version: version, Service: text, Message: message}, nil
}

// placed says where in the file the faults are that only the server could find.
func placed(err error, f *config.File, service string) error {
	failed, ok := errors.AsType[*api.Error](err)
	if !ok || len(failed.Problems) == 0 {
		return err
	}
	at := make(config.Errors, len(failed.Problems))
	for i, p := range failed.Problems {
		at[i] = f.Place(service, p)
	}
	return at
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// meant suggests the known name that differs least from what was written, by at most two letters.
func meant(written string, known []string) string {
	best, least := "", 3
	for _, name := range known {
		if d := distance(written, name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance counts the letters to insert, delete or replace that make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := before
			if a[i] != b[j] {
				replaced++
			}
			before = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
