package deploy

import "time"

// Beside says why no instance with these settings may run beside those that serve now; nil: one may. A move that holds
// requests is one of programs that cannot run twice, so that whoever only wants to try one out must ask here.
func (s State) Beside(settings Service, now time.Time) error {
	next, _, err := Begin(s, Request{To: RevisionID(0), Settings: settings, Straight: true}, now) // to no revision that there is
	if err != nil {
		return err
	}
	held := s.Rest.Hold
	for _, step := range next.Rollout.Forth {
		held = held || step.Picture.Hold
	}
	if held {
		return refuse("%s cannot run twice: one more instance would run beside the one that serves; naru rollback %[1]s itself replaces it", s.Service)
	}
	return nil
}
