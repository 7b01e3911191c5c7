package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// drill tries a rollback out and says how it was.
func (s *shell) drill(ctx context.Context, service, revision string) error {
	c, err := s.client("", "")
	if err != nil {
		return err
	}
	s.say("%s: one instance of %s is started without traffic", service, cmp.Or(revision, "the revision before"))
	r, err := c.Drill(ctx, service, revision)
	if ctx.Err() != nil {
		return errors.New("the drill was broken off; the server removes its instance")
	}
	if err != nil {
		return err
	}
	failed := &exit{status: undone}
	if s.json {
		if err := s.object(r); err != nil || r.Passed {
			return err
		}
		return failed
	}
	if r.Passed {
		s.say("%s of %s is ready: there after %s, healthy %s after its start; removed again after %s in all", named(r.Revision, r.Version), service, brief(r.Prepared), brief(r.Healthy), brief(r.Took))
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "the drill of %s of %s has failed after %s: %s", named(r.Revision, r.Version), service, brief(r.Took), r.Reason)
	for _, line := range r.Log {
		text.WriteString("\n  " + line)
	}
	failed.message = text.String()
	return failed
}
