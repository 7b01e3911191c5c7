package source

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/deploy"
)

// oracle answers every question with what the test puts in.
type oracle struct {
	asked   chan Question
	answers chan string // JSON of the value; "" for an error
}

func newOracle(t *testing.T) (o oracle, url string) {
	o = oracle{make(chan Question, 100), make(chan string)}
	return o, serve(t, func(w http.ResponseWriter, r *http.Request) {
		var q Question
		_ = json.NewDecoder(r.Body).Decode(&q)
		o.asked <- q
		select {
		case value := <-o.answers:
			if value == "" {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"value": %s}`, value)
		case <-r.Context().Done():
		}
	})
}

// watched is a watcher whose changes can be waited for.
type watched struct {
	*Watcher
	changes chan struct{}
}

func watch(t *testing.T, stable Question, sources ...deploy.Source) watched {
	t.Helper()
	for i, s := range sources {
		if s.Interval == 0 {
			s.Interval = deploy.Duration(time.Millisecond)
		}
		sources[i] = settings(s)
	}
	changes := make(chan struct{}, 1000)
	w := Watch(t.Context(), sources, Options{}, newVersion, stable, func() { changes <- struct{}{} })
	t.Cleanup(w.Stop)
	return watched{w, changes}
}

// next is the state of the first source after one more answer.
func (w watched) next(t *testing.T) State {
	t.Helper()
	select {
	case <-w.changes:
	case <-time.After(time.Minute):
		t.Fatal("no answer within a minute")
	}
	return w.Readings()[0]
}

// TestBreachesInARow: only answers count, and only an answer within the bounds begins anew.
func TestBreachesInARow(t *testing.T) {
	o, url := newOracle(t)
	w := watch(t, oldVersion, deploy.Source{Webhook: &deploy.Webhook{URL: url}, Max: new(1.0)})
	rounds := []struct {
		answer        string
		breaches      int
		known, failed bool
	}{
		{"2", 1, true, false},
		{"3", 2, true, false},
		{"null", 2, false, false},
		{"", 2, false, true},
		{"1.01", 3, true, false},
		{"1", 0, true, false},
		{"null", 0, false, false},
		{"5", 1, true, false},
	}
	for i, r := range rounds {
		o.answers <- r.answer
		s := w.next(t)
		if s.Breaches != r.breaches || s.Known != r.known || (s.Err != "") != r.failed || (s.Canary != nil) != r.known || s.Stable != nil || s.At.IsZero() {
			t.Errorf("after %q in round %d: %+v", r.answer, i, s)
		}
	}
	for range rounds {
		if q := <-o.asked; q != newVersion {
			t.Errorf("asked %+v: a source without a ratio is not asked about stable", q)
		}
	}
}

func TestRatiosAskAboutBoth(t *testing.T) {
	o, url := newOracle(t)
	w := watch(t, oldVersion, deploy.Source{Webhook: &deploy.Webhook{URL: url}, MaxRatio: new(1.5)})
	var last State
	for _, r := range []struct {
		canary, stable string
		breaches       int
		known          bool
	}{{"4", "2", 1, true}, {"4", "null", 1, false}, {"null", "2", 1, false}, {"4", "", 1, false}, {"5", "2", 2, true}, {"3", "2", 0, true}} {
		o.answers <- r.canary
		o.answers <- r.stable
		if last = w.next(t); last.Breaches != r.breaches || last.Known != r.known {
			t.Errorf("%s against %s: %+v", r.canary, r.stable, last)
		}
	}
	if diff := cmp.Diff([]float64{3, 2}, []float64{*last.Canary, *last.Stable}); diff != "" {
		t.Error(diff)
	}
	if first, second := <-o.asked, <-o.asked; first != newVersion || second != oldVersion {
		t.Errorf("asked %+v and %+v", first, second)
	}
}

// TestNobodyToCompareWith: before there is a stable revision nothing is asked about it, and a ratio is unknown.
func TestNobodyToCompareWith(t *testing.T) {
	o, url := newOracle(t)
	w := watch(t, Question{Role: Stable}, deploy.Source{Webhook: &deploy.Webhook{URL: url}, MaxRatio: new(1.5)})
	for range 2 {
		o.answers <- "4"
		if s := w.next(t); s.Known || s.Err != "" || *s.Canary != 4 {
			t.Errorf("got %+v", s)
		}
		if q := <-o.asked; q != newVersion {
			t.Errorf("asked %+v", q)
		}
	}
}

// TestSourcesDoNotWaitForEachOther: one hangs, one cannot be asked at all, one answers.
func TestSourcesDoNotWaitForEachOther(t *testing.T) {
	w := watch(t, oldVersion, shell("echo 2"), hooked(serve(t, silence)), hooked("http://%zz"))
	for range 3 {
		w.next(t)
	}
	s := w.Readings()
	if s[0].Breaches < 3 || !s[1].At.IsZero() || s[2].Breaches != 0 || s[2].Err == "" || s[2].Known {
		t.Errorf("got %+v", s)
	}
	w.Stop() // with a question under way, which leaves nothing behind
	if after := w.Readings()[1]; !after.At.IsZero() || after.Err != "" {
		t.Errorf("a question that was broken off says something: %+v", after)
	}
}

// TestInterval: the second question is not asked before its time.
func TestInterval(t *testing.T) {
	const interval = 100 * time.Millisecond
	s := shell("echo 1")
	s.Interval = deploy.Duration(interval)
	began := time.Now()
	w := watch(t, oldVersion, s)
	w.next(t)
	w.next(t)
	if passed := time.Since(began); passed < interval {
		t.Errorf("two questions within %s", passed)
	}
}

func TestReadingsAreTheCallersOwn(t *testing.T) {
	o, url := newOracle(t)
	w := watch(t, oldVersion, deploy.Source{Webhook: &deploy.Webhook{URL: url}, Max: new(1.0)})
	o.answers <- "2"
	mine := w.next(t)
	w.Readings()[0] = State{}
	o.answers <- "0.5"
	if now := w.next(t); *mine.Canary != 2 || mine.Breaches != 1 || *now.Canary != 0.5 {
		t.Errorf("kept %+v, now %+v", mine, now)
	}
}
