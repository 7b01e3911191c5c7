package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/api"
)

func logsCommand(s *shell) *cobra.Command {
	var f api.LogFilter
	cmd := &cobra.Command{
		Use:   "logs SERVICE",
		Short: "Show what the instances of a service print",
		Long: `Show what the instances of a service print, merged in the order of time. Every line begins with
its moment (UTC) and its instance.

Without --revision: of the instances that there are. With it also of those that have ended, as
long as the revision is kept.`,
		Example: `  naru logs chat --follow
  naru logs chat --revision r7 --tail 100
  naru logs chat --since 10m`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			lines, err := c.Logs(cmd.Context(), args[0], f)
			if err != nil {
				return err
			}
			defer lines.Close()
			err = s.copyLog(lines)
			if cmd.Context().Err() != nil { // Ctrl-C is the proper end of following
				return nil
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Revision, "revision", "", "only this `revision`, its ended instances included")
	flags.StringVar(&f.Instance, "instance", "", "only this `instance`")
	flags.IntVar(&f.Tail, "tail", 0, "only the last `n` lines (default: all that are kept)")
	flags.StringVar(&f.Since, "since", "", "only later lines: a `time`, or how long ago, such as 10m")
	flags.BoolVar(&f.Follow, "follow", false, "go on with what is printed from now on")
	return cmd
}

// logLine is a line with --json.
type logLine struct {
	Time     string `json:"time"`
	Instance string `json:"instance"`
	Text     string `json:"text"`
}

func (s *shell) copyLog(lines io.Reader) error {
	if !s.json {
		_, err := io.Copy(s.out, lines)
		return err
	}
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 1<<20)
	out := json.NewEncoder(s.out)
	for scanner.Scan() {
		time, rest, _ := strings.Cut(scanner.Text(), " ")
		instance, text, _ := strings.Cut(rest, " ")
		if err := out.Encode(logLine{time, instance, text}); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}
