package docker

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// Copying a long log holds nobody up who waits for the end of a program: it counts as ended as soon as it has, and is listed until the
// log is kept.
func TestEndIsNotHeldUpByTheLog(t *testing.T) {
	b := open(t)
	i := b.run(service(platformtest.Chatty, "3"))
	copying := make(chan struct{})
	p, err := New(Options{Dir: b.dir, Host: b.between(func(q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/logs") && q.URL.Query().Get("tail") != fmt.Sprint(tailLines) {
			<-copying
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- p.Stop(t.Context(), i.ID, 0) }()
	b.await(i.ID, exited)
	select {
	case err := <-stopped:
		t.Errorf("the stop has not waited for the log: %v", err)
	default:
	}
	close(copying)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if all, err := b.List(t.Context(), ""); err != nil || len(all) > 0 {
		t.Errorf("still listed: %+v, %v", all, err)
	}
	log, err := b.Logs(t.Context(), i.ID, platform.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
}

// The newest lines of a long log are kept, and nobody waits for them who waits for the end of the program; go test -run TestLongLog -v
// shows how long both take. The engine keeps five files of 10 MB.
func TestLongLog(t *testing.T) {
	b := open(t)
	const lines = 600_000 // 25 MB with their times before them
	i := b.run(service(platformtest.Chatty, fmt.Sprint(lines)))
	newest := func() error {
		log, err := b.Logs(t.Context(), i.ID, platform.LogOptions{Tail: 1})
		if err != nil {
			return err
		}
		defer log.Close()
		if line, err := io.ReadAll(log); err != nil || !strings.HasSuffix(string(line), fmt.Sprintf(" line %d\n", lines)) {
			return fmt.Errorf("the newest line is %q, %v", line, err)
		}
		return nil
	}
	platformtest.Eventually(t, newest)
	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop(t.Context(), i.ID, time.Second) }()
	platformtest.Eventually(t, func() error {
		all, err := b.List(t.Context(), "")
		if err == nil && len(all) > 0 && all[0].Live() {
			err = fmt.Errorf("it is %s", all[0].State)
		}
		return err
	})
	ended := time.Since(began)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if err := newest(); err != nil {
		t.Error(err)
	}
	t.Logf("%d lines: ended after %s, log kept and container gone after %s", lines, ended.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
