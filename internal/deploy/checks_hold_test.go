package deploy

import (
	"strings"
	"time"
)

// judgeAlone holds a start against all that runs: where one of two revisions cannot run twice, they never run together.
func judgeAlone(l *life, a Start) error {
	for id, b := range l.w.bodies {
		if id != a.ID && b.Live() && (l.settings[a.Revision].Exclusive || l.settings[b.Revision].Exclusive && b.Revision != a.Revision) {
			return broken(checkAlone, "%s is started beside %s", a.ID, id)
		}
	}
	return nil
}

// judgeHold holds the beginning and the end of a hold against what it is for. When the world does as it should, nobody waits
// for longer than hold_timeout, whatever the new version does.
func judgeHold(l *life, o Observation, old, next Routing, after State) error {
	r, open := after.Open()
	if open && next.Hold && !old.Hold && next.Returnable && !r.Returning && l.w.nature[r.To].prepare {
		return broken(checkAhead, "%s waits for %s", r.From, r.To)
	}
	sc := l.sc
	obedient := !sc.rough && sc.kills+sc.reboots+sc.restarts+sc.stuck+sc.dark+sc.words == 0
	if open && obedient && old.Hold && !next.Hold && old.Returnable && l.w.nature[r.From].runs() {
		if held, most := o.Now.Sub(old.HeldSince), l.promised(r, old.HeldSince); held > most {
			return broken(checkHeld, "for %s, at most %s", held, most)
		}
	}
	return nil
}

// doubted reports whether a version that was alone went back for want of a request, as its settings ask for.
func (l *life) doubted(r Rollout) bool {
	return r.Forth[len(r.Forth)-1].Picture.Hold && l.w.nature[r.To].silent && l.settings[r.To].Analysis.OnInsufficient == "rollback"
}

// promised is how long who waits since a moment was to wait: as long as either revision says, and where the wait is older than
// the rollout, as any does.
func (l *life) promised(r Rollout, since time.Time) time.Duration {
	most := max(l.settings[r.From].HoldTimeout, l.settings[r.To].HoldTimeout)
	if since.Before(r.Created) {
		for _, s := range l.settings {
			most = max(most, s.HoldTimeout)
		}
	}
	return most.D()
}

// plenty is a hold_timeout that is enough for the start of any two versions; brief is enough for few.
const (
	plenty = Duration(30 * time.Second)
	brief  = Duration(5 * time.Second)
)

// hurried reports whether a rollout ended because somebody could not wait any longer: with proxies that hear late, with a platform that cannot be asked, or where both
// revisions give little time, that is nobody's fault.
func (l *life) hurried(r Rollout) bool {
	little := max(l.settings[r.From].HoldTimeout, l.settings[r.To].HoldTimeout) < plenty
	return (little || l.sc.stuck+l.sc.restarts+l.sc.dark > 0) && (strings.Contains(r.Reason, "began to wait") || strings.Contains(r.Reason, "waited meanwhile") || strings.Contains(r.Reason, "is too short"))
}
