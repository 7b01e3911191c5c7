//go:build linux

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/figure"
)

func demoCommand(s *shell) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo [chat|shop|social]",
		Short: "Watch three real programs change their version under load",
		Long: `Build the example programs and carry them from one version to the next while open-loop users
keep asking: a chat by rolling, a shop by blue-green, a social network by canary, and a bad
version of it that is taken back by itself. It takes about 90 seconds after compiling.

Nothing is pretended: the demo starts "naru serve" and says "naru plan" and "naru deploy" as
you would, with the naru.yaml of each example but for shorter times, which it names. It needs
a clone of naru and Go. At the end, and on Ctrl-C, everything it has started is stopped and its
folder is removed.

Exit status: 0 when every version went where it should and no user request failed that should
not have; 1 otherwise, and then the folder with the logs is kept.`,
		Example: `  naru demo
  naru demo social
  naru demo --keep       keep the files: naru.yaml, logs, store
  naru demo --json       one object per scenario; the story goes to stderr`,
		Args:      demoArguments,
		ValidArgs: scenarioNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			// A closed terminal or pipe ends the demo as Ctrl-C does: in order, with nothing left behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP, syscall.SIGPIPE)
			defer stop()
			return s.demo(ctx, chosen(args), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the folder with the files, the logs and the programs")
	return cmd
}

func demoArguments(cmd *cobra.Command, args []string) error {
	if err := arguments(0, 1)(cmd, args); err != nil {
		return err
	}
	if len(args) == 1 && len(chosen(args)) == 0 {
		return fmt.Errorf("there is no scenario %q%s; choose one of %s, or none for all", args[0], meant(args[0], scenarioNames()), strings.Join(scenarioNames(), ", "))
	}
	return nil
}

// demo is one run of the command.
type demo struct {
	out    io.Writer // for people
	naru   string    // this program, which plays serve, plan and deploy as well
	folder string    // where everything is
	played bool      // the programs are built and there is something to look at in the folder
}

// demo plays scenarios, and says how they went. What it has started has ended when it returns.
func (s *shell) demo(ctx context.Context, play []scenario, keep bool) (err error) {
	d := demo{out: s.out}
	if s.json {
		d.out = s.err
	}
	root, err := checkout(sources()...)
	if err != nil {
		return err
	}
	if d.naru, err = os.Executable(); err != nil {
		return fmt.Errorf("find the program of naru itself: %w", err)
	}
	if d.folder, err = os.MkdirTemp("", "naru-demo-"); err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = d.leave(ctx, err, keep) }()

	d.say("naru demo: %s\n\nReal programs, real load, the real naru. Ctrl-C ends it; nothing stays behind.\n", titles(play))
	if err := d.build(ctx, root, play); err != nil {
		return err
	}
	d.played = true
	began := time.Now()
	var results []demoResult
	for _, one := range play {
		d.heading(one.title)
		result, err := d.play(ctx, root, one)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		results = append(results, result)
	}
	return d.conclude(s, results, time.Since(began))
}

// leave removes the folder, unless somebody wants it or needs it to find out what went wrong.
func (d *demo) leave(ctx context.Context, err error, keep bool) error {
	var running unstopped
	failed := err != nil && d.played
	if ctx.Err() != nil && !errors.As(err, &running) {
		err, failed = errors.New("the demo was interrupted; what it had started is stopped"), false
	}
	if keep || failed {
		d.item("folder", d.folder+" is kept: naru.yaml and serve.log of each scenario, and below .naru what naru had stored")
		return err
	}
	if gone := os.RemoveAll(d.folder); gone != nil {
		return errors.Join(err, fmt.Errorf("remove the folder of the demo: %w", gone))
	}
	return err
}

// conclude shows how all scenarios went and where to go from here.
func (d *demo) conclude(s *shell, results []demoResult, took time.Duration) error {
	d.heading("result")
	rows := [][]string{{"SCENARIO", "STRATEGY", "VERSIONS", "OUTCOME", "REQUESTS", "FAILED"}}
	bad, price := 0, uint64(0)
	for _, r := range results {
		bad += len(r.Problems)
		price += r.price()
		rows = append(rows, r.rows()...)
	}
	writeTable(d.out, rows)
	d.say("")
	if s.json {
		for _, r := range results {
			if err := s.object(r); err != nil {
				return err
			}
		}
	}
	if bad > 0 {
		return problems(results)
	}
	text := "No request failed because of a deployment"
	if price > 0 {
		text += fmt.Sprintf("; the %s that failed were answered by the bad version itself before it was found out", figure.Count(price))
	}
	d.say("%s\n", filled(fmt.Sprintf("%s. All of it took %s, and nothing is left running.", text, took.Round(time.Second))))
	d.item("next", "README.md tells how to use naru for a service of your own")
	d.item("", "examples/ has the programs, each with a naru.yaml to copy, and more versions that go wrong on purpose")
	d.item("", "docs/reference/ explains every key of the file; naru --help lists the commands")
	return nil
}

func (d *demo) say(format string, a ...any) { fmt.Fprintf(d.out, format+"\n", a...) }

// item shows a sentence under a name, like the items of a plan.
func (d *demo) item(name, text string) { writeItem(d.out, name, text) }

// heading separates the parts of the story.
func (d *demo) heading(text string) {
	d.say("\n== %s %s\n", text, strings.Repeat("=", max(3, width-4-len(text))))
}
