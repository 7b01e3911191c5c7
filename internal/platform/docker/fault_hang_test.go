package docker

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

// An engine that hangs keeps its events open, and its last word must not stand for ever; when it goes on, it is believed again.
func TestEngineHangs(t *testing.T) {
	b := open(t)
	if !theEngine.Own() {
		t.Skip("the engine is not the tests' own, so it is not stopped")
	}
	i := b.run(service(platformtest.Echo))
	p, err := New(Options{Dir: b.dir, Host: theEngine.Host, Ports: &platform.Ports{}})
	if err != nil {
		t.Fatal(err)
	}
	p.listening = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer p.Close()
	defer running.Wait()
	defer cancel()
	list := func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		all, err := p.List(ctx, "")
		if err == nil && (len(all) != 1 || all[0].PID != i.PID) {
			t.Fatalf("%+v, want %+v", all, i)
		}
		return err
	}
	believed := func() error {
		if all, _ := p.world.known(); all == nil {
			return errors.New("it is asked anew at every look")
		}
		return list()
	}
	platformtest.Eventually(t, func() error { return errors.Join(list(), believed()) })
	if err := theEngine.Hang(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = theEngine.GoOn() }() // also when the test ends in the middle
	platformtest.Eventually(t, func() error {
		if err := list(); err == nil {
			return errors.New("its last word still stands")
		} else if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "%2F") {
			t.Fatal(err)
		} else {
			contains(t, err.Error(), "the Docker engine has not answered in time", "journalctl -u docker")
		}
		return nil
	})
	if err := theEngine.GoOn(); err != nil {
		t.Fatal(err)
	}
	platformtest.Eventually(t, func() error { return errors.Join(list(), believed()) })
}
