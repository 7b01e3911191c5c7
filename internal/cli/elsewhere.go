//go:build !linux

package cli

import (
	"context"
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/config"
)

// Serving takes Linux: pidfd, parent-death signals, locks that name their holder. Everything else is a client of the API and works
// wherever Go does.

func serveCommand(*shell) *cobra.Command {
	return notHere("serve", "Run the control plane and the data plane (on Linux)", false)
}
func proxyCommand(*shell) *cobra.Command { return notHere("proxy", "The data plane (on Linux)", true) }
func shimCommand(*shell) *cobra.Command {
	return notHere("shim", "Owner of one instance (on Linux)", true)
}
func demoCommand(*shell) *cobra.Command { return notHere("demo", "See it at work (on Linux)", false) }

// notHere stands in for a command that runs the server.
func notHere(name, short string, hidden bool) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Long: short + ".", Hidden: hidden,
		DisableFlagParsing: true, // whatever was written, the answer is the same
		RunE: func(*cobra.Command, []string) error {
			return errors.New("naru " + name + " runs on Linux, and this is " + runtime.GOOS + ": start it there; all commands that speak to a server work here, " +
				"with --admin ADDRESS or NARU_ADMIN, for example through ssh -L 7070:127.0.0.1:7070 MACHINE")
		},
	}
}

// down asks the server, wherever it is: its state folder is not on this machine.
func (s *shell) down(ctx context.Context, f *config.File, now bool) error {
	return s.tellDown(ctx, f, now)
}
