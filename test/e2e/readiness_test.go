package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Whether one could go back is looked at where the program would really run: at the port that it always has, and with the secrets
// that it takes. What is missing is said once.
func TestReadinessOfPortAndSecrets(t *testing.T) {
	t.Parallel()
	first, second := reserved(t), reserved(t)
	s := stage(t, "")
	secret := filepath.Join(s.dir, "db.secret")
	hold := func() {
		if err := os.WriteFile(secret, []byte("opal"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hold()
	service := func(port int) string {
		return strings.Replace(lonely(port, ""), "process: {", fmt.Sprintf("process: {env: {DSN: {file: %s}, KEY: {command: [echo, jade]}}, ", secret), 1)
	}
	s.write(service(first))
	s.begin()
	s.promoted("3.0")
	s.write(service(second))
	s.promoted("3.1")
	checks := func(want bool, words ...string) (text string) {
		t.Helper()
		s.until(60*time.Second, fmt.Sprintf("r1 is ready: %t, %q", want, words), func() error {
			r := s.history("chat").revision(t, "r1").Readiness
			if r == nil || r.Ready != want {
				return fmt.Errorf("%+v", r)
			}
			text = fmt.Sprint(r.Checks)
			for _, w := range words {
				if !strings.Contains(text, w) {
					return fmt.Errorf("%s", text)
				}
			}
			return nil
		})
		return text
	}
	checks(true, fmt.Sprintf("port %d is free", first), "{secrets true are there; what the commands of KEY print is asked for by the rollback itself")
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	const gone = "db.secret does not exist"
	text := checks(false, fmt.Sprintf("{ports false port %d of 127.0.0.1 is taken by e2e.test (pid %d)", first, os.Getpid()), "{secrets false process.env.DSN.file: ", "{program true is there; whether")
	if n := strings.Count(text, gone); n != 1 {
		t.Errorf("%q is said %d times: %s", gone, n, text)
	}
	contains(t, "naru status says", words(s.must(0, "status", "chat")), "rollback: to r1 (3.0), NOT ready", fmt.Sprintf("port %d of 127.0.0.1 is taken", first))
	l.Close()
	hold()
	whole(t, s.receipt(s.must(0, "rollback", "chat", "--json")), deploy.Promoted)
	checks(true, "{ports true none are needed}") // it serves
}
