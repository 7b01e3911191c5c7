package engine

import (
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/proxy"
)

func meter(revision string, requests, failed, byApp uint64) proxy.Meter {
	return proxy.Meter{Revision: revision, Assignment: "random", Requests: requests, Failed: failed, ByApp: byApp}
}

func TestLedgerCountsOverRestarts(t *testing.T) {
	g := ledger{Rollout: "s-1", Epoch: "a", Base: []proxy.Meter{meter("r1", 100, 1, 1)}, MinHealthy: 3}
	g.note("a", []proxy.Meter{meter("r1", 150, 1, 1), meter("r2", 10, 2, 2)}, 3)
	sum := func() (requests, failed uint64) {
		for _, m := range g.total() {
			requests, failed = requests+m.Requests, failed+m.Failed
		}
		return requests, failed
	}
	if n, f := sum(); n != 60 || f != 2 || g.Lost {
		t.Errorf("%d requests, %d failed, lost %v", n, f, g.Lost)
	}
	if !g.note("b", []proxy.Meter{meter("r1", 5, 0, 0)}, 2) {
		t.Error("a new proxy must be written down")
	}
	if n, _ := sum(); n != 65 || !g.Lost || g.MinHealthy != 2 {
		t.Errorf("after a proxy was killed: %d requests, lost %v, least healthy %d", n, g.Lost, g.MinHealthy)
	}
	if g.note("", nil, 0) || g.MinHealthy != 2 {
		t.Error("a proxy that cannot be reached says nothing")
	}
}

// Where a rollout is superseded, its receipt and the next one share all requests: none is lost or counted twice.
func TestLedgersShareEveryRequest(t *testing.T) {
	first := newLedger("s-1", "a", []proxy.Meter{meter("r1", 100, 0, 0)})
	first.note("a", []proxy.Meter{meter("r1", 150, 0, 0)}, 3)
	at := []proxy.Meter{meter("r1", 160, 1, 1), meter("r2", 5, 0, 0)}
	first.note("a", at, 3)
	second := newLedger("s-2", "a", at)
	second.note("a", []proxy.Meter{meter("r1", 170, 1, 1), meter("r2", 25, 0, 0), meter("r3", 7, 0, 0)}, 2)
	a, b := first.receipt(deploy.Rollout{ID: "s-1", From: "r1", To: "r2"}), second.receipt(deploy.Rollout{ID: "s-2", From: "r1", To: "r3"})
	if a.Requests.Total+b.Requests.Total != 102 || a.Requests.Failed != 1 || b.Requests.Failed != 0 {
		t.Errorf("%+v and %+v", a.Requests, b.Requests)
	}
	if a.MinHealthy != 3 || b.MinHealthy != 2 {
		t.Errorf("least healthy %d and %d", a.MinHealthy, b.MinHealthy)
	}
}

func TestReceiptNamesOnlyItsRevisions(t *testing.T) {
	g := newLedger("s-3", "a", []proxy.Meter{meter("r1", 100, 0, 0), meter("r2", 10, 0, 0)})
	preview := proxy.Meter{Revision: "r3", Assignment: "preview", Requests: 9, ByApp: 9}
	g.note("a", []proxy.Meter{meter("r1", 100, 0, 0), meter("r2", 30, 0, 0), preview}, 2)
	r := g.receipt(deploy.Rollout{ID: "s-3", From: "r2", To: "r3"})
	if _, old := r.Revisions["r1"]; old || r.Requests.Total != 20 || r.Requests.Failed != 0 {
		t.Errorf("%+v", r)
	}
}

// Who waited is counted where the wait ends, and once, whatever the request does then; and the longest wait is stated.
func TestReceiptStatesTheLongestHold(t *testing.T) {
	at := func(waits ...time.Duration) []proxy.Meter {
		v := proxy.ServiceState{Meters: []proxy.Meter{meter("r1", 100, 0, 0)}}
		for _, d := range waits {
			v.Waits.Add(d)
		}
		return metersOf(v)
	}
	first := newLedger("s-1", "a", at(9*time.Second))
	first.note("a", at(9*time.Second, time.Second, 2*time.Second), 1)
	second := newLedger("s-2", "a", at(9*time.Second, time.Second, 2*time.Second))
	second.note("a", at(9*time.Second, time.Second, 2*time.Second), 1)
	a, b := first.receipt(deploy.Rollout{ID: "s-1", From: "r1", To: "r2", Held: 1500 * time.Millisecond}), second.receipt(deploy.Rollout{ID: "s-2", From: "r1", To: "r3"})
	if a.Requests.Held != 2 || a.Hold.Longest < 2000 || a.Hold.Longest > 2050 || a.Hold.Service != 1500 || a.Requests.Total != 0 {
		t.Errorf("%+v %+v", a.Requests, a.Hold)
	}
	if b.Requests.Held != 0 || b.Hold != (deploy.Hold{}) {
		t.Errorf("%+v %+v", b.Requests, b.Hold)
	}
}
