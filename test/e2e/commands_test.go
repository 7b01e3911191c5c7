package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/api"
	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// news is a service whose program is a file per version.
const news = `  news:
    hosts: [news.example.com]
    process: {command: ["./news-${VERSION}", --version, "${VERSION}"]}
    health: {interval: 200ms}
    drain_timeout: 1s
    strategy: {rolling: {bake: 100ms}}
    analysis: {enabled: false}
`

// Everything that people say to naru, in the order of a working day, under load: what it answers, with which exit status
// and in which form, when it makes sense and when it does not.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := start(t, chat(2, strategies["rolling"])+news)
	t.Run("before the first deploy", func(t *testing.T) { s.in(t).saysNothingIsThere() })
	out := s.must(0, "deploy", "chat", "3.0", "--json", "-m", "the first")
	load := s.load(60)
	steps := []struct {
		name string
		test func(*stand)
	}{
		{"json of a deploy", func(s *stand) { s.checkDeployJSON(out) }},
		{"status", (*stand).checkStatusJSON},
		{"nothing to do", (*stand).hasNothingToDo},
		{"same version, new settings", (*stand).takesNewSettings},
		{"plan", (*stand).plans},
		{"detach and wait", (*stand).doesNotWait},
		{"interrupt", (*stand).onlyStopsWatching},
		{"rollback of an open rollout", (*stand).goesBackByHand},
		{"scale", (*stand).scales},
		{"history, receipt and logs", (*stand).remembers},
		{"refusals", (*stand).refuses},
		{"a revision that is gone", (*stand).missesAProgram},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.test(s.in(t)) }) {
			break // what follows builds on it
		}
	}
	clean(t, load.Stop())
}

func (s *stand) saysNothingIsThere() {
	for _, host := range []string{"", "news.example.com"} {
		if status, _ := s.get(host, "/version"); status != 503 {
			s.t.Errorf("a service without a revision answers %d, want 503", status)
		}
	}
	var all struct {
		Services []map[string]any `json:"services"`
	}
	if err := json.Unmarshal([]byte(s.must(0, "status", "--json")), &all); err != nil || len(all.Services) != 2 {
		s.t.Fatalf("%v: %+v", err, all)
	}
	for _, v := range all.Services {
		if v["stable"] != nil || v["canary"] != nil || v["rollout"] != nil || len(v["instances"].([]any)) != 0 {
			s.t.Errorf("a service without a revision: %v", v)
		}
	}
	s.must(0, "status")
	for _, verb := range []string{"promote", "pause", "resume", "abort", "retry", "rollback"} {
		s.refused([]string{"naru: chat has no "}, verb, "chat")
		s.wants(409, engine.Conflict, "chat has no ", "POST", "/v1/services/chat/"+verb, "")
	}
	s.refused([]string{"no revision yet"}, "scale", "chat", "2")
	s.refused([]string{"no rollout that has ended"}, "receipt", "chat")
	s.must(0, "history", "chat")
	s.must(0, "logs", "chat")
	var p deploy.Plan
	if err := json.Unmarshal([]byte(s.must(0, "plan", "chat", "3.0", "--json")), &p); err != nil || p.From != "" || p.To != "r1" || len(p.Steps) != 1 {
		s.t.Errorf("plan of the first deploy: %v %+v", err, p)
	}
}

// names checks the names of a JSON object: all that the contract has.
func names(t *testing.T, what string, object any, want ...string) {
	t.Helper()
	m, ok := object.(map[string]any)
	if !ok {
		t.Errorf("%s is no object: %v", what, object)
		return
	}
	for _, name := range want {
		if _, there := m[name]; !there {
			t.Errorf("%s has no %q, only %v", what, name, slices.Sorted(maps.Keys(m)))
		}
	}
}

func decode(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func (s *stand) checkDeployJSON(out string) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		decode(s.t, line)
	}
	r := decode(s.t, lines[len(lines)-1])
	names(s.t, "a receipt", r, "rollout", "service", "from", "to", "outcome", "reason", "started", "ended", "complete", "requests", "revisions", "connections", "min_healthy_instances")
	names(s.t, "requests", r["requests"], "total", "failed", "by_naru", "by_app", "retried", "rescued", "held")
	names(s.t, "connections", r["connections"], "websocket_closed")
	if r["from"] != "" || r["to"] != "r1" || r["outcome"] != "promoted" || r["complete"] != true {
		s.t.Errorf("receipt of the first deploy: %v", r)
	}
}

func (s *stand) checkStatusJSON() {
	var v map[string]any
	s.until(10*time.Second, "the first requests are counted", func() error { // two looks before and after differ by that
		if v = decode(s.t, s.must(0, "status", "chat", "--json")); v["traffic"] == nil {
			return fmt.Errorf("%v", v)
		}
		return nil
	})
	names(s.t, "a status", v, "service", "stable", "canary", "rollout", "instances")
	names(s.t, "stable", v["stable"], "revision", "version")
	if v["canary"] != nil || v["rollout"] != nil {
		s.t.Errorf("at rest: canary %v, rollout %v", v["canary"], v["rollout"])
	}
	for _, i := range v["instances"].([]any) {
		names(s.t, "an instance", i, "id", "revision", "version", "address", "healthy", "enabled", "in_flight")
	}
	_, text := s.ask("GET", "/v1/services/chat", "")
	if got, want := slices.Sorted(maps.Keys(decode(s.t, text))), slices.Sorted(maps.Keys(v)); !slices.Equal(got, want) {
		s.t.Errorf("the API's status has %v, the command's %v", got, want)
	}
}

func (s *stand) hasNothingToDo() {
	contains(s.t, "deploy says", s.must(0, "deploy", "chat", "3.0"), "nothing to do")
	if v := s.status("chat"); v.Stable.Revision != "r1" {
		s.t.Errorf("stable is %+v", v.Stable)
	}
}

func (s *stand) takesNewSettings() {
	s.write(strings.ReplaceAll(chat(2, strategies["rolling"]), "drain_timeout: 3s", "drain_timeout: 2s") + news)
	if r := s.deploy(0, "chat", "3.0"); r.From != "r1" || r.To != "r2" || len(r.Revisions) != 2 {
		s.t.Errorf("receipt: %+v", r)
	} else {
		r := decode(s.t, s.must(0, "receipt", "chat", "--json"))
		names(s.t, "a revision's counts", r["revisions"].(map[string]any)["r2"], "requests", "failed", "p50_ms", "p99_ms")
	}
	if v := s.status("chat"); v.Stable.Revision != "r2" || v.Stable.Version != "3.0" {
		s.t.Errorf("stable is %+v", v.Stable)
	}
}

func (s *stand) plans() {
	var p deploy.Plan
	if err := json.Unmarshal([]byte(s.must(0, "plan", "chat", "3.1", "--json")), &p); err != nil {
		s.t.Fatal(err)
	}
	if p.From != "r2" || p.To != "r3" || p.Version != "3.1" || len(p.Steps) != 2 || p.Peak != 3 || p.Steps[0].Capacity != 100 {
		s.t.Errorf("plan: %+v", p)
	}
	contains(s.t, "plan shows", s.must(0, "plan", "chat", "3.1"), "r2", "r3", "1 of 2", "2 of 2")
	s.refused([]string{"no service", "did you mean chat?"}, "plan", "cat", "3.1")
	if v := s.status("chat"); v.Rollout != nil {
		s.t.Errorf("a plan has begun %+v", v.Rollout)
	}
}

func (s *stand) doesNotWait() {
	s.write(strings.ReplaceAll(chat(2, `{rolling: {bake: 10m}}`), "drain_timeout: 3s", "drain_timeout: 2s") + news) // open for as long as it is asked about
	defer s.write(strings.ReplaceAll(chat(2, strategies["rolling"]), "drain_timeout: 3s", "drain_timeout: 2s") + news)
	var r api.Rollout
	if err := json.Unmarshal([]byte(s.must(0, "deploy", "chat", "3.1", "--detach", "--json")), &r); err != nil || r.To != "r3" || r.Version != "3.1" || !r.Open() {
		s.t.Errorf("%v: %+v", err, r)
	}
	out, errs, status := s.said("deploy", "chat", "3.1", "--wait", "100ms", "--json") // the same once more watches what is open
	if status != 3 {
		s.t.Errorf("--wait 100ms: exit %d, want 3\n%s", status, out)
	}
	contains(s.t, "deploy says", errs, "stopped waiting after 100ms", "rollout chat-3 goes on")
	if v := lastStatus(s.t, out); v.Rollout == nil || v.Rollout.ID != "chat-3" {
		s.t.Errorf("the last line: %s", out)
	}
	s.refused([]string{"rollout chat-3 is open"}, "scale", "chat", "5")
	s.refused([]string{"is still open"}, "retry", "chat")
	s.wants(409, engine.Conflict, "still open", "GET", "/v1/services/chat/rollouts/latest/receipt", "")
	for step := range 2 {
		s.at("chat", step+1, deploy.Baking)
		s.must(0, "promote", "chat")
	}
	s.rest("chat", "3.1", 2)
	s.refused([]string{"was promoted; there is nothing to retry"}, "retry", "chat")
}

func (s *stand) onlyStopsWatching() {
	watching := s.follow("deploy", "chat", "3.2")
	s.until(20*time.Second, "it has begun", func() error {
		if v := s.status("chat"); v.Rollout == nil {
			return fmt.Errorf("no rollout is open")
		}
		return nil
	})
	if err := watching.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	out, errs, status := watching.wait()
	if status != 3 {
		s.t.Errorf("Ctrl-C: exit %d, want 3\n%s", status, out)
	}
	contains(s.t, "deploy says", errs, "stopped watching", "goes on")
	s.rest("chat", "3.2", 2)
}

func (s *stand) goesBackByHand() {
	s.write(strings.ReplaceAll(chat(2, `{rolling: {bake: 1m}}`), "drain_timeout: 3s", "drain_timeout: 2s") + news)
	defer s.write(chat(2, strategies["rolling"]) + news)
	watching := s.follow("deploy", "chat", "3.3", "--json")
	s.at("chat", 1, deploy.Baking)
	out := s.must(0, "rollback", "chat", "--json")
	if r := s.receipt(out); r.Outcome != deploy.Aborted || r.Requests.Failed != 0 || r.Reason != "rolled back by hand" {
		s.t.Errorf("receipt: %+v", r)
	}
	text, _, status := watching.wait()
	if r := s.receipt(text); status != 2 || r.Outcome != deploy.Aborted {
		s.t.Errorf("the client that waited: exit %d, want 2; %+v", status, r)
	}
	s.rest("chat", "3.2", 2)
}

func (s *stand) scales() {
	s.must(0, "scale", "chat", "4")
	s.rest("chat", "3.2", 4)
	s.refused([]string{"from 1 to 1000", "naru remove chat"}, "scale", "chat", "0")
	s.refused([]string{`"many" is not a number`}, "scale", "chat", "many")
	s.must(0, "scale", "chat", "2")
	s.rest("chat", "3.2", 2)
}

func (s *stand) remembers() {
	var h struct {
		Service   string
		Rollouts  []api.Rollout
		Revisions []deploy.Revision
	}
	if err := json.Unmarshal([]byte(s.must(0, "history", "chat", "--json")), &h); err != nil || len(h.Rollouts) != 5 || len(h.Revisions) != 5 {
		s.t.Fatalf("%v: %+v", err, h)
	}
	if first := h.Rollouts[0]; first.Message != "the first" || first.Outcome != deploy.Promoted || first.Version != "3.0" {
		s.t.Errorf("the first rollout: %+v", first)
	}
	contains(s.t, "history shows", words(s.must(0, "history", "chat")), "the first", "aborted", "rolled back by hand", "kept revisions: r1 (3.0), r2 (3.0), r3 (3.1), r4 (3.2), r5 (3.3)")
	if r := s.receipt(s.must(0, "receipt", "chat", "chat-2", "--json")); r.Rollout != "chat-2" || r.To != "r2" {
		s.t.Errorf("receipt of chat-2: %+v", r)
	}
	contains(s.t, "the receipt shows", s.must(0, "receipt", "chat"), "chat-5", "aborted", "0 failed")
	s.refused([]string{`no rollout "chat-77"`, "naru history chat"}, "receipt", "chat", "chat-77")
	for _, line := range strings.Split(strings.TrimSpace(s.must(0, "logs", "chat", "--revision", "r4", "--json")), "\n") {
		if v := decode(s.t, line); !strings.HasPrefix(fmt.Sprint(v["instance"]), "chat-r4-") {
			s.t.Errorf("a line of revision r4: %s", line)
		}
	}
	contains(s.t, "the log of a revision that has ended is", s.must(0, "logs", "chat", "--revision", "r3"), "chat-r3-1 ", "chat 3.1: listening on", "chat 3.1: stopped")
	s.refused([]string{"r99"}, "logs", "chat", "--revision", "r99")
}

func (s *stand) refuses() {
	s.refused([]string{`no revision "r99"`, "kept are: r1 (3.0), r2 (3.0)"}, "rollback", "chat", "r99")
	s.wants(404, engine.NotFound, "kept are: r1 (3.0)", "POST", "/v1/services/chat/rollback", `{"revision":"r99"}`)
	for _, args := range [][]string{{"status", "nobody"}, {"promote", "nobody"}, {"history", "nobody"}, {"receipt", "nobody"}, {"logs", "nobody"}, {"remove", "nobody"}, {"scale", "nobody", "2"}} {
		s.refused([]string{`no service "nobody"`, "chat, news"}, args...)
	}
	s.refused([]string{`no service "nobody"`}, "deploy", "nobody", "1.0")
	s.wants(404, engine.NotFound, "nobody", "GET", "/v1/services/nobody", "")
	s.wants(404, engine.NotFound, "nobody", "POST", "/v1/services/nobody/promote", "")

	const settings = `{"hosts":["news.example.com"],"process":{"command":["./chat","${VERSION}"]},"strategy":{"rolling":{}}%s}`
	post := func(extra, more string) string {
		return fmt.Sprintf(`{"version":"1.0","service":`+settings+`%s}`, extra, more)
	}
	s.wants(409, engine.Conflict, "news already answers news.example.com/", "POST", "/v1/services/other/rollouts", post("", ""))
	s.wants(422, engine.Invalid, "colour", "POST", "/v1/services/other/rollouts", post(`,"colour":"red"`, ""))
	s.wants(422, engine.Invalid, "colour", "POST", "/v1/services/other/rollouts", post("", `,"colour":"red"`))
	s.wants(422, engine.Invalid, "not supported yet", "POST", "/v1/services/other/rollouts", post(`,"schema":{}`, ""))
	s.wants(422, engine.Invalid, "not a version", "POST", "/v1/services/news/rollouts", strings.Replace(post("", ""), `"1.0"`, `"1 0"`, 1))
	s.wants(400, api.Malformed, "", "POST", "/v1/services/other/rollouts", `{"version":`)
	s.wants(404, engine.NotFound, "other", "GET", "/v1/services/other", "") // none of these has created it

	s.refused([]string{"arguments are missing", "naru deploy SERVICE VERSION"}, "deploy", "chat")
	s.refused([]string{"unknown flag: --quickly"}, "deploy", "chat", "3.4", "--quickly")
	s.refused([]string{`there is no command "deliver"`}, "deliver", "chat")
	s.refused([]string{"127.0.0.1:1"}, "status", "--admin", "127.0.0.1:1")
	out, errs, status := s.said("deploy", "nobody", "1.0", "--json")
	if status != 1 || decode(s.t, out)["error"] == nil {
		s.t.Errorf("a refused deploy --json: exit %d, %s%s", status, out, errs)
	}
	s.invalidFile()
}

func (s *stand) invalidFile() {
	bad := filepath.Join(s.dir, "bad.yaml")
	text := "services:\n  chat:\n    instances: many\n    colour: red\n    process: {command: [./chat]}\n    strategy: {rolling: {max_surge: 0, max_unavailable: 0}}\n"
	if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	all := []string{"bad.yaml:3:16", "bad.yaml:4:5", "instances: many"}
	s.refused(all, "validate", "-f", "bad.yaml")
	s.refused(all, "deploy", "chat", "3.4", "-f", "bad.yaml")
	s.refused(all, "serve", "-f", "bad.yaml")
	out, _, status := s.said("validate", "-f", "bad.yaml", "--json")
	if v := decode(s.t, out); status != 1 || v["valid"] != false || len(v["errors"].([]any)) < 2 {
		s.t.Errorf("validate --json: exit %d, %s", status, out)
	}
	s.refused([]string{"missing.yaml"}, "validate", "-f", "missing.yaml")
	contains(s.t, "validate says", s.must(0, "validate", "-f", "naru.yaml"), "can be used: 2 services")
}

// missesAProgram: where the program of a revision has gone, a rollback to it is refused before anything moves.
func (s *stand) missesAProgram() {
	for _, v := range []string{"1.0", "1.1"} {
		if err := os.Link(filepath.Join(bin, "chat"), filepath.Join(s.dir, "news-"+v)); err != nil && err.(*os.LinkError).Err != syscall.EEXIST {
			s.t.Fatal(err)
		}
		s.must(0, "deploy", "news", v)
	}
	if err := os.Remove(filepath.Join(s.dir, "news-1.0")); err != nil {
		s.t.Fatal(err)
	}
	before := s.status("news")
	s.refused([]string{"news-1.0", "kept are: r1 (1.0), r2 (1.1)"}, "rollback", "news")
	s.wants(409, engine.Refused, "kept are: r1 (1.0), r2 (1.1)", "POST", "/v1/services/news/rollback", "")
	if v := s.status("news"); v.Rollout != nil || v.Instances[0].PID != before.Instances[0].PID || v.Stable.Revision != "r2" {
		s.t.Errorf("after a refused rollback: %+v", v)
	}
}
