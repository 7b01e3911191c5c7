package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// brisk are settings whose instances must be healthy at once, which those of the make-believe world are to nobody who really
// connects.
const brisk = `{"instances":2,"process":{"command":["./web","${VERSION}"],"dir":"/srv"},"health":{"start_timeout":"200ms"},"keep":{"revisions":2},"strategy":{"rolling":{"bake":"0s"}},"analysis":{"enabled":false}}`

func TestKeptRevisionsOverTheWire(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	ctx := t.Context()
	r.Who = "alice 나루"
	r.await(t, "web", r.begin(t, "web", "1.0", brisk).ID, hasEnded)
	if p, err := r.Pin(ctx, "web", "r1"); err != nil || strings.Join(p.Pinned, " ") != "r1" {
		t.Errorf("pin: %+v, %v", p, err)
	}
	r.Who = ""
	for _, version := range []string{"2.0", "3.0", "4.0"} {
		r.await(t, "web", r.begin(t, "web", version, brisk).ID, hasEnded)
	}
	gone := r.await(t, "web", "web-2", func(o Rollout) bool { return !o.Kept && !o.Receipt }) // read one after the other
	if gone.Outcome != deploy.Promoted || gone.Version != "2.0" || gone.Message != "by test" {
		t.Errorf("the row of what is gone: %+v", gone)
	}
	first, err := r.Rollout(ctx, "web", "web-1")
	if err != nil || first.Who != "alice 나루" || !first.Kept || !first.Pinned || !first.Receipt {
		t.Errorf("%+v, %v", first, err)
	}
	kept, err := r.Revisions(ctx, "web")
	if err != nil || len(kept) != 3 || kept[0].ID != "r1" || kept[0].Kept != deploy.WhyPinned || kept[0].Who != "alice 나루" || kept[2].Kept != deploy.WhyServes {
		t.Errorf("%+v, %v", kept, err)
	}
	for what, err := range map[string]error{
		"gone":    failed(r.Rollback(ctx, "web", Return{Revision: "r2"})),
		"pinned":  failed(r.Pin(ctx, "web", "r2")),
		"drilled": failed(r.Drill(ctx, "web", "r2")),
	} {
		if code(err) != engine.Refused || !strings.Contains(err.Error(), "r2 of web is gone: it is kept no longer (keep: 2 revisions, 90d)") || !strings.Contains(err.Error(), "r1 (1.0), r3 (3.0), r4 (4.0)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := r.Receipt(ctx, "web", "web-2"); code(err) != engine.NotFound || !strings.Contains(err.Error(), "kept no longer") {
		t.Errorf("a receipt that is gone: %v", err)
	}
	if err := failed(r.Unpin(ctx, "web", "r3")); code(err) != engine.Conflict {
		t.Errorf("unpin what is not pinned: %v", err)
	}
	if err := failed(r.Drill(ctx, "web", "r9")); code(err) != engine.NotFound {
		t.Errorf("drill what never was: %v", err)
	}
	if p, err := r.Unpin(ctx, "web", "r1"); err != nil || p.Pinned == nil || len(p.Pinned) != 0 {
		t.Errorf("unpin: %+v, %v", p, err)
	}
	r.await(t, "web", "web-1", func(o Rollout) bool { return !o.Kept })
}

func failed[T any](_ T, err error) error { return err }

func TestDrillOverTheWire(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	for _, version := range []string{"1.0", "2.0"} {
		r.await(t, "web", r.begin(t, "web", version, brisk).ID, hasEnded)
	}
	report, err := r.Drill(t.Context(), "web", "")
	if err != nil || report.Passed || report.Revision != "r1" || !strings.Contains(report.Reason, "not healthy within 200ms") {
		t.Errorf("%+v, %v", report, err)
	}
	all, _ := r.world.List(t.Context(), "")
	for _, i := range all {
		if i.Revision != "r2" || i.Slot == 0 {
			t.Errorf("left is %+v", i)
		}
	}
	if len(all) != 2 {
		t.Errorf("%d instances run", len(all))
	}
	status, text := r.send(t, "POST", "/v1/services/web/drill", "")
	var again engine.DrillReport
	if err := json.Unmarshal([]byte(text), &again); err != nil || status != 200 || again.Revision != "r1" {
		t.Errorf("without a body: %d %s", status, text)
	}
}

func TestGarbageOverTheWire(t *testing.T) {
	r := start(t, "127.0.0.1:0", nil)
	r.await(t, "web", r.begin(t, "web", "1.0", quickly).ID, hasEnded)
	stranger := engine.Garbage{Kind: "instance", Service: "shop", Revision: "r1", Name: "shop-r1-1", Why: "its service is not known to this server"}
	if err := r.world.Start(t.Context(), stranger.Name, deploy.InstanceSpec{Service: "shop", Revision: "r1", Slot: 1}); err != nil {
		t.Fatal(err)
	}
	for _, look := range []func() (engine.Collection, error){
		func() (engine.Collection, error) { return r.Garbage(t.Context()) },
		func() (engine.Collection, error) { return r.Garbage(t.Context()) },
		func() (engine.Collection, error) { return r.Collect(t.Context()) },
	} {
		if c, err := look(); err != nil || len(c.Items) != 1 || c.Items[0] != stranger {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if _, text := r.send(t, "GET", "/v1/garbage", ""); strings.TrimSpace(text) != `{"items":[],"bytes":0}` {
		t.Errorf("when all was removed: %s", text)
	}
}
