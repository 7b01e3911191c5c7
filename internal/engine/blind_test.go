package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/store"
)

// While the platform cannot be asked, nothing begins, commands are heard and shown, and who follows is told; and that time counts
// for no deadline.
func TestBlind(t *testing.T) {
	e, w := begin(t)
	s := plainly("shop")
	s.Deadline = deploy.Duration(4 * time.Second)
	ended(t, e, w.deploy(t, e, "shop", "1", s))
	w.change(func() { w.sick = "2" })
	r := w.deploy(t, e, "shop", "2", s)
	shown := func(what string, as func(Status) bool) Status {
		t.Helper()
		return await(t, what, func() (Status, bool) {
			s, err := e.Status("shop")
			if err != nil {
				t.Fatal(err)
			}
			return s, as(s)
		})
	}
	shown("the new instance runs", func(s Status) bool { return len(s.Instances) == 2 })
	const why = "the engine does not answer at its socket; start it"
	w.change(func() { w.away, w.sick = errors.New(why), "" })

	away := shown("status says so", func(s Status) bool { return s.Problem != "" })
	if !strings.Contains(away.Problem, why) || away.Rollout == nil || away.Rollout.Waiting != "the platform to answer: "+why || len(away.Instances) != 2 {
		t.Errorf("%+v, %+v", away, away.Rollout)
	}
	if err := e.Command(t.Context(), "shop", deploy.Command{Verb: deploy.Pause}); err != nil {
		t.Fatal(err)
	}
	shown("that it is paused", func(s Status) bool { return s.Rollout.Phase == deploy.Paused })
	if err := e.Command(t.Context(), "shop", deploy.Command{Verb: deploy.Resume}); err != nil {
		t.Fatal(err)
	}
	_, err := e.Deploy(t.Context(), DeployRequest{Service: "shop", Version: "3", Settings: s})
	if CodeOf(err) != Conflict || !strings.Contains(err.Error(), "nothing has begun") || !strings.Contains(err.Error(), why) {
		t.Errorf("a deploy meanwhile: %v", err)
	}
	await(t, "the event", func() (events []store.Event, told bool) {
		events, _, err := e.Events(t.Context(), 0)
		for _, e := range events {
			told = told || e.Kind == deploy.EventBlind && e.Rollout == r.ID && strings.Contains(e.Message, why)
		}
		return events, err == nil && told
	})
	await(t, "the deadline would have passed", func() (any, bool) { return nil, time.Since(r.Created) > 5*time.Second })
	w.change(func() { w.away = nil })

	last := ended(t, e, r)
	if last.Result != deploy.Promoted || len(last.Notes) != 1 || !strings.Contains(last.Notes[0], "counts for no deadline") || !strings.Contains(last.Notes[0], why) {
		t.Errorf("%s: %s; %q", last.Result, last.Reason, last.Notes)
	}
	shown("nothing is wrong any more", func(s Status) bool { return s.Problem == "" && s.Rollout == nil })
	w.change(func() { w.away = errors.New(why) })
	if _, err := e.Rollback(t.Context(), "shop", RollbackRequest{}); CodeOf(err) != Conflict || !strings.Contains(err.Error(), why) {
		t.Errorf("a rollback that nobody can see: %v", err)
	}
	if err := e.Scale(t.Context(), "shop", 3); err != nil {
		t.Error(err)
	}
	shown("how many are wanted", func(s Status) bool { return s.Wanted == 3 && strings.Contains(s.Problem, why) })
}

// looked waits until nobody but the test asks whether revisions of a service are ready.
func (e *Engine) looked(t *testing.T, service string) {
	t.Helper()
	l, err := e.loop(service)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the last look", func() (known int, idle bool) {
		err := l.do(t.Context(), func() error {
			known, idle = len(l.ready.known), !l.work.pending[readyJob]
			l.ready.due = time.Now().Add(time.Hour)
			return nil
		})
		return known, err == nil && idle
	})
}

// A platform that takes its time to say whether a revision could be started keeps neither the loop of its service nor the others.
func TestNobodyWaitsForReadiness(t *testing.T) {
	alone := plainly("shop")
	alone.Exclusive, alone.Strategy, alone.Bake = true, deploy.Strategy{}, new(deploy.Duration(0))
	for name, c := range map[string]struct {
		settings deploy.Service
		begin    func(*Engine, deploy.Service) error
		moved    bool // a deploy that ends meanwhile is in its way
	}{
		"rollback": {plainly("shop"), func(e *Engine, _ deploy.Service) error {
			_, err := e.Rollback(t.Context(), "shop", RollbackRequest{})
			return err
		}, true},
		"a deploy that ends what serves": {alone.Normalise(), func(e *Engine, s deploy.Service) error {
			_, err := e.Deploy(t.Context(), DeployRequest{Service: "shop", Version: "4", Settings: s})
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e, w := begin(t)
			for _, version := range []string{"1", "2"} {
				ended(t, e, w.deploy(t, e, "shop", version, c.settings))
			}
			e.looked(t, "shop")
			asked, answer := make(chan struct{}, 1), make(chan struct{})
			w.change(func() { w.asked, w.answer = asked, answer })
			done := make(chan error, 1)
			go func() { done <- c.begin(e, c.settings) }()
			<-asked
			others := make(chan deploy.Result, 1)
			go func() {
				answer, err := e.Deploy(t.Context(), DeployRequest{Service: "other", Version: "1", Settings: plainly("other")})
				if err == nil && c.moved {
					answer, err = e.Deploy(t.Context(), DeployRequest{Service: "shop", Version: "3", Settings: c.settings})
				}
				if err != nil {
					t.Error(err)
				}
				for answer.Rollout.Open() && err == nil {
					var record store.Record
					if record, err = e.Record(answer.Rollout.Service, answer.Rollout.ID); err == nil {
						answer.Rollout = record.Rollout
					}
				}
				others <- answer.Rollout.Result
			}()
			select {
			case result := <-others:
				if result != deploy.Promoted {
					t.Error(result)
				}
			case <-time.After(20 * time.Second):
				t.Error("others wait for it")
			}
			close(answer)
			err := <-done
			if moved := err != nil && strings.Contains(err.Error(), "has moved on"); moved != c.moved || err != nil && !moved {
				t.Error(err)
			}
		})
	}
}
