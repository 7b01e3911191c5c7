package cli

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is that of the running binary: the module's version, or the commit that it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", with changes"
		}
	}
	switch v := info.Main.Version; {
	case v != "" && v != "(devel)":
		return v
	case commit != "":
		return "devel (" + commit + changed + ")"
	}
	return "devel"
}

func versionCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this binary",
		Long:    `Print the version of this binary.`,
		Example: `  naru version`,
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if s.json {
				return s.object(map[string]string{"version": Version()})
			}
			s.say("naru %s", Version())
			return nil
		},
	}
}
