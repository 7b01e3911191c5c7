package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/figure"
)

func receiptCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "receipt SERVICE [ROLLOUT]",
		Short: "Show what happened to every request of a rollout",
		Long: `Show what happened to every request of a rollout, measured by the proxy: how many there were, how
many failed and by whose fault, what each revision answered and how fast. Without ROLLOUT: of
the last one that has ended. "naru history SERVICE" lists the rollouts.

Failed are requests that a user saw fail: a 5xx or a cut. By naru: it made them; by the app: an
instance answered so. What each revision failed counts first attempts, which naru may have
repeated elsewhere with success.`,
		Example: `  naru receipt chat
  naru receipt chat chat-3 --json`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client("", "")
			if err != nil {
				return err
			}
			id := ""
			if len(args) == 2 {
				id = args[1]
			} else {
				rollouts, err := c.Rollouts(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				for _, r := range rollouts {
					if !r.Open() {
						id = r.ID
					}
				}
			}
			if id == "" {
				return fmt.Errorf("%s has no rollout that has ended yet: its receipt is written when it does", args[0])
			}
			r, err := c.Receipt(cmd.Context(), args[0], id)
			if err != nil {
				return err
			}
			if err := s.receipt(r); err != nil || s.json {
				return err
			}
			writeFigures(s.out, r)
			return nil
		},
	}
}

func (s *shell) receipt(r deploy.Receipt) error {
	if s.json {
		return s.object(r)
	}
	writeReceipt(s.out, r)
	return nil
}

// writeReceipt shows a receipt to people.
func writeReceipt(w io.Writer, r deploy.Receipt) {
	fmt.Fprintf(w, "\nreceipt of %s: %s to %s, %s after %s\n", r.Rollout, orNothing(r.From), r.To, words(r.Outcome), r.Ended.Sub(r.Started).Round(100*time.Millisecond))
	if r.Reason != "" {
		writeItem(w, "reason", r.Reason)
	}
	for _, note := range r.Notes {
		writeItem(w, "note", note)
	}
	q := r.Requests
	fmt.Fprintf(w, "\n  %s requests, %s failed (%s by naru, %s by the app)\n", figure.Count(q.Total), figure.Count(q.Failed), figure.Count(q.ByNaru), figure.Count(q.ByApp))
	fmt.Fprintf(w, "  %s retried, %s rescued, %s held, %s asked to reconnect\n", figure.Count(q.Retried), figure.Count(q.Rescued), figure.Count(q.Held), plural(int(r.Connections.WebSocketClosed), "WebSocket"))
	if r.Hold != (deploy.Hold{}) {
		fmt.Fprintf(w, "  the longest hold of a request %s%s\n", latency(r.Hold.Longest), heldBy(r.Hold))
	}
	fmt.Fprintf(w, "  never fewer than %s healthy\n", plural(r.MinHealthy, "instance"))
	if !r.Complete {
		fmt.Fprintln(w, "  not complete: a proxy was killed, and what it had counted is lost")
	}
	writeRevisions(w, r)
	writeJudgements(w, r.Analysis, append([]string{r.Reason}, r.Notes...))
}

// heldBy says how long nobody could answer because one revision had to end before the other began.
func heldBy(h deploy.Hold) string {
	if h.Service == 0 {
		return ""
	}
	return ", the service held for " + latency(h.Service)
}

// writeRevisions shows what each revision has answered.
func writeRevisions(w io.Writer, r deploy.Receipt) {
	if len(r.Revisions) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := [][]string{{"  REVISION", "REQUESTS", "FAILED AT FIRST", "P50", "P99"}}
	for _, id := range slices.SortedFunc(maps.Keys(r.Revisions), byAge) {
		c := r.Revisions[id]
		if c.Requests == 0 && id != r.From && id != r.To { // an older one, counted before this rollout
			continue
		}
		rows = append(rows, []string{"  " + id, figure.Count(c.Requests), figure.Count(c.Failed), latency(c.P50), latency(c.P99)})
	}
	writeTable(w, rows)
}
