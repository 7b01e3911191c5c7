package examples_test

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/traffic"
)

type cart struct {
	Order  string
	Items  []struct{ Item string }
	Cents  int
	Points int
}

func customer(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func TestShopKeepsCartsApart(t *testing.T) {
	t.Parallel()
	p := startReady(t, "shop", "1.1")
	ada, grace := customer(t), customer(t)
	var got cart
	p.askJSON(t, ada, "POST", "/cart", "item=tea", http.StatusOK, &got)
	p.askJSON(t, ada, "POST", "/cart", "item=pot", http.StatusOK, &got)
	if len(got.Items) != 2 || got.Cents != 3440 {
		t.Errorf("ada's cart: %+v", got)
	}
	got = cart{}
	p.askJSON(t, grace, "GET", "/cart", "", http.StatusOK, &got)
	if len(got.Items) != 0 {
		t.Errorf("grace's cart: %+v", got)
	}
	p.askJSON(t, ada, "POST", "/checkout", "", http.StatusOK, &got)
	if got.Order == "" || got.Cents != 3440 || got.Points != 34 {
		t.Errorf("ada's order: %+v", got)
	}
	var refused struct{ Error string }
	p.askJSON(t, ada, "POST", "/checkout", "", http.StatusConflict, &refused)
	p.askJSON(t, ada, "POST", "/cart", "item=boat", http.StatusUnprocessableEntity, &refused)
	if !strings.Contains(refused.Error, "boat") {
		t.Errorf("refused: %+v", refused)
	}
}

func TestShopVersionsDiffer(t *testing.T) {
	t.Parallel()
	old := startReady(t, "shop", "1.0")
	ada := customer(t)
	var got cart
	old.askJSON(t, ada, "POST", "/cart", "item=pot", http.StatusOK, &got)
	old.askJSON(t, ada, "POST", "/checkout", "", http.StatusOK, &got)
	if got.Points != 0 {
		t.Errorf("1.0 gives points: %+v", got)
	}
}

// checkShop runs the shop's own check as naru would.
func checkShop(t *testing.T, url, version string, args ...string) (code int, text string) {
	t.Helper()
	cmd, log := command("shop", append([]string{"--check"}, args...)...)
	cmd.Env = append(cmd.Env, "NARU_VERSION="+version)
	if url != "" {
		cmd.Env = append(cmd.Env, "NARU_PREVIEW_URL="+url)
	}
	_ = cmd.Run() // the exit status says all there is
	return cmd.ProcessState.ExitCode(), log.String()
}

func TestShopCheck(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		p := startReady(t, "shop", version)
		if code, text := checkShop(t, p.url, version); code != 0 || !strings.Contains(text, "check passed") {
			t.Errorf("check of %s: exit status %d: %s", version, code, text)
		}
	}
	bad, good := startReady(t, "shop", "1.1-bad"), startReady(t, "shop", "1.0")
	for _, c := range []struct{ name, url, version, says string }{
		{"a wrong sum", bad.url, "1.1-bad", "the order costs 1200 cents, but its items 1650"},
		{"a wrong version", good.url, "1.1", "the shop is version 1.0, not 1.1"},
		{"nobody there", "http://127.0.0.1:1", "1.1", "connection refused"},
		{"no URL", "", "1.1", "set NARU_PREVIEW_URL"},
	} {
		if code, text := checkShop(t, c.url, c.version); code != 1 || !strings.Contains(text, c.says) {
			t.Errorf("%s: exit status %d: %s", c.name, code, text)
		}
	}
	if code, text := checkShop(t, "", "1.0", good.url); code != 0 {
		t.Errorf("check of a URL given: exit status %d: %s", code, text)
	}
}

func TestShop12FailsUnderLoadOnly(t *testing.T) {
	t.Parallel()
	calm := startReady(t, "shop", "1.2")
	few := traffic.Load{URL: calm.url, Path: "/products", Rate: 10, Duration: time.Second}.Run(t.Context())
	if err := few.Err(); err != nil {
		t.Errorf("at 10/s: %v", err)
	}
	crowd, err := traffic.Attack(t.Context(), calm.url, "/products", 100, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	// 5 % of what comes above the limit, so a little less in all.
	if rate := crowd.ErrorRate(); rate < 0.01 || rate > 0.05 {
		t.Errorf("at 100/s: error rate %v: %+v", rate, crowd)
	}
	good := startReady(t, "shop", "1.1")
	if crowd, err := traffic.Attack(t.Context(), good.url, "/products", 100, time.Second); err != nil || crowd.Failed != 0 {
		t.Errorf("1.1 at 100/s: %+v, %v", crowd, err)
	}
}
