package deploy

import (
	"errors"
	"maps"
	"strconv"
)

// move does what the script asks for next, when its time has come. What makes no sense now is refused, and then nothing
// has changed.
func (l *life) move() error {
	_, open := l.state.Open()
	if l.next == len(l.sc.moves) {
		return nil
	}
	mv := l.sc.moves[l.next]
	if mv.after < 0 && open || mv.after >= 0 && l.tick-l.began < mv.after {
		return nil
	}
	l.next++
	l.clean() // what is asked for meets the same revisions, whatever the moment at which it is
	state, err := l.state, error(nil)
	switch mv.kind {
	case scale:
		state, err = Scale(state, mv.settings.Instances)
	case remove:
		state = Remove(state, l.w.now)
	default:
		state, err = l.begin(mv)
	}
	if refusal := (*Refusal)(nil); err != nil && !errors.As(err, &refusal) {
		return err
	}
	l.state, l.saved, l.began = state, state, l.tick
	return nil
}

func (l *life) begin(mv move) (State, error) {
	q := Request{Settings: mv.settings, By: "deploy"}
	switch mv.kind {
	case rollback:
		q.To, q.Straight, q.By = l.state.Previous, true, "rollback"
	case retry:
		q.To, q.By = l.failed, "retry"
		if q.To != "" && !l.kept[q.To] {
			return l.state, refuse("%s is not kept", q.To)
		}
	}
	if mv.kind == rollback && q.To != "" && !l.kept[q.To] {
		return l.state, broken(checkKept, "a rollback goes to %s", q.To)
	}
	state := l.state
	if q.To == "" {
		state.Revisions++
		q.To = "r" + strconv.Itoa(state.Revisions)
		l.w.nature[q.To] = mv.nature
	}
	l.settings[q.To], q.Version, l.kept[q.To] = q.Settings, q.To, true
	state, old, err := Begin(state, q, l.w.now)
	if err == nil && old != nil {
		l.results, l.reasons = append(l.results, old.Result), append(l.reasons, old.Reason)
	}
	if err == nil && state.Rollout.Forth[0].Picture.Ahead != "" { // what may have to come back is looked at anew
		delete(l.w.ready, state.Rollout.From)
	}
	return state, err
}

// clean deletes every revision that nothing needs, as if none was ever recent.
func (l *life) clean() {
	var held []Held
	for id := range l.kept {
		held = append(held, Held{ID: id})
	}
	state := l.state
	if l.m.careless {
		state = State{Stable: state.Stable, Previous: state.Previous}
	}
	why := state.Retain(Keep{Revisions: 2}, held, l.w.now)
	maps.DeleteFunc(l.kept, func(id string, _ bool) bool { return why[id] == "" })
}

// speak says something at random, and what a person would when a rollout waits for one.
func (l *life) speak() {
	r, open := l.state.Open()
	if open && (r.Phase == Paused || r.Phase == Approval) {
		l.waiting++
	} else {
		l.waiting = 0
	}
	switch n := l.w.nature[r.To]; {
	case !open:
	case l.waiting > 12 && (r.Phase == Approval || n.silent || n.verdict != ""):
		l.say(Command{Verb: Promote})
	case l.waiting > 12:
		l.say(Command{Verb: Resume})
	case l.hit(l.sc.words):
		verb := []Verb{Promote, Pause, Resume, Abort}[l.rnd.IntN(4)]
		l.say(Command{Verb: verb, Full: l.rnd.IntN(2) == 0})
	}
}

func (l *life) say(c Command) {
	r, _ := l.state.Open()
	next, err := Apply(r, c, l.w.now)
	if err != nil {
		return
	}
	l.promoted[r.ID] = l.promoted[r.ID] || c.Verb == Promote
	l.state.Rollout = &next
	l.saved = l.state
	l.waiting = 0
}
