package e2e

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/platform"
)

// footprint is what naru takes of the machine at one moment, by name.
type footprint map[string]float64

// slack is how much a figure may be larger at the end of a run than at its beginning: a part of it, and for each deploy. What
// is left behind by every deploy shows however small it is, and how fast the machine is does not matter.
type slack struct {
	part      float64 // of the early figure: what moves by itself
	perDeploy float64
}

// bounds are those of every figure. What has neither part nor rate must be the same number, or less.
var bounds = map[string]slack{
	"processes":        {},
	"files of state":   {part: 0.1}, // logs of instances that have just ended
	"serve goroutines": {part: 0.1, perDeploy: 0.02},
	"proxy goroutines": {part: 0.2, perDeploy: 0.02},
	"serve files":      {part: 0.1, perDeploy: 0.02},
	"proxy files":      {part: 0.2, perDeploy: 0.02}, // connections of users come and go
	"serve heap kB":    {part: 0.15, perDeploy: 2},   // of 500 deploys, 1 MB
	"proxy heap kB":    {part: 0.15, perDeploy: 2},
	"serve memory kB":  {part: 0.25, perDeploy: 8}, // what the runtime gives back when it likes
	"proxy memory kB":  {part: 0.25, perDeploy: 8},
	"disk kB":          {part: 0.1},
	"store kB":         {perDeploy: 2}, // a row of history for each of the last 1000 rollouts, and the last 20,000 events
	"containers":       {},
	"images":           {},
	"tags of images":   {},
	"volumes":          {},
	"networks":         {},
}

// grows says which figures are larger at the end of a run than at its beginning, by more than their slack. It compares the
// least that each was in the second quarter with the least of the last one: garbage that is not collected yet, and what comes
// and goes, is not in the least of many. The first quarter is the warming up.
func grows(run []footprint) (out []string) {
	n := len(run)
	early, late := run[n/4:n/2], run[n-n/4:]
	deploys := float64(n-n/4) - float64(n/4)
	for _, name := range figures(run) {
		was, is := least(early, name), least(late, name)
		b, known := bounds[name]
		if limit := was*(1+b.part) + b.perDeploy*deploys; !known || is > limit {
			out = append(out, fmt.Sprintf("%s: from %.0f to %.0f, at most %.0f", name, was, is, limit))
		}
	}
	return out
}

func figures(run []footprint) (out []string) {
	for name := range run[0] {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func least(part []footprint, name string) float64 {
	low := part[0][name]
	for _, f := range part {
		low = min(low, f[name])
	}
	return low
}

// footprint takes the figures now.
func (s *stand) footprint(proxyPID int) footprint {
	s.t.Helper()
	metrics := s.metrics()
	state := filepath.Join(s.dir, ".naru")
	store := platform.Size(filepath.Join(state, "naru.db"))
	logs := platform.Size(filepath.Join(state, "proxy")) // bounded by itself, see supervisor
	files := 0
	_ = filepath.WalkDir(state, func(string, fs.DirEntry, error) error { files++; return nil })
	f := footprint{
		"processes": float64(len(processes(s.dir))), "files of state": float64(files),
		"serve goroutines": metrics["go_goroutines"], "proxy goroutines": metrics["naru_proxy_go_goroutines"],
		"serve heap kB": metrics["go_memstats_heap_alloc_bytes"] / 1e3, "proxy heap kB": metrics["naru_proxy_go_memstats_heap_alloc_bytes"] / 1e3,
		"disk kB": float64(platform.Size(state)-store-logs) / 1e3, "store kB": float64(store) / 1e3,
	}
	for who, pid := range map[string]int{"serve": s.serve.Process.Pid, "proxy": proxyPID} {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			s.t.Fatalf("%s: %v", who, err)
		}
		f[who+" files"], f[who+" memory kB"] = float64(len(open)), resident(s.t, pid)
	}
	return f
}

// metrics reads /metrics, of metrics without labels.
func (s *stand) metrics() map[string]float64 {
	s.t.Helper()
	res, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				out[name] = v
			}
		}
	}
	return out
}

// resident is the memory of a process in kB.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb
		}
	}
	t.Fatalf("process %d has no memory", pid)
	return 0
}

// table shows a run: the figures at some moments of it.
func table(run []footprint, at ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s", "after deploy")
	for _, i := range at {
		fmt.Fprintf(&b, "%9d", i+1)
	}
	for _, name := range figures(run) {
		fmt.Fprintf(&b, "\n%-18s", name)
		for _, i := range at {
			fmt.Fprintf(&b, "%9.0f", run[i][name])
		}
	}
	return b.String()
}

// What every deploy leaves behind is found, however little it is, and what only comes and goes is not.
func TestGrowthIsFound(t *testing.T) {
	run := func(deploys int, figure string, at func(i int) float64) (out []footprint) {
		for i := range deploys {
			f := footprint{}
			for name := range bounds {
				f[name] = 1000 + float64((i*7919)%13) // garbage
			}
			f[figure] = at(i)
			out = append(out, f)
		}
		return out
	}
	for name, b := range bounds {
		for _, n := range []int{24, 100, 500} {
			leak := func(per float64) []string {
				return grows(run(n, name, func(i int) float64 { return 10 + per*float64(i) }))
			}
			early := float64(n / 4)
			small := b.perDeploy + (b.part*(10+early)+1)/float64(n/2) + b.part*2
			if found := leak(2*small + 0.1); len(found) != 1 || !strings.HasPrefix(found[0], name) {
				t.Errorf("%s grows by %.3f with each of %d deploys, and found is %v", name, 2*small+0.1, n, found)
			}
			if found := leak(0); len(found) != 0 {
				t.Errorf("%s stays, and found is %v", name, found)
			}
		}
		wave := run(100, name, func(i int) float64 { return 1000 + 300*float64(i%7) })
		if found := grows(wave); len(found) != 0 {
			t.Errorf("%s comes and goes, and found is %v", name, found)
		}
		once := run(100, name, func(i int) float64 { return 1000 + 500*float64(min(i, 10)) }) // while it warms up
		if found := grows(once); len(found) != 0 {
			t.Errorf("%s is warm after 10, and found is %v", name, found)
		}
	}
}

// Deploy after deploy, and now and then a failure, a rollback, a drill and an instance that is killed: a machine that has seen
// many is as clean as one that has seen few. NARU_SOAK is the number of deploys; make soak asks for 500.
func TestManyDeploysLeaveNothing(t *testing.T) {
	deploys := number(t, "NARU_SOAK", 12)
	strategy := map[int]string{0: `{rolling: {max_surge: 2, bake: 1ms}}`, 1: `{canary: {steps: [50%, 100%], bake: 1ms}}`, 2: `{blue_green: {bake: 1ms}}`}
	file := func(i int) string {
		return strings.ReplaceAll(keeper(strategy[i%3]+"\n    analysis: {enabled: false}"), "drain_timeout: 3s", "drain_timeout: 1s")
	}
	s := start(t, file(0))
	s.deploy(0, "chat", "3.0")
	load := s.load(30)
	proxy, began := s.proxyPID(), time.Now()
	var run []footprint
	for i := range deploys {
		s.write(file(i))
		s.must(0, "deploy", "chat", fmt.Sprintf("3.%d", i+1), "--json")
		switch {
		case i%10 == 3:
			s.must(2, "deploy", "chat", "3.0-crash", "--json")
		case i%10 == 5:
			s.must(0, "rollback", "chat", "--json")
		case i%10 == 7:
			s.must(0, "rollback", "chat", "--drill", "--json")
		}
		s.until(20*time.Second, "the deploy is over", func() error {
			if v := s.status("chat"); len(v.Instances) != 2 || v.Rollout != nil {
				return fmt.Errorf("%+v", v)
			}
			if n := len(s.history("chat").Revisions); n > 4 { // and the last failure
				return fmt.Errorf("%d revisions", n)
			}
			return nil
		})
		run = append(run, s.footprint(proxy))
	}
	clean(t, load.Stop())
	last := len(run) - 1
	t.Logf("%d deploys in %s:\n%s", deploys, time.Since(began).Round(time.Second), table(run, 0, last/4, last/2, 3*last/4, last))
	if rows := s.history("chat").Rollouts; len(rows) < deploys {
		t.Errorf("history has %d rows of %d deploys", len(rows), deploys)
	}
	if deploys < 24 {
		return // too few to see what grows
	}
	for _, g := range grows(run) {
		t.Error(g)
	}
}
