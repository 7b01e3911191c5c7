package config_test

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
)

var update = flag.Bool("update", false, "write golden files and the tables of the reference anew")

func load(t *testing.T, path string) *config.File {
	t.Helper()
	f, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// golden compares text with a file, and writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := config.Load("testdata/faults.yaml")
	var errs config.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("want Errors, got %v", err)
	}
	golden(t, "testdata/faults.golden", err.Error()+"\n")
	if !slices.IsSortedFunc(errs, func(a, b config.Error) int {
		return (a.Line-b.Line)*1000 + a.Column - b.Column
	}) {
		t.Error("not in the order of the file")
	}
}

func TestEveryKey(t *testing.T) {
	f := load(t, "testdata/full.yaml")
	if want := []string{"shop", "social", "mailer", "chat"}; !slices.Equal(f.Order, want) {
		t.Errorf("order %v, want %v", f.Order, want)
	}
	shop := f.Services["shop"]
	b := shop.Strategy.BlueGreen
	seconds := func(n int) deploy.Duration { return deploy.Duration(time.Duration(n) * time.Second) }
	checks := []struct {
		name      string
		got, want any
	}{
		{"drain_timeout", shop.DrainTimeout, seconds(90)},
		{"max_overload", shop.MaxOverload, 1.5},
		{"attempts", *shop.Retries.Attempts, 0},
		{"budget", *shop.Retries.Budget, deploy.Share(1250)},
		{"body", shop.Limits.Body, deploy.Size(10_000_000)},
		{"load_test", *b.LoadTest, deploy.LoadTest{Path: "/shop/cart?id=1", Rate: 200, Duration: seconds(30),
			P99: deploy.Duration(250 * time.Millisecond), Errors: new(deploy.Share(10))}},
		{"tests", b.Tests, [][]string{{"./check.sh", "--quick"}, {"./smoke.sh"}}},
		{"analysis", shop.Analysis.On(), false},
		{"margins", shop.Analysis.Margins, deploy.Margins{Errors: new(deploy.Share(10)), Latency: new(deploy.Share(500))}},
		{"streams", shop.Analysis.Streams, []string{"guardrail", "errors"}},
		{"source", shop.Analysis.Sources[0], deploy.Source{Name: "failed orders", Max: new(0.5), MaxRatio: new(1.2), Interval: seconds(15), Timeout: seconds(2), Breaches: 2, Required: new(false),
			Prometheus: &deploy.PrometheusQuery{URL: "http://127.0.0.1:9090", Query: `sum(rate(orders_failed_total{revision="${REVISION}"}[1m]))`}}},
		{"web hook", shop.Analysis.Sources[1].Webhook.Headers, map[string]string{"Authorization": "Bearer none"}},
		{"source's command stays", shop.Analysis.Sources[2].Command, []string{"./queue-length.sh", "${REVISION}"}},
		{"grpc", *f.Services["social"].Health.GRPC, ""},
		{"short step", f.Services["social"].Strategy.Canary.Steps[0], deploy.CanaryStep{Weight: 500}},
		{"match", f.Services["social"].Strategy.Canary.Steps[1].Match, []deploy.Match{{Header: "X-Beta", Value: "1"}, {Cookie: "beta"}}},
		{"worker", f.Services["mailer"].Worker(), true},
		{"bake 0", *f.Services["mailer"].Strategy.Rolling.Bake, deploy.Duration(0)},
		{"block list", f.Services["chat"].Process.Command, []string{"./chat", "--version", "${VERSION}"}},
		{"ports", f.Server.Ports, deploy.PortSpan{Low: 21000, High: 21999}},
		{"trusted_proxies", f.Server.TrustedProxies[1].String(), netip.MustParsePrefix("fd00::/8").String()},
	}
	for _, c := range checks {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestPathsAreSeenFromTheFile(t *testing.T) {
	folder, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	f := load(t, "testdata/full.yaml")
	got := []string{
		f.Server.State, f.Server.AdminTokenFile,
		f.Server.TLS.Hosts["example.com"].Cert, f.Server.TLS.Hosts["*.example.org"].Key,
		f.Services["shop"].Process.Dir, f.Services["shop"].Process.Artifact,
		f.Services["chat"].Process.Dir, f.Services["chat"].Process.Command[0],
	}
	want := []string{
		folder + "/var/naru", folder + "/token",
		folder + "/tls/example.pem", "/etc/naru/org.key",
		folder + "/shop", folder + "/build/shop-${VERSION}",
		folder, "./chat",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

const minimal = "services: {a: {process: {command: [\"./a\", \"${VERSION}\"]}}}\n"

func TestServerDefaults(t *testing.T) {
	f, err := config.Parse("/srv/naru.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Server{HTTP: []string{":8080"}, Admin: "127.0.0.1:7070", State: "/srv/.naru", Ports: deploy.PortSpan{Low: 20000, High: 29999}}
	if diff := cmp.Diff(want, f.Server); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := f.Warnings(); len(w) > 0 {
		t.Errorf("warnings about nothing: %v", w)
	}
	f, err = config.Parse("/srv/naru.yaml", []byte("server: {http: []}\n"+minimal))
	if err != nil || len(f.Server.HTTP) != 0 {
		t.Errorf("http: [] must stay empty: %v, %v", f, err)
	}
}

// TestFileFaults: what is wrong with a file as a whole, or with its YAML.
func TestFileFaults(t *testing.T) {
	cases := []struct{ name, src, at, says string }{
		{"empty", "", "n.yaml: ", "the file is empty"},
		{"only comments", "# nothing\n", "n.yaml: ", "the file is empty"},
		{"only a marker", "---\n", "n.yaml: ", "the file is empty"},
		{"a list", "- a\n- b\n", "n.yaml:1:1: ", "must be a mapping of keys to values, and is a list"},
		{"a word", "hello\n", "n.yaml:1:1: ", "must be a mapping of keys to values, and is text"},
		{"latin-1", "a: \xe9\n", "n.yaml: ", "not UTF-8"},
		{"too large", strings.Repeat("#\n", 1<<19) + "#", "n.yaml: ", "too large"},
		{"tab", "services:\n\ta: 1\n", "n.yaml:2:1: ", "YAML indents with spaces"},
		{"open bracket", "server: {http: [\n", "n.yaml:1:16: ", "']' not found"},
		{"bare placeholder", "x: [127.0.0.1:${PORT}]", "n.yaml:1:16: ", "needs quotes"},
		{"two documents", minimal + "---\n" + minimal, "n.yaml:3:1: ", "second document"},
		{"anchor", "server: &x {}\n", "n.yaml:1:9: server: ", "anchors"},
		{"tag", "server: !!map {}\n", "n.yaml:1:9: server: ", "tags"},
		{"merge key", "server: {<<: {}}\n", "n.yaml:1:10: server: ", "merge keys"},
		{"explicit key", "? server\n: {}\n", "n.yaml:1:1: ", "keys with ?"},
		{"key twice", "server: {}\nserver: {}\n", "n.yaml:2:1: server: ", "twice, the first time on line 1"},
		{"deep flow", "server: " + strings.Repeat("[", 100_000), "n.yaml:1:", "levels deep"},
		{"deep block", strings.Repeat("- ", 100_000), "n.yaml:1:", "levels deep"},
		{"deep by indentation", indented(500), "n.yaml:1:1: ", `unknown key "a"`},
		{"null section", "server:\n" + minimal, "n.yaml:1:8: server: ", "write {} for the defaults"},
		{"octal", "services: {a: {instances: 010, process: {command: [x]}}}", "n.yaml:1:27: services.a.instances: ", "plain digits"},
		{"not a number", "services: {a: {max_overload: .nan, process: {command: [x]}}}", "n.yaml:1:30: services.a.max_overload: ", "plain digits"},
		{"byte order mark", "\ufeffservices: {a: {instances: x, process: {command: [x]}}}", "n.yaml:1:27: ", "must be a whole number, and is text"},
		{"windows line ends", "server:\r\n  admin: 5\r\n", "n.yaml:2:10: server.admin: ", `put it in quotes, "5"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("n.yaml", []byte(c.src))
			if err == nil {
				t.Fatal("accepted")
			}
			if got := err.Error(); !strings.HasPrefix(got, c.at) || !strings.Contains(got, c.says) {
				t.Errorf("got %.300s\nwant %s… %s", got, c.at, c.says)
			}
		})
	}
}

// indented nests mappings by indentation alone.
func indented(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestCaretStandsUnderTheFault(t *testing.T) {
	long := strings.Repeat("x", 300)
	_, err := config.Parse("n.yaml", []byte("services: {나루: {}, a: {path: "+long+", balance: y}}\n"))
	var errs config.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("want Errors, got %v", err)
	}
	for _, e := range errs {
		lines := strings.Split(e.Error(), "\n")
		if len(lines) != 3 {
			t.Fatalf("want three lines: %q", e.Error())
		}
		source, caret := []rune(lines[1]), len([]rune(lines[2]))-1
		if whole := []rune(e.Source); source[caret] != whole[e.Column-1] {
			t.Errorf("caret under %q, fault at %q:\n%v", source[caret], whole[e.Column-1], e)
		}
		if len(source) > 120 {
			t.Errorf("a line of %d characters", len(source))
		}
	}
}

// TestPasswordsAreNotShown: the line of a fault is printed, and with it whatever else stands on it.
func TestPasswordsAreNotShown(t *testing.T) {
	_, err := config.Parse("n.yaml", []byte(`services: {a: {x: "http://나:s3cret@a.test/b@c", y: "http://a.test/d@e"}}`))
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Fatalf("got %v", err)
	}
	for line := range strings.Lines(err.Error()) {
		if shows := strings.Contains(line, "    1 |"); shows && !strings.Contains(line, `x: "http://********@a.test/b@c", y: "http://a.test/d@e"`) {
			t.Errorf("more or less than the password is hidden: %s", line)
		}
	}
}

func TestLoadNamesTheFileThatIsMissing(t *testing.T) {
	_, err := config.Load(filepath.Join(t.TempDir(), "naru.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "-f") {
		t.Errorf("got %v", err)
	}
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/naru.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f := load(t, path)
		if w := f.Warnings(); len(w) > 0 {
			t.Errorf("%s: an example to copy has warnings: %v", path, w)
		}
	}
}
