package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses, as scripts see them.
const (
	done    = 0
	refused = 1 // wrong usage, or the server refused
	undone  = 2 // rolled back or aborted
	open    = 3 // stopped waiting while the rollout went on
)

// exit ends a command with a status other than 1. Without a message nothing is printed: what there was to say has been said.
type exit struct {
	status  int
	message string
}

func (e *exit) Error() string { return e.message }

// Main runs a command line and returns its exit status. The context ends when the user interrupts.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := &shell{in: stdin, out: stdout, err: stderr}
	root := rootCommand(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return done
	}
	status := refused
	var e *exit
	if errors.As(err, &e) {
		status = e.status
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "naru: "+strings.TrimSuffix(text, "\n"))
	}
	return status
}

func rootCommand(s *shell) *cobra.Command {
	root := &cobra.Command{
		Use:   "naru",
		Short: "Carry the users of a service from one version to the next without any of them noticing",
		Long: `naru is a load balancer that never drops a request and a controller that moves traffic
and instances from one version of a service to the next, step by step, measures, and
goes back by itself when the new version is worse.

Write a naru.yaml, start "naru serve", and say "naru deploy SERVICE VERSION".`,
		Example: `  naru serve -f naru.yaml            in one terminal
  naru deploy chat 3.1               in another: roll out and watch
  naru status                        what runs and who gets the traffic
  naru demo                          all of it, with three real programs`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       Version(),
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetVersionTemplate("naru {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	flags := root.PersistentFlags()
	flags.StringVar(&s.admin, "admin", os.Getenv("NARU_ADMIN"), "`address` of the server (NARU_ADMIN; default: the file's, or 127.0.0.1:7070)")
	flags.StringVar(&s.tokenFile, "token-file", os.Getenv("NARU_TOKEN_FILE"), "`file` with the server's token (NARU_TOKEN_FILE; default: the file's)")
	flags.BoolVar(&s.json, "json", false, "print JSON: one object, or one per line while following")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see naru %s--help", err, path(cmd))
	})
	root.AddGroup(&cobra.Group{ID: "rollout", Title: "Rollouts:"}, &cobra.Group{ID: "look", Title: "Looking:"},
		&cobra.Group{ID: "server", Title: "The server:"}, &cobra.Group{ID: "file", Title: "The file:"})
	add(root, "rollout", deployCommand(s), planCommand(s), promoteCommand(s), pauseCommand(s), resumeCommand(s), abortCommand(s),
		retryCommand(s), rollbackCommand(s), pinCommand(s), unpinCommand(s), scaleCommand(s), removeCommand(s))
	add(root, "look", statusCommand(s), historyCommand(s), receiptCommand(s), logsCommand(s), simulateCommand(s))
	add(root, "server", serveCommand(s), downCommand(s), gcCommand(s), upgradeCommand(s), demoCommand(s), versionCommand(s))
	add(root, "file", initCommand(s), validateCommand(s), schemaCommand(s))
	root.AddCommand(proxyCommand(s), shimCommand(s)) // naru starts these itself
	return root
}

// known refuses what is no command, and names the one that was probably meant.
func known(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "naru --help lists them"
	if like := root.SuggestionsFor(args[0]); len(like) > 0 {
		hint = "did you mean naru " + strings.Join(like, " or naru ") + "?"
	}
	return fmt.Errorf("there is no command %q: %s", args[0], hint)
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// path is the part of the command line that names a subcommand, with a space behind it.
func path(cmd *cobra.Command) string {
	_, rest, found := strings.Cut(cmd.CommandPath(), " ")
	if !found {
		return ""
	}
	return rest + " "
}

// arguments accepts from low to high arguments and says what is missing by the names in the command's Use line.
func arguments(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= low && len(args) <= high {
			return nil
		}
		what := "too many arguments"
		if len(args) < low {
			what = "arguments are missing"
		}
		return fmt.Errorf("%s: write naru %s; see naru %s--help", what, strings.TrimSuffix(cmd.Use, " [flags]"), path(cmd))
	}
}
