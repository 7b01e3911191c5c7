//go:build linux

package cli

import (
	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/platform/process"
)

func shimCommand(*shell) *cobra.Command {
	return &cobra.Command{
		Use:    "shim DIR",
		Short:  "Owner of one instance; started by naru serve",
		Long:   "Owns one instance: waits for it, writes its log, records how it ended. naru serve starts one shim per instance.",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return process.Shim(args[0]) },
	}
}
