package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// chat is the service of most tests: the chat example under a strategy.
func chat(instances int, strategy string) string {
	return fmt.Sprintf(`  chat:
    instances: %d
    process: {command: [BIN/chat, --version, "${VERSION}", --listen, "127.0.0.1:${PORT}"]}
    health: {http: /healthz, interval: 200ms, timeout: 1s, start_timeout: 10s}
    drain_timeout: 3s
    stop_timeout: 3s
    deadline: 60s
    strategy: %s
`, instances, calm(strategy))
}

// calm adds to a strategy how its versions are judged, where it does not say so itself.
func calm(strategy string) string {
	if strings.Contains(strategy, "analysis:") {
		return strategy
	}
	return strategy + "\n    analysis: " + unhurried
}

var strategies = map[string]string{
	"rolling":    `{rolling: {max_surge: 1, max_unavailable: 0, bake: 300ms}}`,
	"blue_green": `{blue_green: {bake: 500ms}}`,
	"canary":     `{canary: {steps: [10%, 50%, 100%], bake: 500ms}}`,
}

func TestEveryStrategyLosesNoRequest(t *testing.T) {
	t.Parallel()
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			s := start(t, chat(3, strategy))
			s.deploy(0, "chat", "3.0")
			load := s.load(200)
			receipt := s.deploy(0, "chat", "3.1")
			s.until(10*time.Second, "the new version answers", func() error {
				if v := load.Report().Versions["3.1"]; v < 50 {
					return fmt.Errorf("3.1 has answered %d", v)
				}
				return nil
			})
			back := s.receipt(s.must(0, "rollback", "chat", "--json"))
			report := load.Stop()
			clean(t, report)
			whole(t, receipt, deploy.Promoted)
			whole(t, back, deploy.Promoted)
			if receipt.Requests.Total == 0 || receipt.Revisions["r1"].Requests == 0 || receipt.Revisions["r2"].Requests == 0 {
				t.Errorf("the receipt does not account for both revisions: %+v", receipt)
			}
			if min := receipt.MinHealthy; min < 3 {
				t.Errorf("only %d instances were healthy at one moment", min)
			}
		})
	}
}
