package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// solitary is a service whose program cannot run twice.
func solitary() Service {
	return Service{Exclusive: true, Process: &Process{Command: []string{"./s"}}, HoldTimeout: Duration(30 * time.Second), StopTimeout: Duration(2 * time.Second),
		DrainTimeout: Duration(3 * time.Second), Deadline: Duration(2 * time.Minute), Health: Health{StartTimeout: Duration(time.Minute)}}.Normalise()
}

// alive is a life in which r1 serves alone.
func alive(t *testing.T) *life {
	t.Helper()
	return with(t, solitary())
}

// with is a life in which r1 serves alone with these settings.
func with(t *testing.T, s Service) *life {
	t.Helper()
	l := newLife(script{seed: 3, proxies: 1}, mutant{})
	l.ask(t, move{settings: s})
	l.until(t, "r1 serves", func(s State) bool { return s.Stable == "r1" && !s.Rollout.Open() })
	l.told = nil
	return l
}

// kinds are the events told so far, those that are asked for.
func (l *life) kinds(of ...EventKind) (out []EventKind) {
	for _, e := range l.told {
		if slices.Contains(of, e.Kind) {
			out = append(out, e.Kind)
		}
	}
	return out
}

func TestExclusiveHoldsAndSwaps(t *testing.T) {
	l := alive(t)
	if took := l.state.Starts["r1"]; took < tick || took > 10*time.Second {
		t.Fatalf("the start of r1 was measured as %s: %v", took, l.state.Starts)
	}
	l.ask(t, move{settings: solitary()})
	l.until(t, "r2 serves", func(s State) bool { return s.Stable == "r2" && !s.Rollout.Open() })
	want := []EventKind{EventStep, EventRetired, EventHeld, EventServing, EventReleased, EventReached, EventPromoted}
	got := l.kinds(EventStep, EventRetired, EventHeld, EventServing, EventReleased, EventReached, EventPromoted)
	if !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if r := l.state.Rollout; r.Held < tick || r.Held > 20*time.Second || r.Return != l.state.Starts["r1"] {
		t.Errorf("held for %s; the way back was taken to last %s, measured %s", r.Held, r.Return, l.state.Starts["r1"])
	}
	if p := l.state.Picture(); !p.Hold || p.MaxTotal != 1 || p.MinServing != 0 {
		t.Errorf("at rest: %+v", p)
	}
	if _, err := Scale(l.state, 2); err == nil || !strings.Contains(err.Error(), "cannot run twice") {
		t.Errorf("scaled to 2: %v", err)
	}
}

// How long a version is watched that replaced another in its place, its file says.
func TestExclusiveBake(t *testing.T) {
	for given, want := range map[*Duration]time.Duration{nil: 5 * time.Second, dur(0): 0, dur(time.Minute): time.Minute} {
		s := Service{Exclusive: true, Bake: given}.Normalise()
		for _, from := range []string{"", "r1"} {
			forth, _ := Steps(Move{From: from, To: "r2", Had: 1, Want: 1, S: s})
			if got := forth[len(forth)-1].Gate.Bake; got != want {
				t.Errorf("from %q: watched for %s, want %s", from, got, want)
			}
		}
	}
}

// Who waits is answered before anybody waits anew.
func TestDeployDuringHoldBringsStableBackFirst(t *testing.T) {
	l := alive(t)
	l.ask(t, move{settings: solitary(), nature: nature{never: true}})
	l.until(t, "requests wait", func(s State) bool { return s.Routing.Hold })
	since := l.state.Routing.HeldSince
	l.ask(t, move{settings: solitary()})
	l.until(t, "requests are answered", func(s State) bool { return !s.Routing.Hold })
	if m, _ := l.state.Routing.Member("s-r1-1"); !m.Enabled || l.w.now.Sub(since) > 30*time.Second {
		t.Errorf("after %s: %+v", l.w.now.Sub(since), l.state.Routing.Members)
	}
	l.until(t, "r3 serves", func(s State) bool { return s.Stable == "r3" && !s.Rollout.Open() })
	if want := []Result{Promoted, Aborted, Promoted}; !slices.Equal(l.results, want) {
		t.Errorf("%v, want %v", l.results, want)
	}
}

// A deploy while the new version is watched goes from that to the next: it serves until the third is ready to start.
func TestDeployDuringBakeSwapsFromTheNewOne(t *testing.T) {
	l := alive(t)
	l.ask(t, move{settings: solitary()})
	l.until(t, "r2 bakes", func(s State) bool { return s.Rollout.Phase == Baking })
	l.told = nil
	l.ask(t, move{settings: solitary()})
	l.until(t, "r3 serves", func(s State) bool { return s.Stable == "r3" && !s.Rollout.Open() })
	if got := l.kinds(EventHeld, EventReleased); !slices.Equal(got, []EventKind{EventHeld, EventReleased}) {
		t.Errorf("told %v: requests should have waited once", got)
	}
}

// Requests that take longer than others can wait end the rollout, and nothing was stopped.
func TestLongRequestsEndTheSwap(t *testing.T) {
	l := alive(t)
	s := solitary()
	s.DrainTimeout = Duration(5 * time.Minute)
	l.w.proxies[0].inFlight["s-r1-1"], l.w.proxies[0].endless["s-r1-1"] = 2, true
	before := l.w.bodies["s-r1-1"].Address
	l.ask(t, move{settings: s, nature: nature{crash: true}}) // which never comes to light
	l.until(t, "it is over", func(s State) bool { return !s.Rollout.Open() })
	if r := l.state.Rollout; r.Result != RolledBack || !strings.Contains(r.Reason, "nothing was stopped") || r.Held > 15*time.Second {
		t.Errorf("%s after %s: %s", r.Result, r.Held, r.Reason)
	}
	if l.w.bodies["s-r1-1"].Address != before {
		t.Error("r1 was started anew")
	}
}

// A version that leaves the program's loneliness behind, or takes it on, never runs beside the other.
func TestExclusiveToMany(t *testing.T) {
	l := alive(t)
	many := solitary()
	many.Exclusive, many.Instances = false, 3
	l.ask(t, move{settings: many.Normalise()})
	l.until(t, "three serve", func(s State) bool { return s.Stable == "r2" && !s.Rollout.Open() && len(s.Routing.Members) == 3 })
	if p := l.state.Picture(); p.Hold || p.MinServing == 0 {
		t.Errorf("at rest: %+v", p)
	}
	l.ask(t, move{settings: solitary()})
	l.until(t, "one serves", func(s State) bool { return s.Stable == "r3" && !s.Rollout.Open() && len(s.Routing.Members) == 1 })
	if l.state.Instances != 1 {
		t.Errorf("%d instances", l.state.Instances)
	}
}

// The way back is counted in: the shorter the rest, the sooner a candidate is given up.
func TestPatience(t *testing.T) {
	for _, c := range []struct{ timeout, back, stop, want time.Duration }{
		{10 * time.Second, 500 * time.Millisecond, time.Second, 7500 * time.Millisecond},
		{10 * time.Second, 500 * time.Millisecond, 10 * time.Second, 8500 * time.Millisecond * 2 / 3},
		{10 * time.Second, 20 * time.Second, time.Second, 0},
		{time.Minute, 5 * time.Second, 4 * time.Second, 45 * time.Second},
	} {
		r := Rollout{Return: c.back, StopTimeout: c.stop, Forth: []Step{{Picture: Picture{HoldTimeout: c.timeout}}}}
		if got := r.patience(); (got - c.want).Abs() > time.Millisecond {
			t.Errorf("hold_timeout %s, the way back %s, stop_timeout %s: %s, want %s", c.timeout, c.back, c.stop, got, c.want)
		}
	}
}

// A hold_timeout that nobody could be answered within is found out before anybody waits.
func TestHoldTimeoutTooShort(t *testing.T) {
	s := solitary()
	s.HoldTimeout = Duration(time.Second)
	l := with(t, s)
	l.ask(t, move{settings: s, nature: nature{crash: true}})
	l.until(t, "it is over", func(s State) bool { return !s.Rollout.Open() })
	if r := l.state.Rollout; r.Result != RolledBack || !strings.Contains(r.Reason, "hold_timeout (1s) is too short: r1 takes ") || r.Held != 0 {
		t.Errorf("%s after a hold of %s: %s", r.Result, r.Held, r.Reason)
	}
	if got := l.kinds(EventRetired, EventHeld); len(got) > 0 {
		t.Errorf("told %v", got)
	}
}

// A version whose own hold_timeout is shorter comes, and is gone back to, in the time that the other one gives: what those who
// wait were told has not changed by it. At rest its own counts again, and one that came back has what it had.
func TestLongerHoldTimeoutCounts(t *testing.T) {
	short := solitary()
	short.HoldTimeout = Duration(time.Second)
	l := with(t, short)
	steps := []struct {
		mv     move
		result Result
		rest   time.Duration // hold_timeout afterwards
	}{
		{move{settings: solitary()}, Promoted, 30 * time.Second},
		{move{settings: short, kind: rollback}, Promoted, time.Second},
		{move{settings: solitary(), nature: nature{never: true}}, RolledBack, time.Second},
		{move{settings: solitary()}, Promoted, 30 * time.Second},
		{move{settings: short, nature: nature{never: true}}, RolledBack, 30 * time.Second},
		{move{settings: short}, Promoted, time.Second},
	}
	for i, c := range steps {
		l.ask(t, c.mv)
		for _, step := range append(slices.Clone(l.state.Rollout.Forth), l.state.Rollout.Back...) {
			if got := step.Picture.HoldTimeout; got != 30*time.Second {
				t.Errorf("move %d: requests wait for %s in step %s", i, got, step.Name)
			}
		}
		l.until(t, "it is over", func(s State) bool { return !s.Rollout.Open() })
		if r := l.state.Rollout; r.Result != c.result || l.state.Rest.HoldTimeout != c.rest {
			t.Errorf("move %d: %s (%s), at rest requests wait for %s; want %s, %s", i, r.Result, r.Reason, l.state.Rest.HoldTimeout, c.result, c.rest)
		}
	}
}

// Whoever waits keeps the time that the superseded rollout gave.
func TestPromisedHoldTimeoutStands(t *testing.T) {
	short := solitary()
	short.HoldTimeout = Duration(10 * time.Second)
	l := with(t, short)
	l.ask(t, move{settings: solitary(), nature: nature{never: true}})
	l.until(t, "requests wait", func(s State) bool { return s.Routing.Hold })
	l.ask(t, move{settings: short})
	if p := l.state.Picture(); p.HoldTimeout != 30*time.Second {
		t.Errorf("requests wait for %s", p.HoldTimeout)
	}
	l.until(t, "r3 serves", func(s State) bool { return s.Stable == "r3" && !s.Rollout.Open() })
	if p := l.state.Rest; p.HoldTimeout != 10*time.Second {
		t.Errorf("at rest requests wait for %s", p.HoldTimeout)
	}
}

// How many instances serve says something of a revision that is gone back to only where there could be several.
func TestRollbackFromExclusiveBringsAllInstances(t *testing.T) {
	l := alive(t)
	many := solitary()
	many.Exclusive, many.Instances = false, 3
	many = many.Normalise()
	for _, c := range []struct {
		request Request
		want    int
	}{
		{Request{To: "r2", Settings: many, Straight: true, Instances: l.state.Instances}, 3},
		{Request{To: "r2", Settings: solitary(), Straight: true, Instances: 5}, 1},
	} {
		next, _, err := Begin(l.state, c.request, l.w.now)
		if err != nil || next.Rollout.Rest.count("r2") != c.want {
			t.Errorf("%d instances, want %d: %v", next.Rollout.Rest.count("r2"), c.want, err)
		}
	}
	several := serving(2)
	next, _, err := Begin(several, Request{To: "r2", Settings: many, Straight: true, Instances: 2}, l.w.now)
	if err != nil || next.Rollout.Rest.count("r2") != 2 {
		t.Errorf("scaled to 2, and then %d come: %v", next.Rollout.Rest.count("r2"), err)
	}
}

// Nobody waits before it is known whether what serves could come back; that it could not is no reason to stay.
func TestSwapBeginsWhenTheWayBackIsKnown(t *testing.T) {
	for _, lost := range []bool{false, true} {
		l := alive(t)
		l.ask(t, move{settings: solitary()})
		known := l.w.now.Add(20 * time.Second)
		l.w.ready["r1"] = known
		l.until(t, "r2 could be started", func(s State) bool { return l.seen().Prepared["r2"].Ready })
		l.until(t, "that is said", func(s State) bool { return s.Rollout.Waiting == "r1 to be ready to start again" })
		if lost {
			l.w.nature["r1"] = nature{prepare: true}
			known = l.w.now
		}
		l.until(t, "requests wait", func(s State) bool { return s.Routing.Hold })
		if l.w.now.Before(known) || lost && l.w.now.Sub(known) > 5*time.Second {
			t.Errorf("lost %t: requests wait from %s on, the way back is known at %s", lost, l.w.now, known)
		}
		l.until(t, "r2 serves", func(s State) bool { return s.Stable == "r2" && !s.Rollout.Open() })
	}
}

// An instance that is being started is wanted as long as its picture has a seat for it.
func TestWants(t *testing.T) {
	l := alive(t)
	l.ask(t, move{settings: solitary(), nature: nature{never: true}})
	for _, c := range []struct {
		when     string
		old, new bool
		reached  func(State) bool
	}{
		{"r1 serves until r2 could be started", true, false, func(s State) bool { return s.Rollout.At == 0 }},
		{"r2 comes", false, true, func(s State) bool { return s.Rollout.At == 1 }},
		{"r1 comes back", true, false, func(s State) bool { return s.Rollout.Returning }},
	} {
		l.until(t, c.when, c.reached)
		p := l.state.Picture()
		if a, b := Wants(p, l.seen(), "s-r1-1"), Wants(p, l.seen(), "s-r2-1"); a != c.old || b != c.new || Wants(p, l.seen(), "s-r1-2") {
			t.Errorf("%s: wanted are r1 %t, r2 %t", c.when, a, b)
		}
	}
}
