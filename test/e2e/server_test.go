package e2e

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// What keeps serve from starting is one line: what, where, who holds it, what to do. Nothing is left running.
func TestServeSaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	first := start(t, chat(1, strategies["rolling"]))
	mine, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	me := strconv.Itoa(os.Getpid())
	cases := []struct {
		name  string
		spoil func(*stand)
		words []string
	}{
		{"http taken by another naru", func(s *stand) { s.http = first.http }, []string{"listen on " + first.http, "is taken by naru (pid ", "stop that program or choose another"}},
		{"http taken by a stranger", func(s *stand) { s.http = mine.Addr().String() }, []string{"listen on " + mine.Addr().String(), "is taken by ", "(pid " + me + ")"}},
		{"admin taken", func(s *stand) { s.admin = first.admin }, []string{"listen on " + first.admin, "is taken by naru (pid " + strconv.Itoa(first.serve.Process.Pid) + ")"}},
		{"state folder locked", func(s *stand) {
			os.RemoveAll(filepath.Join(s.dir, ".naru"))
			if err := os.Symlink(filepath.Join(first.dir, ".naru"), filepath.Join(s.dir, ".naru")); err != nil {
				t.Fatal(err)
			}
		}, []string{"the state folder is in use by another naru serve: ", "/.naru (pid " + strconv.Itoa(first.serve.Process.Pid) + ")", "stop that one"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := stage(t, chat(1, strategies["rolling"]))
			c.spoil(s)
			s.write(chat(1, strategies["rolling"]))
			out, errs, status := s.said("serve", "-f", "naru.yaml")
			if status != 1 || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, want 1 and one line:\n%s%s", status, out, errs)
			}
			contains(t, "serve says", errs, c.words...)
			if c.name == "state folder locked" { // or the end of this stand would take the first one down
				os.Remove(filepath.Join(s.dir, ".naru"))
			}
		})
	}
	first.deploy(0, "chat", "3.0") // which goes on
}

// The admin address for other machines asks for the token of the file; SIGHUP reads another one.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(1, strategies["rolling"]))
	_, port, _ := net.SplitHostPort(s.admin)
	s.admin = "0.0.0.0:" + port
	s.write(chat(1, strategies["rolling"]))
	s.refused([]string{"naru.yaml:3:", "admin_token_file"}, "serve", "-f", "naru.yaml")

	token := filepath.Join(s.dir, "token")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(token, "correct-horse")
	s.server = "  admin_token_file: token\n"
	s.write(chat(1, strategies["rolling"]))
	s.begin()
	s.wants(401, "unauthorized", "the token is missing or wrong", "GET", "/v1/services", "")
	s.wants(401, "unauthorized", "the token is missing or wrong", "POST", "/v1/down", "{}")
	s.refused([]string{"the token is missing or wrong"}, "status")
	put(filepath.Join(s.dir, "other"), "battery-staple")
	s.refused([]string{"the token is missing or wrong"}, "status", "--token-file", "other")
	s.must(0, "status", "--token-file", "token")
	s.must(0, "deploy", "chat", "3.0") // the file names the token

	put(token, "battery-staple")
	s.serve.Process.Signal(syscall.SIGHUP)
	s.until(10*time.Second, "the new token is taken", func() error {
		if _, errs, status := s.said("status", "--token-file", "other"); status != 0 {
			return errors.New(errs)
		}
		return nil
	})
}

// No port is left for an instance: that is said, and costs nobody anything.
func TestNoPortIsFree(t *testing.T) {
	t.Parallel()
	s := stage(t, chat(2, strategies["rolling"]))
	low, _, _ := strings.Cut(s.ports, "-")
	s.ports = low + "-" + low[:len(low)-1] + "1" // two
	s.write(chat(2, strategies["rolling"]))
	s.begin()
	s.deploy(0, "chat", "3.0")
	load := s.load(50)
	r := s.deploy(2, "chat", "3.1")
	clean(t, load.Stop())
	whole(t, r, deploy.RolledBack)
	contains(t, "the reason is", r.Reason, "no free port", s.ports)
	s.rest("chat", "3.0", 2)
}
