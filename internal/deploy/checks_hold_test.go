package deploy

import "strings"

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
	obedient := !sc.rough && sc.kills+sc.reboots+sc.restarts+sc.stuck+sc.words == 0
	if open && obedient && old.Hold && !next.Hold && old.Returnable && l.w.nature[r.From].runs() {
		if held, most := o.Now.Sub(old.HeldSince), l.settings[r.To].HoldTimeout.D(); held > most {
			return broken(checkHeld, "for %s, at most %s", held, most)
		}
	}
	return nil
}

// doubted reports whether a version that was alone went back for want of a request, as its settings ask for.
func (l *life) doubted(r Rollout) bool {
	return r.Forth[len(r.Forth)-1].Picture.Hold && l.w.nature[r.To].silent && l.settings[r.To].Analysis.OnInsufficient == "rollback"
}

// hurried reports whether a rollout ended because somebody could not wait any longer: with proxies that hear late, that
// is nobody's fault.
func (l *life) hurried(r Rollout) bool {
	return l.sc.stuck+l.sc.restarts > 0 && (strings.Contains(r.Reason, "began to wait") || strings.Contains(r.Reason, "waited meanwhile") || strings.Contains(r.Reason, "is too short"))
}
